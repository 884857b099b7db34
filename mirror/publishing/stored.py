"""What a release consists of, as it lies in the store: read back, and held to what was signed for it."""

import msgspec

from mirror.blobs import Blobs
from mirror.errors import BlobFault, Conflict
from mirror.publishing.order import Order
from mirror.publishing.pack import Layout
from spot_client.wire import digest, manifest, pack
from spot_client.wire.digest import Blob
from spot_client.wire.errors import DigestError
from spot_client.wire.index import Release
from spot_client.wire.manifest import Entry, File, Manifest


def read_manifest(blobs: Blobs, key: str, release: Release) -> Manifest:
    """The manifest of the release that lies in the store under `key`.

    Raises:
        BlobFault: it is missing, or cannot be read.
        DigestError, FormatError: it is not what was signed.
    """
    reader = blobs.open(f"{key}/manifest")
    try:
        raw = bytes(reader.view(0, min(reader.length, manifest.MAX_SEALED_BYTES + 1)))
        return manifest.decode(raw, release.manifest)
    finally:
        reader.close()


def check_pack(blobs: Blobs, key: str, entries: Manifest) -> None:
    """Read a pack and hold each of its blocks to its SHA-256 in the manifest.

    Raises:
        BlobFault: it is missing, cannot be read, or is not what was signed (reason `damaged`).
    """
    reader = blobs.open(f"{key}/pack")
    try:
        if reader.length != pack_length(entries):
            raise _damaged(key)
        for span in pack.spans(entries):
            view = reader.view(span.start, span.start + span.block.length)
            digest.verify(view, Blob(span.block.length, span.block.sha256), "A block of the pack")
    except DigestError as error:
        raise _damaged(key) from error
    finally:
        reader.close()


def pack_length(entries: Manifest) -> int:
    """The length of a release's pack, in bytes."""
    return sum(block.length for block in entries.blocks)


def compare(blobs: Blobs, order: Order, layout: Layout, present: Release) -> int:
    """Raise unless the source has the content of the release `present`; returns the length of its pack, in bytes.

    Raises:
        Conflict: reason `other-content`.
        BlobFault, DigestError, FormatError: what is stored is missing, damaged, or not what was signed.
    """
    published = read_manifest(blobs, order.key, present)
    hint = "A release never changes: give what you have a new version."
    if [*map(_content, published.entries)] != [*map(_content, layout.entries)]:
        if [*map(_plain, published.entries)] == [*map(_plain, layout.entries)]:
            what = "with other kinds of files (--config, --state)"
            raise Conflict("other-content", f"{order.name} is published {what}. {hint}")
        raise Conflict("other-content", f"{order.name} is published with other content. {hint}")
    stored = pack_length(published)
    if blobs.length(f"{order.key}/pack") != stored:
        raise _damaged(order.key)
    return stored


def _content(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, offset=0) if isinstance(entry, File) else entry


def _plain(entry: Entry) -> Entry:
    """The content of an entry, whatever kind of file it is."""
    return msgspec.structs.replace(entry, offset=0, kind=manifest.Kind.FILE) if isinstance(entry, File) else entry


def _damaged(key: str) -> BlobFault:
    return BlobFault("damaged", f"The stored file {key}/pack is damaged: restore it from a backup.")
