"""The thin snapshot: the versions an installation has, and nothing else.

    {"components":{"sdk/botocore":"1.40.1"},"format":1,"min_spot":"0.1"}

Which installation it is of stands in the URL, not here. The bytes are canonical, every field is either fixed or a
published name, so there is nowhere to put anything about a customer. Pure.
"""

from collections.abc import Mapping
from typing import Final

from spot_client.wire import document, names
from spot_client.wire.errors import BadName, FormatError

MAX_BYTES: Final = 64 * 2**10
_WHAT = "The thin snapshot"


class ThinSnapshot(document.Document, frozen=True):
    """`components`: version by `PRODUCT/COMPONENT`."""

    components: dict[str, str]


def encode(components: Mapping[str, str]) -> bytes:
    """The canonical bytes of a thin snapshot.

    Raises:
        BadName: a component or version is not one that can be published.
        FormatError: reason `too-large`.
    """
    snapshot = ThinSnapshot(components=dict(components))
    _check(snapshot)
    raw = document.encode(snapshot)
    if len(raw) > MAX_BYTES:
        raise FormatError("too-large", f"{_WHAT} would have {len(raw)} bytes, more than {MAX_BYTES}.")
    return raw


def decode(raw: bytes) -> ThinSnapshot:
    """Read a thin snapshot. Whether its versions were ever published is for the mirror to say.

    Raises:
        FormatError: reason `bad-thin-snapshot` or one of `wire.document`.
    """
    snapshot = document.decode(raw, ThinSnapshot, max_bytes=MAX_BYTES, what=_WHAT)
    if snapshot.min_spot != document.MIN_SPOT:
        raise FormatError("bad-thin-snapshot", f"{_WHAT} does not name the SPOT that reads it as it should.")
    try:
        _check(snapshot)
    except BadName as error:
        raise FormatError("bad-thin-snapshot", f"{_WHAT} breaks a rule: {error}") from error
    return snapshot


def _check(snapshot: ThinSnapshot) -> None:
    for component, version in snapshot.components.items():
        names.split_component(component)
        names.check_version(version)
