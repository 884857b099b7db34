"""The manifests and packs of a backup: copied with their digests, and held to what was signed for them."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from ca.files import open_ordinary
from mirror.blobs import Blobs, LocalBlobs
from mirror.errors import BackupError
from spot_client.wire import digest, manifest, pack
from spot_client.wire.digest import Blob, Sha256
from spot_client.wire.errors import WireError
from spot_client.wire.index import Release

Progress = Callable[[str, int, int], None]
"""Told what is going on, bytes done, and bytes in all."""

_PIECE: Final = 2**20


class Copied(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A manifest or a pack: bytes, SHA-256, and what is signed for its release's manifest (empty: not known)."""

    length: int
    sha256: Sha256
    head: str


def kept(
    last: Mapping[str, Copied], folder: Path, wanted: Mapping[str, Release | None], *, verify: bool
) -> dict[str, Copied]:
    """What the backup before this one has, and is the same; `verify`: hash it, too."""
    there = LocalBlobs(folder)
    found = {}
    for key, line in wanted.items():
        copied = last.get(key)
        if line is None or copied is None or copied.head != line.manifest.head:
            continue
        same = there.exists(key) and there.length(key) == copied.length
        if same and (not verify or is_whole(folder / key, copied.sha256)):
            found[key] = copied
    return found


def copy_new(blobs: Blobs, wanted: Mapping[str, Release | None], folder: Path, progress: Progress) -> dict[str, Copied]:
    """Copy these, and hold each release to what is signed for it.

    Raises:
        BackupError: reason `damaged`: it is not what was signed.
        BlobFault, OSError: as they say.
    """
    done, size = 0, sum(map(blobs.length, wanted))
    found = {}
    for key, line in wanted.items():
        length, digest = copy(blobs, key, folder)
        found[key] = Copied(length, digest, line.manifest.head if line else "")
        done += length
        progress("copying releases,", done, size)
    for key, line in wanted.items():
        if line is not None and key.endswith("/pack"):
            _check(LocalBlobs(folder), key, line)
    return found


def copy(blobs: Blobs, key: str, folder: Path) -> tuple[int, str]:
    """Copy one blob; its length and SHA-256."""
    part, hashed = folder / ".blob.part", hashlib.sha256()
    part.unlink(missing_ok=True)
    blob = blobs.open(key)
    try:
        with part.open("xb") as file:
            for start in range(0, blob.length, _PIECE):
                piece = blob.view(start, min(start + _PIECE, blob.length))
                hashed.update(piece)
                file.write(piece)
        length = blob.length
    finally:
        blob.close()
    LocalBlobs(folder).put(key, part)
    return length, hashed.hexdigest()


def _check(there: Blobs, key: str, line: Release) -> None:
    """Hold a pack to its manifest, and that to what is signed for it."""
    sealed, packed = there.open(f"{key.removesuffix('pack')}manifest"), there.open(key)
    name = "manifest"
    try:
        raw = bytes(sealed.view(0, min(sealed.length, manifest.MAX_SEALED_BYTES + 1)))
        spans, name = list(pack.spans(manifest.decode(raw, line.manifest))), "pack"
        if packed.length != sum(span.block.length for span in spans):
            raise _damaged(key)
        for span in spans:
            block = Blob(span.block.length, span.block.sha256)
            digest.verify(packed.view(span.start, span.start + block.length), block, "A block of the pack")
    except WireError as error:
        raise _damaged(f"{key.removesuffix('pack')}{name}") from error
    finally:
        sealed.close()
        packed.close()


def _damaged(key: str) -> BackupError:
    hint = "Restore it from an older backup, or withdraw its release: no newer backup is made before."
    return BackupError("damaged", f"The mirror's own file {key} is not what was signed. {hint}")


def is_whole(path: Path, sha256: str) -> bool:
    """Whether a file is there, and of this SHA-256."""
    try:
        return sha256_of(path) == sha256
    except FileNotFoundError:
        return False


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file. Raises OSError."""
    hashed = hashlib.sha256()
    with open_ordinary(path) as file:
        while piece := file.read(_PIECE):
            hashed.update(piece)
    return hashed.hexdigest()
