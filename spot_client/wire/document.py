"""The frame of every JSON document of ours: a `format` number, the oldest SPOT that reads it, canonical bytes.

The number is looked at before anything else, so that an old SPOT that meets a new document says "needs SPOT 0.9" and
not "unknown field". Pure.
"""

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

D = TypeVar("D", bound="Document")


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The two fields that every document has."""

    format: int = FORMAT
    min_spot: str = MIN_SPOT


def encode(document: Document) -> bytes:
    """The canonical bytes of a document.

    Raises:
        FormatError: reason `wrong-shape`. Constructors check nothing, and what is written here must be read there.
    """
    try:
        msgspec.convert(msgspec.to_builtins(document), type(document))
        return strict_json.encode(document)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise FormatError("wrong-shape", f"The document cannot be written: {error}.") from error


def decode(raw: bytes, shape: type[D], *, max_bytes: int, what: str) -> D:
    """Read a document of `shape` from its canonical bytes; `what` names it in errors.

    Raises:
        FormatError: reason `too-new`, or one of `ca.errors.JsonError`.
    """

    def first_look(builtins: Any) -> None:
        _check_header(builtins, what)

    try:
        return strict_json.decode(raw, shape, max_bytes=max_bytes, first_look=first_look)
    except JsonError as error:
        raise FormatError(error.reason, f"{what}: {error}") from error


def _check_header(builtins: Any, what: str) -> None:
    match builtins:
        case {"format": int() as number, "min_spot": str() as min_spot} if len(min_spot) <= 32:
            pass
        case _:
            raise FormatError("wrong-shape", f"{what}: the document has no format number.")
    try:
        needed = Version(min_spot)
    except InvalidVersion:
        needed = None
    if needed is None or str(needed) != min_spot:
        raise FormatError("wrong-shape", f"{what}: the document names no SPOT version that reads it.")
    if number > FORMAT or needed > Version(__version__):
        raise FormatError(
            "too-new", f"{what}: needs SPOT {min_spot} or later; this is {__version__}. Update SPOT first."
        )
    if number < FORMAT:
        raise FormatError("wrong-shape", f"{what}: there is no format {number}.")
