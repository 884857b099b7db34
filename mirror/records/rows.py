"""What the protocol speaks of, as values of SQL, both directions; and what is refused before it gets that far. Pure."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, Final

from mirror.errors import RecordsError
from mirror.records.protocol import Installation, Licence, ThinSnapshot
from spot_client.wire import names
from spot_client.wire.errors import BadName, FormatError

Row = Sequence[Any]

_MAX_INSTALLATIONS: Final = 10**9


@contextmanager
def checking() -> Iterator[None]:
    """Around checks of `spot_client.wire`.

    Raises:
        RecordsError: reason `bad-name` for a `BadName`, that of the error for a `FormatError`.
    """
    try:
        yield
    except BadName as error:
        raise RecordsError("bad-name", str(error)) from error
    except FormatError as error:
        raise RecordsError(error.reason, str(error)) from error


def check_licence(licence: Licence) -> None:
    """Refuse a licence that cannot be.

    Raises:
        RecordsError: reason `bad-name` or `bad-licence`.
    """
    with checking():
        names.check_id("customer", licence.customer)
        names.check_product(licence.product)
        for channel in licence.channels:
            names.check_id("channel", channel)
    if not licence.channels:
        raise RecordsError("bad-licence", "A licence without a channel lets nobody fetch anything: name one.")
    if licence.valid_until is not None and licence.valid_until < licence.valid_from:
        ends, begins = licence.valid_until, licence.valid_from
        raise RecordsError("bad-licence", f"The licence would end on {ends}, before it begins on {begins}.")
    if not 1 <= licence.installations <= _MAX_INSTALLATIONS:
        raise RecordsError("bad-licence", f"A licence is for 1 to {_MAX_INSTALLATIONS} installations.")


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


def licence(row: Row) -> Licence:
    """From the customer's name and `licence_values`."""
    customer, product, channels, first, last, installations = row
    until = None if last is None else date.fromisoformat(last)
    return Licence(customer, product, tuple(channels.split()), date.fromisoformat(first), until, installations)


def installation(row: Row) -> Installation:
    """From id, customer, enrolled, last seen, versions as of."""
    name, customer, enrolled, last_seen, as_of = row
    return Installation(name, customer, moment(enrolled), moment(last_seen), None if as_of is None else moment(as_of))


def thin_snapshots(rows: Iterable[Row]) -> list[ThinSnapshot]:
    """From installation, key of the content, content, first, last; lines of the same content share its dictionary."""
    contents: dict[int, dict[str, str]] = {}
    lines = []
    for name, key, content, first, last in rows:
        if key not in contents:
            contents[key] = json.loads(content)
        lines.append(ThinSnapshot(name, contents[key], moment(first), moment(last)))
    return lines
