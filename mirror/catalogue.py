"""The catalogue on disk, as the mirror itself reads it: verified from the root down, and read as one whole.

    timestamp.json  N.root.json  N.snapshot.json  N.targets.json  N.PRODUCT.json
    targets/…                                       see `mirror.targets`

Reading is safe while a publish runs: the timestamp comes first, and then exactly the versions that it leads to, which
are never changed once a timestamp named them. The trust anchor is the folder's own first root: this finds a damaged or
mixed-up disk, and is no protection from whoever can write to it. Expiry is reported, not judged: that is for clients,
and for those who sign. TUF specification §5.3 to §5.6, less the clock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from mirror.blobs import LocalBlobs
from mirror.errors import CatalogueFault
from mirror.place import Place
from mirror.targets import RESTORE, Part, read_file, read_part
from spot_client.wire import halts, names, trust
from spot_client.wire.baselines import Baselines
from spot_client.wire.digest import SHA256_HEX, Blob
from spot_client.wire.errors import BadName
from spot_client.wire.halts import Halts
from spot_client.wire.index import Index, Release
from spot_client.wire.trust import Trust

MAX_METADATA_BYTES: Final = {"root": 512_000, "timestamp": 16_384, "snapshot": 2_000_000, "targets": 5_000_000}
"""Longest metadata file of each kind, in bytes: what python-tuf's client accepts."""
_FIRST_ROOT = "1.root.json"
_TIMESTAMP = "timestamp.json"
_MAKE = "Make a catalogue with 'spot-mirror init', or restore it from a backup."
_SIGN = (
    "The first catalogue still waits: 'spot-mirror staged' says for whose signatures; then the timer makes it visible "
    "('spot-mirror catalogue-timer')."
)

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


class Chain(msgspec.Struct, frozen=True):
    """The signed statements of a catalogue, verified from the root down.

    `products`: of all roles that targets delegates to, by name; `halts` and `house` are among them.
    """

    root: Root
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets
    products: dict[str, Targets]

    @property
    def roles(self) -> dict[str, Signed]:
        """Every statement by its role."""
        top = {"root": self.root, "timestamp": self.timestamp, "snapshot": self.snapshot, "targets": self.targets}
        return {**top, **self.products}

    @property
    def listed(self) -> Iterator[tuple[str, str, Blob]]:
        """Every target: its role, its path, and what is signed for it. Raises CatalogueFault: that is too little."""
        for role, targets in self.products.items():
            for path, target in targets.targets.items():
                yield role, path, _blob(path, target)


class Catalogue(msgspec.Struct, frozen=True):
    """What the mirror offers.

    `version`: the timestamp's. `indexes`: by (product, component); `halts` and `baselines`: by product, of those that
    have any; `trust`: None if nobody signed a list of mirrors. `current`: the version on offer of each role's metadata;
    `expires`: when it lapses, UTC. `parts`: the targets that all this was read from, by path.
    """

    version: int
    indexes: dict[tuple[str, str], Index]
    current: dict[str, int]
    expires: dict[str, datetime]
    halts: dict[str, Halts] = {}
    baselines: dict[str, Baselines] = {}
    trust: Trust | None = None
    parts: dict[str, Part] = {}

    def release(self, product: str, component: str, version: str, platform: str) -> Release | None:
        """The release of that name that is on offer."""
        offered = self.indexes.get((product, component))
        releases = offered.releases if offered else ()
        # Each request for a release comes by here; comparing without making pairs takes 4 µs of 200 lines, not 20.
        return next((line for line in releases if line.version == version and line.platform == platform), None)

    def ever_published(self, product: str, component: str) -> frozenset[str]:
        """The versions that are or were on offer."""
        offered = self.indexes.get((product, component))
        if offered is None:
            return frozenset()
        return frozenset(line.version for line in offered.releases) | {line.version for line in offered.tombstones}


def load(folder: Path, previous: Catalogue | None = None) -> Catalogue:
    """Read and verify the catalogue in `folder`.

    Args:
        previous: what was read from it before. Targets that are still what was signed for are taken over from there,
            not read again: of 500 indexes, a publish changes one.

    Raises:
        CatalogueFault: reason `missing` (no catalogue, or a part of it), `unreadable`, `too-large`, `damaged` (does
            not parse, or is not what was signed, or of a role that may not say it) or `not-signed` (a threshold of
            signatures is not met).
    """
    chain = read_chain(folder)
    known = previous.parts if previous else {}
    parts = {
        path: read_part(folder / "targets", role, path, blob, known.get(path)) for role, path, blob in chain.listed
    }
    contents = [part.content for part in parts.values()]
    return Catalogue(
        version=chain.timestamp.version,
        indexes={(one.product, one.component): one for one in contents if isinstance(one, Index)},
        halts={one.product: one for one in contents if isinstance(one, Halts)},
        baselines={one.product: one for one in contents if isinstance(one, Baselines)},
        trust=next((one for one in contents if isinstance(one, Trust)), None),
        parts=parts,
        current={role: signed.version for role, signed in chain.roles.items()},
        expires={role: signed.expires for role, signed in chain.roles.items()},
    )


def read_chain(folder: Path) -> Chain:
    """Read and verify the metadata in `folder`, without the indexes that it names.

    Raises:
        CatalogueFault: as `load`.
    """
    stamp = _parsed(folder / _TIMESTAMP, Timestamp)
    root, timestamp = _root_of(folder, stamp), stamp.signed
    snapshot = _named(folder, Snapshot, "snapshot", root, timestamp.snapshot_meta)
    targets = _named(folder, Targets, "targets", root, _meta(snapshot, "targets"))
    roles = (targets.delegations.roles or {}) if targets.delegations else {}
    for role in roles:
        _check_name(role)
    products = {role: _named(folder, Targets, role, targets, _meta(snapshot, role)) for role in roles}
    return Chain(root, timestamp, snapshot, targets, products)


def is_founding(data: Path) -> bool:
    """Whether the first catalogue of a data folder still waits for signatures, or for the timer."""
    place = Place(data, LocalBlobs(data))
    return place.staged.is_file() and not any(place.catalogue.glob("*.json"))


def first_root(folder: Path) -> bytes:
    """The root that the catalogue in `folder` begins with, not verified here. Raises CatalogueFault: as `load`."""
    return read_file(folder / _FIRST_ROOT, MAX_METADATA_BYTES["root"], _MAKE)


def read_statement(folder: Path, role: str, version: int) -> Metadata[Targets]:
    """The statement of targets or of a role that it delegates, with its signatures, which are not checked here.

    Raises:
        CatalogueFault: as `load`.
    """
    return _parsed(folder / f"{version}.{role}.json", Targets)


def _check_name(role: str) -> None:
    """A role's name is that of a file here, so it is looked at before that is read."""
    try:
        _ = role in {halts.ROLE, trust.ROLE} or names.check_product(role)
    except BadName as error:
        raise CatalogueFault("damaged", f"The catalogue has a role that is none of ours. {error} {RESTORE}") from error


def _root_of(folder: Path, stamp: Metadata[Timestamp]) -> Root:
    """The root that a timestamp belongs to: the newest, or the one before, where the next is just being put up."""
    before, newest = _newest_roots(folder)
    try:
        _verify(folder / _TIMESTAMP, stamp, "timestamp", newest)
    except CatalogueFault as error:
        if error.reason != "not-signed" or before is newest:
            raise
        _verify(folder / _TIMESTAMP, stamp, "timestamp", before)
        return before
    return newest


def _newest_roots(folder: Path) -> tuple[Root, Root]:
    """The highest root that follows from the first without a gap (TUF §5.3), after the one before it."""
    first = _parsed(folder / _FIRST_ROOT, Root)
    _verify(folder / _FIRST_ROOT, first, "root", first.signed)
    before = root = first.signed
    while (path := folder / f"{root.version + 1}.root.json").exists():
        newer = _parsed(path, Root)
        _check_version(path, newer.signed, root.version + 1)
        for witness in (root, newer.signed):
            _verify(path, newer, "root", witness)
        before, root = root, newer.signed
    return before, root


def _named(folder: Path, kind: type[S], role: str, delegator: Root | Targets, meta: MetaFile) -> S:
    path = folder / f"{meta.version}.{role}.json"
    metadata = _parsed(path, kind, meta)
    _verify(path, metadata, role, delegator)
    _check_version(path, metadata.signed, meta.version)
    return metadata.signed


def _meta(snapshot: Snapshot, role: str) -> MetaFile:
    try:
        return snapshot.meta[f"{role}.json"]
    except KeyError as error:
        raise CatalogueFault("damaged", f"The catalogue's snapshot does not name the role {role}.") from error


def _parsed(path: Path, kind: type[S], meta: MetaFile | None = None) -> Metadata[S]:
    raw = read_file(path, MAX_METADATA_BYTES[kind.type], _if_missing(path))
    with _damage(path):
        if meta is not None:
            meta.verify_length_and_hashes(raw)
        metadata = Metadata[S].from_bytes(raw)
        if metadata.signed.type != kind.type:
            raise CatalogueFault("damaged", f"{path} holds the metadata of a role of another kind. {RESTORE}")
    return metadata


def _if_missing(path: Path) -> str:
    """What to do if this file is."""
    if path.name not in {_TIMESTAMP, _FIRST_ROOT}:
        return RESTORE
    if is_founding(path.parent.parent):
        return _SIGN
    return RESTORE if path.parent.exists() else _MAKE


def _verify(path: Path, metadata: Metadata[S], role: str, delegator: Root | Targets) -> None:
    with _damage(path):
        keys = [delegator.get_key(keyid).keyval["public"] for keyid in delegator.get_delegated_role(role).keyids]
        if len(set(keys)) != len(keys):  # one key under two ids would count as two people
            raise CatalogueFault("damaged", f"The role {role} has the same key twice. {RESTORE}")
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)


def _check_version(path: Path, signed: Signed, number: int) -> None:
    if signed.version != number:
        raise CatalogueFault("damaged", f"{path} holds version {signed.version} instead. {RESTORE}")


def _blob(path: str, target: TargetFile) -> Blob:
    digest = target.hashes.get("sha256", "")
    if not SHA256_HEX.fullmatch(digest):
        raise CatalogueFault("damaged", f"The catalogue names no SHA-256 for {path[:200]!r}. {RESTORE}")
    return Blob(target.length, digest)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except UnsignedMetadataError as error:
        raise CatalogueFault("not-signed", f"{path} lacks signatures of its role's keys. {RESTORE}") from error
    except (RepositoryError, DeserializationError, ValueError) as error:
        raise CatalogueFault("damaged", f"{path} is not what was signed, or damaged: {error}. {RESTORE}") from error
