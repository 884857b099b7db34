"""What the protocol speaks of, as values of SQL, both directions. Pure.

A row that none of our calls can have written is a damaged file: `StoreFault`, reason `damaged`.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar

import msgspec

from mirror.errors import StoreFault
from mirror.records.protocol import Customer, Installation, Licence, Suspension, ThinSnapshot

Row = Sequence[Any]
T = TypeVar("T")

_Seconds = Annotated[int, msgspec.Meta(ge=0, le=253402300799)]  # to the end of the year 9999


def seconds(moment: datetime) -> int:
    """A moment as whole seconds since 1970, in UTC."""
    return int(moment.timestamp())


def moment(number: int) -> datetime:
    """Inverse to `seconds`."""
    return datetime.fromtimestamp(number, UTC)


def licence_values(licence: Licence) -> tuple[str, str, str, str | None, int]:
    """Product, channels, first day, last day, installations."""
    until = None if licence.valid_until is None else licence.valid_until.isoformat()
    channels = " ".join(sorted(set(licence.channels)))
    return licence.product, channels, licence.valid_from.isoformat(), until, licence.installations


def customer(row: Row) -> Customer:
    """From name, added, suspended since (or None), why."""
    name, added, since, why = _typed(row, tuple[str, _Seconds, _Seconds | None, str])
    return Customer(name, moment(added), None if since is None else Suspension(moment(since), why))


def licence(row: Row) -> Licence:
    """From the customer's name and `licence_values`."""
    name, product, channels, first, last, installations = _typed(row, tuple[str, str, str, date, date | None, int])
    return Licence(name, product, tuple(channels.split()), first, last, installations)


def installation(row: Row) -> Installation:
    """From id, customer, enrolled, last seen, versions as of."""
    name, owner, enrolled, last_seen, as_of = _typed(row, tuple[str, str, _Seconds, _Seconds, _Seconds | None])
    return Installation(name, owner, moment(enrolled), moment(last_seen), None if as_of is None else moment(as_of))


def thin_snapshots(rows: Iterable[Row]) -> list[ThinSnapshot]:
    """From installation, key of the content, content, first, last; lines of the same content share its dictionary."""
    contents: dict[int, dict[str, str]] = {}
    lines = []
    for row in rows:
        name, key, content, first, last = _typed(row, tuple[str, int, str, _Seconds, _Seconds])
        if key not in contents:
            contents[key] = _typed(_parsed(content), dict[str, str])
        lines.append(ThinSnapshot(name, contents[key], moment(first), moment(last)))
    return lines


def _parsed(content: str) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged() from error


def _typed(value: object, shape: type[T]) -> T:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise damaged() from error


def damaged() -> StoreFault:
    """What a row is that none of our calls can have written."""
    return StoreFault(
        "damaged", "The records hold a line that cannot be read: stop the mirror and restore them from a backup."
    )
