"""Manifests and blocks of releases, by what was signed for them: from this machine if they are here, else fetched."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from spot_client import durable
from spot_client.believe import believing
from spot_client.errors import NotTrusted
from spot_client.fetch.answer import Answer
from spot_client.fetch.cache import Cache
from spot_client.fetch.several import Gate, do_all
from spot_client.fetch.withheld import handed_out
from spot_client.wire import manifest as manifests
from spot_client.wire.errors import WireError
from spot_client.wire.manifest import Manifest
from spot_client.wire.pack import Span
from spot_client.wire.routes import Kind, Route
from spot_client.wire.sealed import Seal

_log = logging.getLogger(__name__)
_REMEMBERED = 2  # manifests: the one in use, and the one to go to

T = TypeVar("T")


class Fetcher(Protocol):
    """What fetches: `spot_client.fetch.transport.Transport`."""

    def get(self, path: str, *, max_bytes: int) -> Answer:
        """The whole answer to a GET."""
        ...

    def download(self, path: str, *, start: int, stop: int, sink: Callable[[bytes], None]) -> None:
        """Hand a range of a resource to `sink`, resumed after breaks."""
        ...


class Asker(Protocol):
    """Who is asked for what is then verified: `spot_client.fetch.failover.Mirrors`."""

    def ask(self, attempt: Callable[[Fetcher], T]) -> T:
        """What `attempt` gives of some fetcher. Raises what it raises."""
        ...


class _Only:
    """One fetcher, and no other."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def ask(self, attempt: Callable[[Fetcher], T]) -> T:
        return attempt(self._fetcher)


def release_route(kind: Kind, component: str, version: str, platform: str) -> str:
    """The path of a release's manifest or pack; `component` is `PRODUCT/COMPONENT`."""
    product, _, name = component.partition("/")
    return Route(kind=kind, product=product, component=name, version=version, platform=platform).path


class Releases:
    """Manifests are kept in `folder` by the digest that was signed for them, and verified again whenever read.

    Args:
        downloads: how many blocks may be fetched at once.
        mirrors: who is asked where there are several; `fetcher` if not given.
    """

    def __init__(
        self, fetcher: Fetcher, cache: Cache, folder: Path, *, downloads: int = 1, mirrors: Asker | None = None
    ) -> None:
        self._mirrors = mirrors or _Only(fetcher)
        self._cache = cache
        self._folder = folder
        self._downloads = downloads
        self._read: dict[tuple[Seal, int, int], Manifest] = {}

    def manifest(self, component: str, version: str, platform: str, seal: Seal) -> Manifest:
        """The verified manifest of a release, which names that very release.

        Raises:
            NotTrusted: what was fetched is not what was signed, or names another release (`other-release`).
            RefusedLocally: reason `too-new`.
            SpotError: what fetching raises.
        """
        kept = self.kept_manifest(seal)
        if kept is not None:
            _log.debug("manifest of %s %s: kept here", component, version)
        else:
            path = release_route(Kind.MANIFEST, component, version, platform)
            raw, kept = self._mirrors.ask(lambda fetcher: _fetch_manifest(fetcher, path, seal))
            durable.make_private(self._folder)
            durable.write(self._folder / seal.head, raw)
        named = (f"{kept.product}/{kept.component}", kept.version, kept.platform)
        if named != (component, version, platform):
            raise NotTrusted("other-release", f"The manifest of {component} {version} is that of {' '.join(named)}.")
        return kept

    def kept_manifest(self, seal: Seal) -> Manifest | None:
        """A manifest that is on this machine and still what was signed, or None.

        The last few are remembered for as long as their files stay untouched: a change asks for the same two again and
        again, and a large one takes seconds to read.
        """
        path = self._folder / seal.head
        try:
            status = path.stat()
            mark = (seal, status.st_ino, status.st_mtime_ns)
            if mark not in self._read:
                self._read = dict(
                    [*self._read.items(), (mark, manifests.decode(path.read_bytes(), seal))][-_REMEMBERED:]
                )
            return self._read[mark]
        except (FileNotFoundError, WireError):
            return None

    def forget_manifests(self, wanted: frozenset[str]) -> None:
        """Remove kept manifests whose head is not `wanted`."""
        for path in self._folder.glob("*"):
            if path.name not in wanted:
                path.unlink()

    def fetch_blocks(self, manifest: Manifest, spans: Sequence[Span], advance: Callable[[int], None]) -> None:
        """Fetch blocks into the cache and verify them there, several at once; `block` then finds them.

        Begun in the order of their places, equal ones once. At the first failure all stop; what has come in stays, and
        the next call goes on from there.

        Args:
            advance: told of bytes as they come in, never by two threads at once.

        Raises:
            NotTrusted: reason `bad-block`.
            SpotError: what fetching raises.
            OSError: the disk refused.
        """
        distinct = {span.block.sha256: span for span in sorted(spans, key=lambda span: -span.start)}
        ordered = sorted(distinct.values(), key=lambda span: span.start)
        _log.debug("%d blocks of %s to take in, %d at once", len(ordered), manifest.version, self._downloads)

        def take_in(span: Span, gate: Gate) -> None:
            self._mirrors.ask(
                lambda fetcher: self._cache.take_in(span.block, _fetching(fetcher, manifest, span, advance, gate))
            )

        do_all(ordered, take_in, at_once=self._downloads)

    def block(self, manifest: Manifest, span: Span, advance: Callable[[int], None]) -> bytes:
        """The verified compressed bytes of a block; `advance` is told of bytes as they come in."""
        return self._mirrors.ask(
            lambda fetcher: self._cache.block(span.block, _fetching(fetcher, manifest, span, advance, Gate()))
        )


def _fetch_manifest(fetcher: Fetcher, path: str, seal: Seal) -> tuple[bytes, Manifest]:
    with believing(), handed_out(path):
        raw = fetcher.get(path, max_bytes=min(seal.length, manifests.MAX_SEALED_BYTES)).body
        return raw, manifests.decode(raw, seal)


def _fetching(
    fetcher: Fetcher, manifest: Manifest, span: Span, advance: Callable[[int], None], gate: Gate
) -> Callable[[int, BinaryIO], None]:
    component = f"{manifest.product}/{manifest.component}"
    path = release_route(Kind.PACK, component, manifest.version, manifest.platform)

    def fetch(position: int, file: BinaryIO) -> None:
        def sink(chunk: bytes) -> None:
            with gate.passing():
                file.write(chunk)
                file.flush()  # here, not when the file is closed: by then the gate may be, too
                advance(len(chunk))

        start, stop = span.start + position, span.start + span.block.length
        with handed_out(path):
            fetcher.download(path, start=start, stop=stop, sink=sink)

    return fetch
