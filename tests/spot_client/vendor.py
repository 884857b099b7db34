"""A vendor in memory: releases, the signed catalogue that leads to them, and a mirror that answers without a network.

The catalogue is signed with python-tuf's own API, one key a role; tests spoil it before or after it is signed.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec
from securesystemslib.signer._crypto_signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from spot_client.errors import NotLicensed, NotReachable, Refused, SpotError
from spot_client.fetch.answer import Answer
from spot_client.fetch.releases import release_route
from spot_client.wire import halts, index, manifest, pack, routes
from spot_client.wire.digest import sha256_hex
from spot_client.wire.halts import Halt, Halts
from spot_client.wire.index import Index, Severity, Tombstone
from spot_client.wire.manifest import Directory, Entry, File, Kind, Manifest, Symlink
from spot_client.wire.names import check_version
from spot_client.wire.sealed import Seal

MOMENT: Final = "2026-01-01T00:00:00Z"
MINTED: Final = "7k2m9xq40gct31vz"
DAY: Final = timedelta(days=1)
TOP: Final = ("root", "targets", "snapshot", "timestamp")

Tree = Mapping[str, bytes | str]
"""A release's content: bytes of a file, or the target of a symbolic link, by path."""


class Made(msgspec.Struct, frozen=True):
    """A release as it lies on a mirror."""

    manifest: Manifest
    sealed: bytes
    seal: Seal
    pack: bytes


def make(
    tree: Tree,
    *,
    component: str = "sdk/tool",
    version: str = "1.0",
    platform: str = "any",
    block: int = 64,
    modes: Mapping[str, int] | None = None,
    kinds: Mapping[str, Kind] | None = None,
) -> Made:
    """Pack a release, in blocks of `block` bytes of content.

    `modes` where they are not 0644 and 0755, `kinds` where not `file`.
    """
    modes, kinds = modes or {}, kinds or {}
    places: dict[bytes, int] = {}
    entries: dict[str, Entry] = {}
    for path, content in sorted(tree.items()):
        for parent in map(str, PurePosixPath(path).parents[:-1] if "/" in path else ()):
            entries[parent] = Directory(parent, modes.get(parent, 0o755))
        if isinstance(content, str):
            entries[path] = Symlink(path, content)
            continue
        if content and content not in places:
            places[content] = sum(map(len, places))
        offset = places.get(content, 0)
        kind = kinds.get(path, Kind.FILE)
        entries[path] = File(path, modes.get(path, 0o644), len(content), sha256_hex(content), offset, kind)
    cut = [pack.encode_block(piece, level=1) for piece in pack.cut(places, size=block)]
    product, _, name = component.partition("/")
    described = Manifest(
        product=product,
        component=name,
        version=version,
        platform=platform,
        entries=tuple(entries[path] for path in sorted(entries)),
        blocks=tuple(line for _, line in cut),
    )
    sealed, seal = manifest.encode(described, level=1)
    return Made(described, sealed, seal, b"".join(packed for packed, _ in cut))


class Repository:
    """The signing side. Change the statements, then `sign`: all but the root get their next version."""

    def __init__(self) -> None:
        self.signers = {role: CryptoSigner.generate_ed25519() for role in TOP}
        expires = datetime.now(UTC).replace(microsecond=0) + 30 * DAY
        self.root = Root(1, expires=expires, consistent_snapshot=True)
        for role in TOP:
            self.root.add_key(self.signers[role].public_key, role)
        self.timestamp = Timestamp(1, expires=expires, snapshot_meta=MetaFile(1))
        self.snapshot, self.targets = Snapshot(1, expires=expires), Targets(1, expires=expires)
        self.targets.delegations = Delegations({}, {})
        self.products: dict[str, Targets] = {}
        self.metadata: dict[str, bytes] = {}

    def offer(self, product: str, path: str, raw: bytes) -> TargetFile:
        """Put a target into the product's role, or into `halts`."""
        if product not in self.products:
            self.signers[product] = CryptoSigner.generate_ed25519()
            self.products[product] = Targets(1, expires=self.targets.expires)
            assert self.targets.delegations is not None
            assert self.targets.delegations.roles is not None
            mask = f"{product}/*.json.zst" if product == halts.ROLE else f"{product}/*/index.json.zst"
            role = DelegatedRole(product, [], 1, terminating=True, paths=[mask])
            self.targets.delegations.roles[product] = role
            self.targets.add_key(self.signers[product].public_key, product)
        target = TargetFile.from_data(path, raw, ["sha256"])
        self.products[product].targets[path] = target
        return target

    def sign(self) -> None:
        """Sign everything anew."""
        roles: dict[str, Any] = {**self.products, "targets": self.targets}
        for role, signed in roles.items():
            self._sign(role, signed)
            raw = self.metadata[f"{signed.version}.{role}.json"]
            self.snapshot.meta[f"{role}.json"] = MetaFile.from_data(signed.version, raw, ["sha256"])
        self.sign_online()
        if self.root.version == 1:
            self.write("1.root.json", self.root, "root")

    def replace_keys(self, *roles: str) -> None:
        """A next root that gives these online roles new keys, signed; then everything signed anew."""
        for role in roles:
            self.root.revoke_key(self.signers[role].public_key.keyid, role)
            self.signers[role] = CryptoSigner.generate_ed25519()
            self.root.add_key(self.signers[role].public_key, role)
        self.root.version += 1
        self.write(f"{self.root.version}.root.json", self.root, "root")
        self.sign()

    def sign_online(self) -> None:
        """Sign snapshot and timestamp anew, as a timer does: the snapshot as it stands, the timestamp over it."""
        self._sign("snapshot", self.snapshot)
        raw = self.metadata[f"{self.snapshot.version}.snapshot.json"]
        self.timestamp.snapshot_meta = MetaFile.from_data(self.snapshot.version, raw, ["sha256"])
        self._sign("timestamp", self.timestamp)

    def write(self, file: str, signed: Any, *signers: str) -> None:
        """Sign one statement with the keys of these roles, and lay it out as `file`."""
        metadata = Metadata(signed)
        for role in signers:
            metadata.sign(self.signers[role], append=True)
        self.metadata[file] = metadata.to_bytes()

    def _sign(self, role: str, signed: Any) -> None:
        signed.version += 1
        self.write(f"{signed.version}.{role}.json" if role != "timestamp" else "timestamp.json", signed, role)


class Vendor:
    """Releases and their catalogue, laid out in `files` by path on the mirror."""

    def __init__(self, repository: Repository | None = None) -> None:
        self.repository = repository or Repository()
        self.indexes: dict[str, Index] = {}
        self.files: dict[str, bytes] = {}
        self.repository.sign()
        self.root = self.repository.metadata["1.root.json"]
        self.lay_out()

    def publish(self, tree: Tree, version: str, component: str = "sdk/tool", **details: Any) -> Made:
        """Make a release and offer it in `stable`, unless `details` (of the index, or as for `make`) say otherwise."""
        platform, made_of = details.pop("platform", "any"), {"block": details.pop("block", 64)}
        made_of |= {name: details.pop(name) for name in ("modes", "kinds") if name in details}
        made = make(tree, component=component, version=version, platform=platform, **made_of)
        self.files[release_route(routes.Kind.MANIFEST, component, version, platform)] = made.sealed
        self.files[release_route(routes.Kind.PACK, component, version, platform)] = made.pack
        fields = {"channels": ("stable",), "severity": Severity.BUG, "published": MOMENT, **details}
        release = index.Release(version=version, platform=platform, manifest=made.seal, **fields)
        known = self._index(component)
        self._replace(component, releases=(*known.releases, release))
        return made

    def withdraw(self, version: str, component: str = "sdk/tool") -> None:
        """Put up a tombstone in place of a release."""
        known = self._index(component)
        gone = [release for release in known.releases if release.version == version]
        stones = [Tombstone(release.version, release.platform, MOMENT, "it was broken") for release in gone]
        left = tuple(release for release in known.releases if release.version != version)
        stones = sorted((*known.tombstones, *stones), key=lambda one: (check_version(one.version), one.platform))
        self._replace(component, releases=left, tombstones=tuple(stones))

    def halt(self, *versions: str, component: str = "sdk/tool", platform: str = "any") -> None:
        """Sign that exactly these versions of a component, and nothing else of its product, are halted."""
        product, _, name = component.partition("/")
        lines = tuple(
            Halt(name, version, platform, MOMENT, "it burns") for version in sorted(versions, key=check_version)
        )
        self.put_halts(product, halts.encode(Halts(product=product, halts=lines), level=1))

    def put_halts(self, product: str, packed: bytes) -> None:
        """Sign for these bytes as the product's list of halts."""
        self._put(halts.ROLE, halts.target_path(product), packed)

    def _index(self, component: str) -> Index:
        product, _, name = component.partition("/")
        return self.indexes.get(component, Index(product=product, component=name))

    def _replace(self, component: str, **fields: Any) -> None:
        known = msgspec.structs.replace(self._index(component), **fields)
        ordered = sorted(known.releases, key=lambda one: (check_version(one.version), one.platform))
        self.indexes[component] = msgspec.structs.replace(known, releases=tuple(ordered))
        self.put_index(component, index.encode(self.indexes[component], level=1))

    def put_index(self, component: str, packed: bytes) -> None:
        """Sign for these bytes as the component's index."""
        product, _, name = component.partition("/")
        self._put(product, index.target_path(product, name), packed)

    def _put(self, role: str, path: str, packed: bytes) -> None:
        target = self.repository.offer(role, path, packed)
        self.files[f"{routes.TARGET_BASE}{target.get_prefixed_paths()[0]}"] = packed
        self.repository.sign()
        self.lay_out()

    def lay_out(self) -> None:
        """Put the metadata where the mirror serves it."""
        self.files |= {f"{routes.METADATA_BASE}{name}": raw for name, raw in self.repository.metadata.items()}


class Line:
    """The way to a mirror, in memory: answers as `spot_client.fetch.transport.Transport` would, and keeps a log."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []
        self.put_bodies: list[tuple[str, bytes]] = []
        self.posted: list[Mapping[str, str]] = []
        self.failures: dict[str, SpotError] = {}
        self.down = False
        self.fetched = 0
        self.minted = b'{"format":1,"installation":"%s","min_spot":"0.1"}' % MINTED.encode()
        self.breaks_after: int | None = None
        self.mirror_time: datetime | None = None

    def get(self, path: str, *, max_bytes: int, unless: str | None = None) -> Answer:
        """A whole file, if it has not the ETag `unless`."""
        raw = self._find(path)
        if unless == f'"{sha256_hex(raw)}"':
            return Answer(304, {}, b"")
        if len(raw) > max_bytes:
            raise NotReachable("too-long", "too long")
        return Answer(200, {}, raw)

    def download(self, path: str, *, start: int, stop: int, sink: Callable[[bytes], None]) -> None:
        """A range, in pieces of 7 bytes; broken off for good once `breaks_after` bytes have come."""
        raw = self._find(path)[start:stop]
        for piece in (raw[at : at + 7] for at in range(0, len(raw), 7)):
            if self.breaks_after is not None and self.fetched >= self.breaks_after:
                raise NotReachable("broken-off", "broken off")
            self.fetched += len(piece)
            sink(piece)

    def put(self, path: str, body: bytes) -> None:
        """Take in a body."""
        self._check(path)
        self.put_bodies.append((path, body))

    def post(self, path: str, *, headers: Mapping[str, str], max_bytes: int) -> Answer:
        """Mint the one installation id there is."""
        self._check(path)
        self.posted.append(headers)
        assert len(self.minted) <= max_bytes
        return Answer(201, {}, self.minted)

    def alone(self) -> tuple[tuple[str, "Line"], ...]:
        """The one mirror there is."""
        return (("https://localhost:8443", self),)

    def paths(self, ending: str) -> list[str]:
        """What was asked for and ends so."""
        return [path for path in self.asked if path.endswith(ending)]

    def _check(self, path: str) -> None:
        self.asked.append(path)
        if self.down:
            raise NotReachable("no-answer", "the mirror cannot be reached")
        for prefix, failure in self.failures.items():
            if path.startswith(prefix):
                raise failure

    def _find(self, path: str) -> bytes:
        self._check(path)
        if path not in self.files:
            raise Refused("not-found", "there is no such file")
        return self.files[path]


def not_licensed() -> NotLicensed:
    """What the mirror says of a product without licence."""
    return NotLicensed("not-licensed", "The mirror refused: no licence.")
