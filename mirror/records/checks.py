"""What no store takes, whatever it is made of: names, licences and reasons that cannot be. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mirror.errors import RecordsError
from mirror.records.protocol import Licence
from spot_client.wire import names
from spot_client.wire.errors import BadName, FormatError

_MAX_INSTALLATIONS: Final = 10**9
_MAX_REASON: Final = 200  # characters: a line of a table


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


def check_reason(reason: str) -> None:
    """Refuse a reason for a suspension that does not fit into a line of a table.

    Raises:
        RecordsError: reason `bad-reason`.
    """
    if len(reason) > _MAX_REASON or not reason.isprintable():
        raise RecordsError("bad-reason", f"A reason is one line of at most {_MAX_REASON} characters: shorten it.")
