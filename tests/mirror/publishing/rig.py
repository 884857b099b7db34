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
from mirror.publishing import keys, publish, signing, source
from mirror.publishing.journal import Place
from mirror.publishing.limits import Limits
from mirror.publishing.order import Means, Order, Outcome
from mirror.publishing.tree import Tree
from spot_client.wire import index, manifest, pack
from spot_client.wire.index import Index
from spot_client.wire.manifest import File

PASSPHRASE = "correct horse battery"


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

    def means(self, clock: Callable[[], datetime] = real_time) -> Means:
        ring = keys.read(self.keys, lambda: PASSPHRASE)
        return Means(place=self.place, ring=ring, clock=clock, level=1, workers=2)

    def publish(
        self, source: Path, version: str = "1.0", *, clock: Callable[[], datetime] = real_time, dry_run: bool = False
    ) -> Outcome:
        return publish.publish(self.means(clock), order(version), source, dry_run=dry_run)

    def files(self) -> set[str]:
        """Every file below the data folder."""
        return {str(path.relative_to(self.data)) for path in self.data.rglob("*") if path.is_file()}


def new_mirror(folder: Path, clock: Callable[[], datetime] = real_time) -> Mirror:
    """A mirror in `folder` that offers nothing yet, with the keys that the others of this run have, too."""
    mirror = Mirror(folder / "data", folder / "keys", folder.with_name(f"{folder.name}-client"))
    shutil.copytree(_made_keys(), mirror.keys)
    publish.start(mirror.place, mirror.means().ring, clock())
    return mirror


@cache
def _made_keys() -> Path:
    """Keys of the real kind, made once: each takes 0.4 s of stretching."""
    folder = Path(tempfile.mkdtemp(prefix="keys-"))
    atexit.register(shutil.rmtree, folder)
    keys.create(folder / "keys", signing.TOP_ROLES, lambda: PASSPHRASE)
    return folder / "keys"


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
    mirror.client.mkdir(exist_ok=True)
    updater = Updater(
        str(mirror.client),
        "http://mirror.invalid/",
        str(mirror.client),
        "http://mirror.invalid/targets/",
        _FolderFetcher(mirror.catalogue),
        bootstrap=(mirror.catalogue / "1.root.json").read_bytes(),
    )
    target = updater.get_targetinfo(index.target_path(product, component))
    assert target is not None
    return index.decode(Path(updater.download_target(target)).read_bytes())


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
