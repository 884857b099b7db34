"""Manifests and blocks of releases, by what was signed for them: from this machine if they are here, else fetched."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from spot_client import durable
from spot_client.believe import believing
from spot_client.errors import NotTrusted
from spot_client.fetch.cache import Cache
from spot_client.fetch.transport import Answer
from spot_client.wire import manifest as manifests
from spot_client.wire.errors import WireError
from spot_client.wire.manifest import Manifest
from spot_client.wire.pack import Span
from spot_client.wire.routes import Kind, Route
from spot_client.wire.sealed import Seal


class Fetcher(Protocol):
    """What fetches: `spot_client.fetch.transport.Transport`."""

    def get(self, path: str, *, max_bytes: int) -> Answer:
        """The whole answer to a GET."""
        ...

    def download(self, path: str, *, start: int, stop: int, sink: Callable[[bytes], None]) -> None:
        """Hand a range of a resource to `sink`, resumed after breaks."""
        ...


def release_route(kind: Kind, component: str, version: str, platform: str) -> str:
    """The path of a release's manifest or pack; `component` is `PRODUCT/COMPONENT`."""
    product, _, name = component.partition("/")
    return Route(kind=kind, product=product, component=name, version=version, platform=platform).path


class Releases:
    """Manifests are kept in `folder` by the digest that was signed for them, and verified again whenever read."""

    def __init__(self, fetcher: Fetcher, cache: Cache, folder: Path) -> None:
        self._fetcher = fetcher
        self._cache = cache
        self._folder = folder

    def manifest(self, component: str, version: str, platform: str, seal: Seal) -> Manifest:
        """The verified manifest of a release, which names that very release.

        Raises:
            NotTrusted: what was fetched is not what was signed, or names another release (`other-release`).
            RefusedLocally: reason `too-new`.
            SpotError: what fetching raises.
        """
        kept = self.kept_manifest(seal)
        if kept is None:
            with believing():
                path = release_route(Kind.MANIFEST, component, version, platform)
                raw = self._fetcher.get(path, max_bytes=min(seal.length, manifests.MAX_SEALED_BYTES)).body
                kept = manifests.decode(raw, seal)
            durable.make_private(self._folder)
            durable.write(self._folder / seal.head, raw)
        named = (f"{kept.product}/{kept.component}", kept.version, kept.platform)
        if named != (component, version, platform):
            raise NotTrusted("other-release", f"The manifest of {component} {version} is that of {' '.join(named)}.")
        return kept

    def kept_manifest(self, seal: Seal) -> Manifest | None:
        """A manifest that is on this machine and still what was signed, or None."""
        try:
            return manifests.decode((self._folder / seal.head).read_bytes(), seal)
        except (FileNotFoundError, WireError):
            return None

    def forget_manifests(self, wanted: frozenset[str]) -> None:
        """Remove kept manifests whose head is not `wanted`."""
        for path in self._folder.glob("*"):
            if path.name not in wanted:
                path.unlink()

    def block(self, manifest: Manifest, span: Span, advance: Callable[[int], None]) -> bytes:
        """The verified compressed bytes of a block; `advance` is told of bytes as they come in."""
        component = f"{manifest.product}/{manifest.component}"
        path = release_route(Kind.PACK, component, manifest.version, manifest.platform)

        def fetch(position: int, file: BinaryIO) -> None:
            def sink(chunk: bytes) -> None:
                file.write(chunk)
                advance(len(chunk))

            start, stop = span.start + position, span.start + span.block.length
            self._fetcher.download(path, start=start, stop=stop, sink=sink)

        return self._cache.block(span.block, fetch)
