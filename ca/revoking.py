"""What goes with a certificate that is revoked: its identity, and all that came of it.

Who has a key can have renewed with it. So, unless told otherwise, a revocation is one of the identity: all its
certificates, also those that ended (they might still be renewed), and all that was asked for under any of these, over
however many steps. A server's certificate has no identity of that kind: it goes alone, since its successor stands
beside it by intention.

Pure: entries of the ledger in, entries out.
"""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from ca.descent import descendants
from ca.entry import Entry
from ca.errors import IssueError
from ca.listing import aligned, find, is_authority
from ca.profiles import CLIENT, ENROL, SERVER

Why = Literal["itself", "same identity", "descends"]
_SERIAL = re.compile(r"[0-9a-f]{1,40}", re.ASCII)
_CUSTOMERS = (CLIENT.name, ENROL.name)


class Going(msgspec.Struct, frozen=True):
    """A certificate that is to be revoked.

    why: `itself` (what was named), `same identity`, or `descends` (from one of those).
    """

    entry: Entry
    why: Why


def going(entries: Sequence[Entry], wanted: str, *, only: bool = False) -> list[Going]:
    """What is to be revoked, oldest first; if all of it is revoked already, the last that was named.

    Args:
        wanted: a serial (hex, any usual spelling), an identity (`spiffe://…`, or CUSTOMER/INSTALLATION), or a name: of
            a customer, with all installations, or of a server, mirror, user or operator.
        only: that certificate alone.

    Raises:
        IssueError: reason `not-found` or `ambiguous`.
    """
    leaves = [entry for entry in entries if not is_authority(entry)]
    named = _named(leaves, wanted)
    live = [entry for entry in named if entry.revoked_at is None]
    if not named:
        raise IssueError("not-found", f"There is no certificate {wanted!r}: see spot-ca list --all.")
    if len(live) > 1 and (only or len({_whose(entry) for entry in live}) > 1):
        raise IssueError("ambiguous", _ambiguous(wanted, live))
    identities = {_identity(entry) for entry in named}
    same = [] if only else [entry for entry in leaves if _identity(entry) in identities]
    below = [] if only else descendants(leaves, [entry.serial for entry in same])
    whys: dict[str, Why] = {entry.serial: "descends" for entry in below}
    whys |= {entry.serial: "same identity" for entry in same}
    whys |= {entry.serial: "itself" for entry in named}
    found = [Going(entry, whys[entry.serial]) for entry in leaves if entry.serial in whys and entry.revoked_at is None]
    return found or [Going(named[-1], "itself")]


def lost_serial(entries: Sequence[Entry], wanted: str) -> int:
    """The serial number of a certificate that the ledger does not know.

    Raises:
        IssueError: reason `bad-serial`, or `known` for one that it knows.
    """
    text = wanted.lower().replace(":", "").removeprefix("0x")
    if not _SERIAL.fullmatch(text) or int(text, 16) == 0:
        raise IssueError("bad-serial", f"{wanted[:80]!r} is not a serial number: use up to 40 hexadecimal digits.")
    if find(entries, text):
        raise IssueError("known", f"The ledger knows {text}: revoke it without --unknown.")
    return int(text, 16)


def lines(found: Sequence[Going]) -> list[str]:
    """Aligned lines, a heading first."""
    rows = [("SERIAL", "ISSUED", "WHY", "WHO")]
    rows += [(one.entry.serial, f"{one.entry.created:%Y-%m-%d}", one.why, one.entry.who) for one in found]
    return aligned(rows)


def _named(leaves: Sequence[Entry], wanted: str) -> list[Entry]:
    if "/" not in wanted:
        return find(leaves, wanted)
    tail = wanted if wanted.startswith("spiffe://") else f"/{CLIENT.name}/{wanted}"
    return [entry for entry in leaves if entry.who == wanted or (tail != wanted and entry.who.endswith(tail))]


def _whose(entry: Entry) -> str:
    """What two certificates of one name have in common if they are of one party."""
    if entry.profile == SERVER.name:
        return entry.serial
    return "customer" if entry.profile in _CUSTOMERS else entry.profile


def _identity(entry: Entry) -> str:
    return entry.serial if entry.profile == SERVER.name else entry.who


def _ambiguous(wanted: str, live: Sequence[Entry]) -> str:
    serials = ", ".join(f"{entry.serial} ({entry.profile}, issued {entry.created:%Y-%m-%d})" for entry in live)
    return f"{wanted!r} has several certificates: name one by its serial, {serials}."
