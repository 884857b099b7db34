"""The frame of every JSON document of ours: a `format` number, the oldest SPOT that reads it, canonical bytes.

The number is looked at before anything else, so that an old SPOT that meets a new document says "needs SPOT 0.9" and
not "unknown field". Pure.
"""

from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
from packaging.version import InvalidVersion, Version

from ca import strict_json
from ca.errors import JsonError
from spot_client import __version__
from spot_client.wire.errors import FormatError

FORMAT: Final = 1
"""The one format number written and read by this version, for every kind of document."""

MIN_SPOT: Final = "0.1"
"""The oldest SPOT that reads what this version writes."""

MAX_VALUES: Final = 12_000_000
"""Most values in a document. A million entries of a manifest have eight million; a frame of 3 KB can unpack to ten
million empty lists, and those to a gigabyte of memory. Counted by what separates them, commas in text included."""

_MAX_VERSION: Final = 32  # characters

D = TypeVar("D", bound="Document")


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The two fields that every document has."""

    format: int = FORMAT
    min_spot: str = MIN_SPOT


def encode(document: Document) -> bytes:
    """The canonical bytes of a document.

    Raises:
        FormatError: reason `wrong-shape`. Constructors check nothing, and what is written here must be read there.
            Reason `too-large`: more than `MAX_VALUES`.
    """
    try:
        msgspec.convert(msgspec.to_builtins(document), type(document))
        raw = strict_json.encode(document)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise FormatError("wrong-shape", f"The document cannot be written: {error}.") from error
    _check_values(raw, MAX_VALUES, "The document")
    return raw


def decode(raw: bytes, shape: type[D], *, max_bytes: int, what: str, max_values: int = MAX_VALUES) -> D:
    """Read a document of `shape` from its canonical bytes; `what` names it in errors.

    Raises:
        FormatError: reason `too-new`, or one of `ca.errors.JsonError`; `too-large` also for more than `max_values`.
    """
    _check_values(raw, max_values, what)

    def first_look(builtins: Any) -> None:
        _check_header(builtins, what)

    try:
        return strict_json.decode(raw, shape, max_bytes=max_bytes, first_look=first_look)
    except JsonError as error:
        raise FormatError(error.reason, f"{what}: {error}") from error


def check_moment(moment: str, reason: str, what: str) -> None:
    """Hold a moment of a document, which `what` names in errors, to the calendar. Raises FormatError: `reason`."""
    try:
        datetime.fromisoformat(moment)
    except ValueError as error:
        raise FormatError(reason, f"{what} has a moment that is not in the calendar: {moment[:40]!r}.") from error


def _check_values(raw: bytes, max_values: int, what: str) -> None:
    count = raw.count(b",") + raw.count(b"[") + raw.count(b"{")
    if count > max_values:
        raise FormatError("too-large", f"{what} holds some {count} values, more than the {max_values} allowed.")


def check_spot(min_spot: str, what: str) -> None:
    """Stop at what needs a newer SPOT; `min_spot`: the oldest that reads it. Raises FormatError: reason `too-new` or
    `wrong-shape`."""
    try:
        needed = Version(min_spot[:_MAX_VERSION])
    except InvalidVersion:
        needed = None
    if needed is None or str(needed) != min_spot:
        raise FormatError("wrong-shape", f"{what}: the document names no SPOT version that reads it.")
    if needed > Version(__version__):
        raise _too_new(min_spot, what)


def _too_new(min_spot: str, what: str) -> FormatError:
    return FormatError("too-new", f"{what}: needs SPOT {min_spot} or later; this is {__version__}. Update SPOT first.")


def _check_header(builtins: Any, what: str) -> None:
    match builtins:
        case {"format": int() as number, "min_spot": str() as min_spot} if len(min_spot) <= _MAX_VERSION:
            pass
        case _:
            raise FormatError("wrong-shape", f"{what}: the document has no format number.")
    check_spot(min_spot, what)
    if number > FORMAT:
        raise _too_new(min_spot, what)
    if number < FORMAT:
        raise FormatError("wrong-shape", f"{what}: there is no format {number}.")
