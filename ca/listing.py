"""The ledger as people see it: which entries they mean by a serial, a name or a filter, and a table of them.

Pure but for the types: entries and the clock in, text and entries out.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from ca.entry import Entry
from ca.profiles import ISSUING, ROOT

_AUTHORITIES = (ROOT.name, ISSUING.name)


class Filter(msgspec.Struct, frozen=True):
    """Which entries are wanted; those left out do not narrow.

    everything: also CAs, and what is expired or revoked.
    expiring: only what ends within so many days.
    """

    everything: bool = False
    profile: str | None = None
    name: str | None = None
    expiring: int | None = None


def select(entries: Iterable[Entry], wanted: Filter, now: datetime) -> list[Entry]:
    """The entries that pass a filter, in their order. To name the profile of a CA is to want CAs."""
    return [entry for entry in entries if _passes(entry, wanted, now)]


def table(entries: Iterable[Entry], now: datetime) -> list[str]:
    """Aligned lines, a heading first; with the parents, if one of them has any."""
    told = list(entries)
    has_parents = any(entry.parent is not None for entry in told)
    parent = ("PARENT",) if has_parents else ()
    rows: list[tuple[str, ...]] = [("SERIAL", "PROFILE", "NAME", "ISSUED", "VALID UNTIL", "STATE", *parent, "WHO")]
    for entry in told:
        parent = (entry.parent or "-",) if has_parents else ()
        row = (entry.serial, entry.profile, entry.name, *_dates(entry), state(entry, now), *parent, entry.who)
        rows.append(row)
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines whose columns stand below one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def state(entry: Entry, now: datetime) -> str:
    """`valid`, `expired` or `revoked`."""
    if entry.revoked_at is not None:
        return "revoked"
    return "valid" if now <= entry.not_after else "expired"


def is_authority(entry: Entry) -> bool:
    """Whether this is the root or the issuing CA."""
    return entry.profile in _AUTHORITIES


def find(entries: Sequence[Entry], wanted: str) -> list[Entry]:
    """Every certificate, CAs too, with this serial (hex, any usual spelling), else with this name; oldest first."""
    serial = wanted.lower().replace(":", "").removeprefix("0x").lstrip("0")
    return [entry for entry in entries if entry.serial == serial] or [
        entry for entry in entries if entry.name == wanted
    ]


def _dates(entry: Entry) -> tuple[str, str]:
    return f"{entry.created:%Y-%m-%d}", f"{entry.not_after:%Y-%m-%d}"


def _passes(entry: Entry, wanted: Filter, now: datetime) -> bool:
    shown = wanted.everything or (
        state(entry, now) == "valid" and (wanted.profile == entry.profile or not is_authority(entry))
    )
    return (
        shown
        and wanted.profile in (None, entry.profile)
        and wanted.name in (None, entry.name)
        and (wanted.expiring is None or entry.not_after <= now + timedelta(days=wanted.expiring))
    )
