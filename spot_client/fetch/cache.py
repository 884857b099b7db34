"""Contents this machine already has, by SHA-256, and blocks of packs on their way in.

    files/ab/abcd…      contents of files, by the digest of the content
    blocks/abcd…        compressed bytes of a block, by the digest they will have; incomplete until they have its length

Nothing here is believed: a content is hashed again while it is copied out, a block before it is unpacked. So nothing
here needs to be durable either: what a power cut spoils is noticed, removed and fetched again.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from spot_client import durable
from spot_client.errors import NotTrusted
from spot_client.wire.digest import SHA256_HEX
from spot_client.wire.manifest import Block

CHUNK: Final = 2**20


class Usage(msgspec.Struct, frozen=True):
    """What a cache takes: numbers of contents and of blocks on their way in, and the bytes of each."""

    contents: int
    content_bytes: int
    blocks: int
    block_bytes: int


class Cache:
    """The cache in `folder`; whoever changes it holds the installation's lock."""

    def __init__(self, folder: Path) -> None:
        self._files = folder / "files"
        self._blocks = folder / "blocks"

    def contents(self) -> frozenset[str]:
        """Digests of all contents that claim to be here."""
        return frozenset(path.name for path in self._files.glob("??/*") if SHA256_HEX.fullmatch(path.name))

    def path(self, sha256: str) -> Path:
        """Where a content lies if it is here."""
        return self._files / sha256[:2] / sha256

    def discard(self, sha256: str) -> None:
        """Forget a content, for instance one found to be damaged."""
        self.path(sha256).unlink(missing_ok=True)

    def begin(self, sha256: str) -> "Incoming":
        """Start taking in a content piece by piece."""
        return Incoming(self.path(sha256), sha256)

    def block_bytes(self) -> dict[str, int]:
        """Bytes on hand of each block on its way in, by the block's digest."""
        if not self._blocks.is_dir():
            return {}
        return {entry.name: entry.stat().st_size for entry in os.scandir(self._blocks)}

    def take_in(self, block: Block, fetch: Callable[[int, BinaryIO], None]) -> None:
        """Make sure that a block is here, whole and verified; what is missing of it comes from `fetch(position, file)`.

        Different blocks may be taken in at the same time. None is held in memory.

        Args:
            fetch: appends to the file the block's bytes from `position` on; raises on failure, leaving what it has.

        Raises:
            NotTrusted: reason `bad-block`: fetched afresh from the first byte, and still not what was signed.
        """
        durable.make_private(self._blocks)
        path = self._blocks / block.sha256
        for _ in range(2):
            resumed = path.stat().st_size if path.exists() else 0
            if resumed > block.length:
                path.unlink()
                resumed = 0
            with path.open("ab") as file:
                if resumed < block.length:
                    fetch(resumed, file)
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == block.sha256:
                    return
            path.unlink()
            if not resumed:
                break
        raise NotTrusted(
            "bad-block", "A part of the release is not what your vendor signed. The mirror is damaged or hostile."
        )

    def block(self, block: Block, fetch: Callable[[int, BinaryIO], None]) -> bytes:
        """The compressed bytes of a block, taken in first if it is not here; arguments and errors as `take_in`."""
        self.take_in(block, fetch)
        return (self._blocks / block.sha256).read_bytes()

    def drop_blocks(self) -> None:
        """Forget all blocks: their contents have been taken out."""
        shutil.rmtree(self._blocks, ignore_errors=True)

    def usage(self) -> "Usage":
        """What the cache takes."""
        contents = [path.stat().st_size for path in self._files.glob("??/*")]
        blocks = self.block_bytes().values()
        return Usage(contents=len(contents), content_bytes=sum(contents), blocks=len(blocks), block_bytes=sum(blocks))

    def clear(self) -> int:
        """Remove everything; returns the bytes freed. What is installed and kept needs nothing of it."""
        freed = self.usage().block_bytes
        self.drop_blocks()
        return freed + self.keep_only(())

    def keep_only(self, wanted: Collection[str]) -> int:
        """Remove every content that is not `wanted`; returns the bytes freed."""
        freed = 0
        for path in self._files.glob("??/*"):
            if path.name not in wanted:
                freed += path.stat().st_size
                path.unlink()
        return freed


class Incoming:
    """A content on its way into the cache. It counts only once `finish` has found its digest right."""

    def __init__(self, path: Path, sha256: str) -> None:
        durable.make_private(path.parent)
        handle, name = tempfile.mkstemp(prefix=".in.", dir=path.parent)
        self._file = os.fdopen(handle, "wb")
        self._temporary = Path(name)
        self._path = path
        self._sha256 = sha256
        self._hash = hashlib.sha256()

    def write(self, piece: bytes | memoryview) -> None:
        """Take in the next bytes."""
        self._hash.update(piece)
        self._file.write(piece)

    def finish(self) -> None:
        """Take the content over. Raises `NotTrusted` (`bad-content`) if it is not what its name says."""
        self._file.close()
        if self._hash.hexdigest() != self._sha256:
            self._temporary.unlink()
            raise NotTrusted("bad-content", "A file of the release is not what your vendor signed, though its pack is.")
        self._temporary.replace(self._path)

    def abandon(self) -> None:
        """Let go of a content that will not be whole."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)
