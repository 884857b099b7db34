"""The paths of the content listener, both directions. What is not here does not exist on that listener.

A path has no percent escapes, no query, no empty segments: every name that may stand in one is safe as it is
(`wire.names`), so a request has one spelling. Pure.
"""

import re
from enum import Enum
from typing import Final

import msgspec

from spot_client.wire import halts, names, trust
from spot_client.wire.errors import BadName
from spot_client.wire.installation import INSTALLATION_ID

MAX_PATH: Final = 1024
"""Longest path answered, in characters."""

METADATA_BASE: Final = "/catalogue/"
TARGET_BASE: Final = "/catalogue/targets/"
_EST: Final = "/.well-known/est"  # RFC 7030 §3.2.2

_PUBLIC_ROLES = frozenset({"root", "targets", "snapshot", "timestamp", halts.ROLE, trust.ROLE})
_METADATA = re.compile(r"(?:(?P<number>[1-9][0-9]{0,9})\.)?(?P<role>[a-z0-9-]{1,63})\.json", re.ASCII)
_INDEX = re.compile(r"[0-9a-f]{64}\.index\.json\.zst", re.ASCII)
_BASELINES = re.compile(r"[0-9a-f]{64}\.baselines\.json\.zst", re.ASCII)
_HALTS = re.compile(r"[0-9a-f]{64}\.(?P<product>[a-z0-9-]{1,63})\.json\.zst", re.ASCII)
_TRUST = re.compile(r"[0-9a-f]{64}\.trust\.json", re.ASCII)


class Kind(Enum):
    """What a route leads to; the value names it in audit lines and metrics."""

    METADATA = "metadata"
    TARGET = "target"
    """A component's index."""
    BASELINES = "baselines"
    HALTS = "halts"
    TRUST = "trust"
    MANIFEST = "manifest"
    PACK = "pack"
    LICENCES = "licences"
    INSTALLATIONS = "installations"
    THIN_SNAPSHOT = "thin-snapshot"
    ENROL = "simpleenroll"
    """A certificate for one installation, asked for by one that is not its own."""
    REENROL = "simplereenroll"
    """Another certificate for the same identity."""


METHODS: Final = {
    Kind.METADATA: frozenset({"GET", "HEAD"}),
    Kind.TARGET: frozenset({"GET", "HEAD"}),
    Kind.BASELINES: frozenset({"GET", "HEAD"}),
    Kind.HALTS: frozenset({"GET", "HEAD"}),
    Kind.TRUST: frozenset({"GET", "HEAD"}),
    Kind.MANIFEST: frozenset({"GET", "HEAD"}),
    Kind.PACK: frozenset({"GET", "HEAD"}),
    Kind.LICENCES: frozenset({"GET", "HEAD"}),
    Kind.INSTALLATIONS: frozenset({"POST"}),
    Kind.THIN_SNAPSHOT: frozenset({"PUT"}),
    Kind.ENROL: frozenset({"POST"}),
    Kind.REENROL: frozenset({"POST"}),
}
"""The methods that each route answers."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Where a path leads. Fields that a kind does not have are None; `file` is the last segment of catalogue paths."""

    kind: Kind
    product: str | None = None
    component: str | None = None
    version: str | None = None
    platform: str | None = None
    file: str | None = None
    installation: str | None = None

    @property
    def path(self) -> str:
        """The path that leads here; exactly inverse to `parse`."""
        match self.kind:
            case Kind.METADATA:
                return f"{METADATA_BASE}{self.file}"
            case Kind.TARGET:
                return f"{TARGET_BASE}{self.product}/{self.component}/{self.file}"
            case Kind.BASELINES:
                return f"{TARGET_BASE}{self.product}/{self.file}"
            case Kind.HALTS | Kind.TRUST:
                return f"{TARGET_BASE}{halts.ROLE if self.kind is Kind.HALTS else trust.ROLE}/{self.file}"
            case Kind.MANIFEST | Kind.PACK:
                release = f"{self.product}/{self.component}/{self.version}/{self.platform}"
                return f"/releases/{release}/{self.kind.value}"
            case Kind.THIN_SNAPSHOT:
                return f"/installations/{self.installation}/thin-snapshot"
            case Kind.ENROL | Kind.REENROL:
                return f"{_EST}/{self.kind.value}"
            case _:
                return f"/{self.kind.value}"


def parse(path: str) -> Route | None:
    """Where `path` (as on the request line, without a query) leads, or None if nowhere."""
    if len(path) > MAX_PATH or not path.startswith("/"):
        return None
    try:
        return _parse(path[1:].split("/"))
    except BadName:
        return None


def _parse(segments: list[str]) -> Route | None:
    match segments:
        case ["catalogue", file]:
            return _metadata(file)
        case ["catalogue", "targets", folder, file]:
            return _target(folder, file)
        case ["catalogue", "targets", product, component, file] if _INDEX.fullmatch(file):
            names.split_component(f"{product}/{component}")
            return Route(kind=Kind.TARGET, product=product, component=component, file=file)
        case ["releases", product, component, version, platform, "manifest" | "pack" as kind]:
            names.split_component(f"{product}/{component}")
            names.check_version(version)
            names.check_platform(platform)
            return Route(kind=Kind(kind), product=product, component=component, version=version, platform=platform)
        case ["licences"]:
            return Route(kind=Kind.LICENCES)
        case [".well-known", "est", "simpleenroll" | "simplereenroll" as kind]:
            return Route(kind=Kind(kind))
        case ["installations"]:
            return Route(kind=Kind.INSTALLATIONS)
        case ["installations", installation, "thin-snapshot"] if INSTALLATION_ID.fullmatch(installation):
            return Route(kind=Kind.THIN_SNAPSHOT, installation=installation)
        case _:
            return None


def _metadata(file: str) -> Route | None:
    """A role's metadata: `timestamp.json` has no number in its name, all others do (TUF §6.2: consistent snapshots)."""
    found = _METADATA.fullmatch(file)
    if not found or (found["number"] is None) != (found["role"] == "timestamp"):
        return None
    role = found["role"]
    return Route(kind=Kind.METADATA, product=None if role in _PUBLIC_ROLES else names.check_product(role), file=file)


def _target(folder: str, file: str) -> Route | None:
    """A target that belongs to no component. `house` is for everybody, halts are for those licensed for the product."""
    if folder == trust.ROLE:
        return Route(kind=Kind.TRUST, file=file) if _TRUST.fullmatch(file) else None
    if folder == halts.ROLE:
        found = _HALTS.fullmatch(file)
        return Route(kind=Kind.HALTS, product=names.check_product(found["product"]), file=file) if found else None
    if not _BASELINES.fullmatch(file):
        return None
    return Route(kind=Kind.BASELINES, product=names.check_product(folder), file=file)
