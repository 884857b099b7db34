"""The halts of a product: releases that are stopped for now, signed by one person in the role `halts`.

A halt takes a release away and gives nothing: what is named here is not activated for as long as it stands, whatever
the product's index says. It lies in the catalogue as `halts/PRODUCT.json.zst`: one zstd frame of a canonical document.
No such target means that nothing is halted. Pure.
"""

from typing import Final

import msgspec

from spot_client.wire import document, frame, names
from spot_client.wire.errors import BadName, FormatError
from spot_client.wire.index import Moment, Notes

ROLE: Final = "halts"
"""The TUF role that signs them."""

MAX_PACKED_BYTES: Final = 256 * 2**10
_MAX_BYTES = 4 * 2**20
_MAX_VALUES = 200_000
_WHAT = "The list of halts"


class Halt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A release that is stopped, since when and why."""

    component: str
    version: str
    platform: str
    since: Moment
    reason: Notes


class Halts(document.Document, frozen=True):
    """The halts of a product, sorted by component, version and platform, none twice."""

    product: str
    halts: tuple[Halt, ...] = ()


def target_path(product: str) -> str:
    """The path of a product's halts among the TUF targets."""
    return f"{ROLE}/{product}.json.zst"


def encode(halts: Halts, *, level: int = frame.DEFAULT_LEVEL) -> bytes:
    """Check halts and compress their canonical bytes.

    Raises:
        FormatError, BadName: as `check`.
    """
    check(halts)
    return frame.compress(document.encode(halts), level=level)


def decode(packed: bytes) -> Halts:
    """Read halts from bytes that TUF has verified.

    Raises:
        FormatError: breaking a rule (`bad-halts` and the reasons of `wire.document`), or `too-new`.
    """
    if len(packed) > MAX_PACKED_BYTES:
        raise FormatError("too-large", f"{_WHAT} has {len(packed)} bytes, more than {MAX_PACKED_BYTES}.")
    raw = frame.decompress(packed, max_size=_MAX_BYTES, what=_WHAT)
    halts = document.decode(raw, Halts, max_bytes=_MAX_BYTES, what=_WHAT, max_values=_MAX_VALUES)
    try:
        check(halts)
    except BadName as error:
        raise FormatError("bad-halts", f"{_WHAT} breaks a rule: {error}") from error
    return halts


def check(halts: Halts) -> None:
    """Hold halts to their rules: valid names, sorted, none twice.

    Raises:
        BadName: a name is not allowed.
        FormatError: reason `bad-halts`.
    """
    names.check_product(halts.product)
    keys = []
    for halt in halts.halts:
        document.check_moment(halt.since, "bad-halts", _WHAT)
        component = names.check_id("component", halt.component)
        keys.append((component, names.check_version(halt.version), names.check_platform(halt.platform)))
    if keys != sorted(set(keys)):
        raise FormatError("bad-halts", f"{_WHAT} is not sorted, or has a release twice.")
