"""How the commands of spot-mirror print tables, moments and ages, and JSON for programs. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

_UNITS: Final = (("day", 86400), ("hour", 3600), ("minute", 60))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under a head, in columns as wide as they need to be."""
    lines = [[*head], *([*row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def utc(moment: datetime) -> str:
    """A moment in UTC, to the second: `2026-03-01 12:30:00Z`."""
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def utc_and_age(moment: datetime | None, now: datetime) -> str:
    """A moment and how long ago it was, in its largest unit: `2026-03-01 12:30:00Z (3 days ago)`; None is `never`."""
    return "never" if moment is None else f"{utc(moment)} ({_age(moment, now)})"


def printable(text: str) -> str:
    """Text of others without what a terminal would obey instead of show."""
    return "".join(char if char.isprintable() else "?" for char in text)


def counted(count: int, word: str) -> str:
    """A number of things: `1 licence`, `2 licences`."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def rfc3339(moment: datetime) -> str:
    """A moment in UTC for programs: `2026-03-01T12:30:00Z`."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def json_document(value: object) -> str:
    """Builtins, dates and None as one JSON document for programs, in the order given, indented for people."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _age(moment: datetime, now: datetime) -> str:
    seconds = int((now - moment).total_seconds())
    if seconds < 0:
        return "in the future"
    for unit, length in _UNITS:
        count = seconds // length
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
