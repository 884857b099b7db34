"""The index of a component: what it offers, and what was withdrawn. A TUF target of the product's role.

It lies in the catalogue as `PRODUCT/COMPONENT/index.json.zst`: one zstd frame of a canonical document. TUF verifies
length and digest of the compressed bytes before they come here. Pure.
"""

from enum import Enum
from typing import Annotated, Final

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from spot_client.wire import document, frame, names
from spot_client.wire.errors import BadName, FormatError
from spot_client.wire.sealed import Seal

MAX_PACKED_BYTES: Final = 4 * 2**20
"""Longest index that is fetched, in compressed bytes."""
_MAX_BYTES = 32 * 2**20
_MAX_VALUES = 2_000_000  # a release has ten in 250 bytes, so the limit above comes first
_WHAT = "The index"

Moment = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z\Z")]
"""A moment in UTC, to the second (RFC 3339)."""

Notes = Annotated[str, msgspec.Meta(max_length=8192)]

_Specifiers = Annotated[str, msgspec.Meta(max_length=256)]


class Severity(Enum):
    """Why a release was made."""

    SECURITY = "security"
    BUG = "bug"
    FEATURE = "feature"


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One release on offer. `requires`: versions (PEP 440 specifiers) of other components, by `PRODUCT/COMPONENT`."""

    version: str
    platform: str
    channels: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=16)]
    manifest: Seal
    severity: Severity
    published: Moment
    restart: bool = False
    notes: Notes = ""
    requires: dict[str, _Specifiers] = {}


class Tombstone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A release that was withdrawn, when and why. Absence from the index is not withdrawal; this is."""

    version: str
    platform: str
    withdrawn: Moment
    reason: Notes


class Index(document.Document, frozen=True):
    """What a component offers: releases and tombstones, each sorted by version and platform, no pair in both."""

    product: str
    component: str
    releases: tuple[Release, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()


def target_path(product: str, component: str) -> str:
    """The path of a component's index among the TUF targets."""
    return f"{product}/{component}/index.json.zst"


def encode(index: Index, *, level: int = frame.DEFAULT_LEVEL) -> bytes:
    """Check an index and compress its canonical bytes.

    Raises:
        FormatError, BadName: as `check`.
    """
    check(index)
    return frame.compress(document.encode(index), level=level)


def decode(packed: bytes) -> Index:
    """Read an index from bytes that TUF has verified.

    Raises:
        FormatError: breaking a rule (`bad-index` and the reasons of `wire.document`), or `too-new`.
    """
    if len(packed) > MAX_PACKED_BYTES:
        raise FormatError("too-large", f"{_WHAT} has {len(packed)} bytes, more than {MAX_PACKED_BYTES}.")
    raw = frame.decompress(packed, max_size=_MAX_BYTES, what=_WHAT)
    index = document.decode(raw, Index, max_bytes=_MAX_BYTES, what=_WHAT, max_values=_MAX_VALUES)
    try:
        check(index)
    except BadName as error:
        raise FormatError("bad-index", f"{_WHAT} breaks a rule: {error}") from error
    return index


def check(index: Index) -> None:
    """Hold an index to its rules: valid names, sorted, and no version twice, in whatever spelling.

    Raises:
        BadName: a name is not allowed.
        FormatError: reason `bad-index`.
    """
    names.check_product(index.product)
    names.check_id("component", index.component)
    for release in index.releases:
        _check_release(release)
        document.check_moment(release.published, "bad-index", _WHAT)
    for tombstone in index.tombstones:
        document.check_moment(tombstone.withdrawn, "bad-index", _WHAT)
    releases, tombstones = _keys(index.releases), _keys(index.tombstones)
    for keys in (releases, tombstones):
        if keys != sorted(set(keys)):
            raise FormatError("bad-index", f"{_WHAT} is not sorted by version and platform, or has a release twice.")
    if set(releases) & set(tombstones):
        raise FormatError("bad-index", f"{_WHAT} has a release that is both on offer and withdrawn.")


def _keys(lines: tuple[Release, ...] | tuple[Tombstone, ...]) -> list[tuple[object, str]]:
    return [(names.check_version(line.version), names.check_platform(line.platform)) for line in lines]


def _check_release(release: Release) -> None:
    for channel in release.channels:
        names.check_id("channel", channel)
    if list(release.channels) != sorted(set(release.channels)):
        raise FormatError("bad-index", f"The channels of {release.version} are not sorted, or one is there twice.")
    for component, versions in release.requires.items():
        names.split_component(component)
        try:
            SpecifierSet(versions)
        except InvalidSpecifier as error:
            raise FormatError("bad-index", f"{release.version} requires {versions[:80]!r} of {component}.") from error
