"""Which certificate came of which: one that was asked for under another is its child.

Pure: entries of the ledger in, entries out.
"""

from collections.abc import Collection, Iterable, Mapping

from ca.entry import Entry


def children(entries: Iterable[Entry]) -> Mapping[str, list[Entry]]:
    """By serial, what was asked for under that certificate, oldest first; those without any are left out."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.parent is not None:
            found.setdefault(entry.parent, []).append(entry)
    return found


def descendants(entries: Collection[Entry], serials: Collection[str]) -> list[Entry]:
    """Everything that came of these certificates, over however many steps, in the order of `entries`; not themselves.

    Of a damaged ledger, in which somebody is his own ancestor, too.
    """
    below = children(entries)
    found: set[str] = set()
    waiting = list(serials)
    while waiting:
        new = {child.serial for child in below.get(waiting.pop(), ())} - found
        found |= new
        waiting += new
    return [entry for entry in entries if entry.serial in found - set(serials)]
