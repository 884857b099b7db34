"""The site's own list: the releases that may come into use here, on top of what the vendor signed. Pure.

A release stands there by component, version, platform and the digest that was signed for its manifest, so that a list
allows exactly the content that was looked at. It is one canonical document, `site.json`. Its signature, if it has one,
is Ed25519 (RFC 8032) over the line `spot site list` and the document without it. `version` counts up with each change.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Protocol

import msgspec
from packaging.version import Version

from spot_client.wire import document, names
from spot_client.wire.digest import Sha256
from spot_client.wire.errors import FormatError
from spot_client.wire.index import Index, Release
from spot_client.wire.sealed import Seal

MAX_BYTES: Final = 4 * 2**20
"""Longest list, in bytes: some 20,000 releases."""

_MAX_VALUES = 500_000
_CONTEXT = b"spot site list\n"
_WHAT = "The site's list"


class Approved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A release that the site allows. `manifest`: the head that was signed for it (`wire.sealed.Seal`)."""

    component: str
    version: str
    platform: str
    manifest: Sha256


class SiteList(document.Document, frozen=True):
    """The site's list, sorted by component, version and platform, none twice. `signature`: 128 hexadecimal digits."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    approved: tuple[Approved, ...] = ()
    signature: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}\Z")] | None = None


class Named(Protocol):
    """A release on offer or on this machine: `wire.index.Release`, `state.Installed`."""

    @property
    def version(self) -> str:
        """Its version."""
        ...

    @property
    def platform(self) -> str:
        """Its platform, or `any`."""
        ...

    @property
    def manifest(self) -> Seal:
        """What was signed for its manifest."""
        ...


class Rule:
    """What a list allows; without one, everything."""

    def __init__(self, listed: SiteList | None) -> None:
        self._heads: Mapping[tuple[str, str, str], str] | None = None
        if listed is not None:
            self._heads = {(one.component, one.version, one.platform): one.manifest for one in listed.approved}

    def objection(self, component: str, release: Named) -> str | None:
        """Why a release of `PRODUCT/COMPONENT` may not come into use here, as half a sentence; None if it may."""
        if self._heads is None:
            return None
        head = self._heads.get((component, release.version, release.platform))
        if head == release.manifest.head:
            return None
        if head is None:
            added = f"'spot site-approve {component} {release.version}' puts it there"
            return f"{release.version} is not on this site's list; {added}"
        return f"{release.version} is on this site's list with other content; tell your vendor"

    def waiting(self, index: Index, *, channel: str, platform: str, after: str | None) -> tuple[str, ...]:
        """The versions on offer here, newer than `after`, of which no release may come into use; oldest first."""
        component = f"{index.product}/{index.component}"
        newer = [
            release
            for release in offered(index, channel=channel, platform=platform)
            if after is None or Version(release.version) > Version(after)
        ]
        allowed = {release.version for release in newer if self.objection(component, release) is None}
        return tuple(dict.fromkeys(release.version for release in newer if release.version not in allowed))


def offered(index: Index, *, channel: str, platform: str) -> tuple[Release, ...]:
    """The releases offered in `channel` for `platform`, those for every platform included, oldest first."""
    return tuple(one for one in index.releases if one.platform in {"any", platform} and channel in one.channels)


def make(version: int, approved: Iterable[Approved]) -> SiteList:
    """A list that is not signed yet, in its order.

    Raises:
        BadName: a name is not allowed.
        FormatError: reason `bad-site-list`: a release twice.
    """
    listed = SiteList(version=version, approved=tuple(sorted(approved, key=_key)))
    _check(listed)
    return listed


def decode(raw: bytes) -> SiteList:
    """Read a list. Whether its signature holds is not looked at.

    Raises:
        FormatError, BadName: as `make`; also the reasons of `wire.document`, or `too-new`.
    """
    listed = document.decode(raw, SiteList, max_bytes=MAX_BYTES, what=_WHAT, max_values=_MAX_VALUES)
    _check(listed)
    return listed


def signed_bytes(listed: SiteList) -> bytes:
    """What the signature of a list is over."""
    return _CONTEXT + document.encode(msgspec.structs.replace(listed, signature=None))


def _check(listed: SiteList) -> None:
    keys = [_key(one) for one in listed.approved]
    if keys != sorted(set(keys)):
        raise FormatError("bad-site-list", f"{_WHAT} is not sorted, or has a release twice.")


def _key(one: Approved) -> tuple[str, Version, str]:
    names.split_component(one.component)
    return one.component, names.check_version(one.version), names.check_platform(one.platform)
