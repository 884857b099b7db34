"""What the tests of publishing share: a mirror in a temporary folder, sources, and a client's view of the catalogue."""

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import msgspec
import pytest
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from mirror.blobs import LocalBlobs
from mirror.place import Place
from mirror.publishing import publish, source
from mirror.publishing.limits import Limits
from mirror.publishing.order import Means, Order, Outcome
from mirror.publishing.tree import Tree
from mirror.signing import ring, timer
from mirror.signing.founding import found, holders
from mirror.signing.means import Signing
from mirror.signing.ring import Ring
from mirror.signing.terms import Terms
from spot_client.wire import index, manifest, pack
from spot_client.wire.index import Index
from spot_client.wire.manifest import File

PASSPHRASE = "correct horse battery"
PEOPLE = ("root-1", "root-2", "root-3", "root-4", "alice", "bob", "carol", "dave")


def real_time() -> datetime:
    """The clock that python-tuf's client reads, too."""
    return datetime.now(UTC)


class Mirror(msgspec.Struct, frozen=True):
    """A data folder with a first catalogue, its signing keys, and where a client of it keeps what it has seen."""

    data: Path
    keys: Path
    client: Path

    @property
    def place(self) -> Place:
        return Place(self.data, LocalBlobs(self.data))

    @property
    def catalogue(self) -> Path:
        return self.data / "catalogue"

    def ring(self, passphrase: str = PASSPHRASE) -> Ring:
        return ring.read(self.keys, lambda: passphrase)

    def signing(self, clock: Callable[[], datetime] = real_time, passphrase: str = PASSPHRASE) -> Signing:
        """Everything is signed here and at once, as on a machine for development."""
        known = self.ring(passphrase)
        return Signing(place=self.place, ring=known, online=known, clock=clock)

    def means(self, clock: Callable[[], datetime] = real_time, passphrase: str = PASSPHRASE) -> Means:
        return Means(signing=self.signing(clock, passphrase), level=1, workers=2)

    def publish(
        self, source: Path, version: str = "1.0", *, clock: Callable[[], datetime] = real_time, dry_run: bool = False
    ) -> Outcome:
        return publish.publish(self.means(clock), order(version), source, dry_run=dry_run)

    def resign(self, clock: Callable[[], datetime] = real_time) -> int:
        """Sign snapshot and timestamp anew; the catalogue's version."""
        shown = timer.turn(self.signing(clock), self.ring(), force=True)
        assert shown is not None
        return shown.version

    def files(self) -> set[str]:
        """Every file below the data folder."""
        return {str(path.relative_to(self.data)) for path in self.data.rglob("*") if path.is_file()}


def new_mirror(folder: Path, clock: Callable[[], datetime] = real_time, terms: Terms | None = None) -> Mirror:
    """A mirror in `folder` that offers nothing yet, with the keys that the others of this run have, too."""
    mirror = Mirror(folder / "data", folder / "keys", folder.with_name(f"{folder.name}-client"))
    shutil.copytree(made_keys() / "development", mirror.keys)
    signing = mirror.signing(clock)
    names = {"root": "root", "targets": "publisher", "halts": "publisher", "house": "publisher"}
    names |= {role: role for role in ("snapshot", "timestamp")}
    who = {role: holders(signing.ring, 1, (name,)) for role, name in names.items()}
    found(msgspec.structs.replace(signing, terms=terms or Terms()), who)
    return mirror


@cache
def made_keys() -> Path:
    """Folders of keys of the real kind, made once: each salt takes 0.4 s of stretching, so all share one.

    `development` has one key for each use, `online` those of snapshot and timestamp, and each of `PEOPLE` has a folder.
    """
    top = Path(tempfile.mkdtemp(prefix="keys-"))
    atexit.register(shutil.rmtree, top)
    every = ring.create(top / "every", ("root", "publisher", "snapshot", "timestamp", *PEOPLE), lambda: PASSPHRASE)
    _part_of(every, top / "development", "root", "publisher", "snapshot", "timestamp")
    _part_of(every, top / "online", "snapshot", "timestamp")
    for name in PEOPLE:
        _part_of(every, top / name, name)
    return top


def _part_of(every: Ring, folder: Path, *names: str) -> None:
    folder.mkdir(mode=0o700)
    part = Ring(folder, {}, lambda: PASSPHRASE)
    for name in names:
        shutil.copy(every.folder / f"{name}.pem", folder / f"{name}.pem")
        part._add(name, every.key(name))


def order(version: str = "1.0", component: str = "sdk/tool", channels: tuple[str, ...] = ("stable",)) -> Order:
    """An order for a release of any platform."""
    product, name = component.split("/")
    return Order(product=product, component=name, version=version, platform="any", channels=channels)


def opened(path: Path, limits: Limits | None = None, *, opaque: bool = False) -> AbstractContextManager[Tree]:
    """The tree in the source `path`, with a folder of its own for what is unpacked."""
    scratch = path.with_name(f"{path.name}.scratch")
    return source.read(path, limits or Limits(), scratch, lambda *_: None, opaque=opaque)


def folder_of(folder: Path, files: dict[str, bytes]) -> Path:
    """A source folder with these files."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def contents(mirror: Mirror, order: Order) -> dict[str, bytes]:
    """The files of a release, read as a client would: signed index, manifest, blocks; each verified."""
    offered = client_view(mirror, order.product, order.component)
    release = next(line for line in offered.releases if line.version == order.version)
    entries = manifest.decode(_blob(mirror, f"{order.key}/manifest"), release.manifest)
    packed = _blob(mirror, f"{order.key}/pack")
    stream = b"".join(
        pack.decode_block(packed[span.start : span.start + span.block.length], span.block)
        for span in pack.spans(entries)
    )
    return {line.path: stream[line.offset : line.offset + line.size] for line in entries.entries if type(line) is File}


def client_view(mirror: Mirror, product: str = "sdk", component: str = "tool") -> Index:
    """The index of a component as python-tuf's own client verifies it, beginning with the first root."""
    found = client_target(mirror.catalogue, mirror.client, index.target_path(product, component))
    assert found is not None
    return index.decode(found)


def client_target(catalogue: Path, client: Path, path: str) -> bytes | None:
    """A target as python-tuf's own client verifies it; `client` is where it keeps what it has seen."""
    client.mkdir(exist_ok=True)
    updater = Updater(
        str(client),
        "http://mirror.invalid/",
        str(client),
        "http://mirror.invalid/targets/",
        _FolderFetcher(catalogue),
        bootstrap=(catalogue / "1.root.json").read_bytes(),
    )
    target = updater.get_targetinfo(path)
    return Path(updater.download_target(target)).read_bytes() if target is not None else None


class _FolderFetcher(FetcherInterface):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            yield (self._folder / url.removeprefix("http://mirror.invalid/")).read_bytes()
        except FileNotFoundError as error:
            raise DownloadHTTPError(url, 404) from error


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes, mounted at `folder`; skips the test where that is not allowed, except in CI."""
    folder.mkdir()
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("needs root, to mount a small file system")
        pytest.skip("needs root, to mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        if os.environ.get("CI") == "true":
            pytest.fail("cannot mount a small file system here")
        pytest.skip("cannot mount a small file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _blob(mirror: Mirror, key: str) -> bytes:
    reader = mirror.place.blobs.open(key)
    try:
        return bytes(reader.view(0, reader.length))
    finally:
        reader.close()
