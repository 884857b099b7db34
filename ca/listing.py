"""The ledger as people see it: a table, and which entry they mean by a serial or a name.

Pure: entries and the clock in, text and entries out.
"""

from collections.abc import Sequence
from datetime import datetime

from ca.errors import IssueError
from ca.ledger import Entry
from ca.profiles import ISSUING, ROOT

_AUTHORITIES = (ROOT.name, ISSUING.name)


def table(entries: Sequence[Entry], now: datetime, *, everything: bool) -> list[str]:
    """Aligned lines, a heading first: the valid leaf certificates, or with `everything` all there ever were."""
    rows = [("SERIAL", "PROFILE", "NAME", "ISSUED", "VALID UNTIL", "STATE", "WHO")]
    rows += [
        (entry.serial, entry.profile, entry.name, *_dates(entry), state(entry, now), entry.who)
        for entry in entries
        if everything or (entry.profile not in _AUTHORITIES and state(entry, now) == "valid")
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def state(entry: Entry, now: datetime) -> str:
    """`valid`, `expired` or `revoked`."""
    if entry.revoked_at is not None:
        return "revoked"
    return "valid" if now <= entry.not_after else "expired"


def _dates(entry: Entry) -> tuple[str, str]:
    return f"{entry.created:%Y-%m-%d}", f"{entry.not_after:%Y-%m-%d}"


def find_leaf(entries: Sequence[Entry], wanted: str) -> Entry:
    """The leaf certificate with this serial (hex, any usual spelling) or name.

    By name, those not revoked count; if all are, the last of them, so that an interrupted revocation can be repeated.

    Raises:
        IssueError: reason `not-found` or `ambiguous`.
    """
    leaves = [entry for entry in entries if entry.profile not in _AUTHORITIES]
    serial = wanted.lower().replace(":", "").removeprefix("0x").lstrip("0")
    named = [entry for entry in leaves if entry.name == wanted]
    found = (
        [entry for entry in leaves if entry.serial == serial]
        or [entry for entry in named if entry.revoked_at is None]
        or named[-1:]
    )
    if not found:
        raise IssueError("not-found", f"There is no certificate {wanted!r}: see spot-ca list --all.")
    if len(found) > 1:
        serials = ", ".join(f"{entry.serial} ({entry.profile}, issued {entry.created:%Y-%m-%d})" for entry in found)
        raise IssueError("ambiguous", f"{wanted!r} has several certificates: name one by its serial, {serials}.")
    return found[0]
