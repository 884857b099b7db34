"""Every release that a catalogue offers: whether its manifest and its pack lie there, whole."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, Protocol

import msgspec

from ca.finding import Finding
from mirror.blobs import BlobReader
from mirror.errors import BlobFault, MirrorError
from spot_client.wire import digest, manifest, pack
from spot_client.wire.digest import Blob
from spot_client.wire.errors import WireError
from spot_client.wire.index import Index, Release
from spot_client.wire.manifest import Manifest

_RESTORE: Final = "Restore the release's folder from a backup, or from another mirror."

Progress = Callable[[str, int, int], None]
"""Told what is going on, bytes done, and bytes in all."""


class Stored(Protocol):
    """What is read of `mirror.blobs.Blobs`."""

    def open(self, key: str) -> BlobReader:
        """See `Blobs`."""
        ...

    def pieces(self, key: str, lengths: Sequence[int]) -> Iterator[bytes]:
        """See `Blobs`."""
        ...


class Examined(msgspec.Struct, frozen=True):
    """A release that was looked at: the key of its folder, bytes that it has, and what is wrong with it."""

    key: str
    length: int
    finding: Finding | None


def examine(indexes: Iterable[Index], blobs: Stored, progress: Progress | None) -> Iterator[Examined]:
    """Look at every release of these indexes; with `progress`, also at the digest of every block of every pack."""
    for one in indexes:
        for key, release in keys(one).items():
            name = f"{one.product}/{one.component} {release.version} for {release.platform}"
            show = partial(progress, f"checking {name},") if progress else None
            try:
                described = _manifest(f"{key}/manifest", release, blobs)
                length = release.manifest.length + _pack(f"{key}/pack", described, blobs, show)
            except (MirrorError, WireError, OSError) as error:
                reason = getattr(error, "reason", "unreadable")
                found = Finding("problem", reason, f"The release {name} is not whole: {error}", _RESTORE)
                yield Examined(key, 0, found)
            else:
                yield Examined(key, length, None)


def keys(index: Index) -> dict[str, Release]:
    """The releases of an index, by the keys of their folders."""
    above = f"releases/{index.product}/{index.component}"
    return {f"{above}/{line.version}/{line.platform}": line for line in index.releases}


def _pack(key: str, described: Manifest, blobs: Stored, progress: Callable[[int, int], None] | None) -> int:
    """The length of a pack; with `progress`, its blocks were looked at one by one. Raises what it finds."""
    blocks = described.blocks
    length = sum(block.length for block in blocks)
    if progress is None:
        opened = blobs.open(key)
        opened.close()
        if opened.length != length:
            raise BlobFault("wrong-length", f"its pack has {opened.length} bytes, and {length} were signed for.")
        return length
    pieces = blobs.pieces(key, [block.length for block in blocks])
    for span, piece in zip(pack.spans(described), pieces, strict=True):
        digest.verify(piece, Blob(span.block.length, span.block.sha256), "its pack")
        progress(span.start + span.block.length, length)
    return length


def _manifest(key: str, release: Release, blobs: Stored) -> Manifest:
    if release.manifest.length > manifest.MAX_SEALED_BYTES:
        raise BlobFault("too-large", f"its manifest has {release.manifest.length} bytes.")
    raw = b"".join(blobs.pieces(key, [release.manifest.length]))
    return manifest.decode(raw, release.manifest)
