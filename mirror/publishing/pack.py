"""Tree → the entries of a manifest, and the pack: a release's content as one stream, cut into compressed blocks.

Two passes over the source, so that a release is never held in memory. The first takes each file's SHA-256 and gives
it a place in the stream; equal contents have one place. The second writes the stream, and every file has to be what it
was in the first. Similar files are neighbours (by extension, then name), which is what makes blocks compress well.
The same tree always gives the same entries; the same level and zstd the same pack, byte for byte.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import msgspec

from mirror.errors import SourceError
from mirror.publishing.native import is_native
from mirror.publishing.tree import FOLDER_MODE, Form, Progress, SourceFile, SourceFolder, SourceLink, Tree
from spot_client.wire import manifest, pack
from spot_client.wire.manifest import Block, Entry

_HEAD_BYTES = 2**16


class Layout(msgspec.Struct, frozen=True):
    """The entries of a manifest, and the files whose contents are the stream, in order, with their SHA-256.

    `native`: the paths of machine code of one system. `form`: what the source was read as.
    """

    entries: tuple[Entry, ...]
    stream: tuple[tuple[SourceFile, str], ...]
    native: tuple[str, ...]
    form: Form

    @property
    def size(self) -> int:
        """Bytes of the stream."""
        return sum(file.size for file, _ in self.stream)


def lay_out(tree: Tree, progress: Progress) -> Layout:
    """Read every file once, and give each content its place.

    Raises:
        SourceError: a file cannot be read as it was listed.
    """
    total, done, end = tree.size, 0, 0
    places: dict[str, int] = {}
    lines: dict[str, manifest.File] = {}
    stream: list[tuple[SourceFile, str]] = []
    native = []
    for file in sorted(tree.files, key=_neighbours):
        digest, head = _digest(file)
        if is_native(head):
            native.append(file.path)
        if file.size and digest not in places:
            places[digest] = end
            end += file.size
            stream.append((file, digest))
        lines[file.path] = manifest.File(file.path, file.mode, file.size, digest, places.get(digest, 0), file.kind)
        done += file.size
        progress("reading", done, total)
    return Layout(tuple(_entries(tree, lines)), tuple(stream), tuple(sorted(native)), tree.form)


def write(layout: Layout, target: Path, *, level: int, workers: int, progress: Progress) -> tuple[Block, ...]:
    """Write the pack to the new file `target`; `workers` blocks are compressed at once. Returns its blocks.

    Raises:
        SourceError: reason `changed`, or a file cannot be read any more.
        OSError: the pack cannot be written.
    """
    blocks = []
    done, total = 0, layout.size
    with target.open("xb") as file:
        for packed, block in _compressed(pack.cut(_contents(layout)), level, workers):
            file.write(packed)
            blocks.append(block)
            done += block.size
            progress("packing", done, total)
    return tuple(blocks)


def _neighbours(file: SourceFile) -> tuple[str, str, str]:
    path = PurePosixPath(file.path)
    return path.suffix, path.name, file.path


def _digest(file: SourceFile) -> tuple[str, bytes]:
    """The SHA-256 of a file, and how it begins."""
    sha256 = hashlib.sha256()
    head = b""
    for chunk in file.read():
        sha256.update(chunk)
        head = head or chunk[:_HEAD_BYTES]
    return sha256.hexdigest(), head


def _entries(tree: Tree, lines: dict[str, manifest.File]) -> Iterator[Entry]:
    for entry in tree.entries:
        match entry:
            case SourceFolder(path):
                yield manifest.Directory(path, FOLDER_MODE)
            case SourceLink(path, target):
                yield manifest.Symlink(path, target)
            case SourceFile(path):
                yield lines[path]


def _contents(layout: Layout) -> Iterator[bytes]:
    for file, digest in layout.stream:
        sha256 = hashlib.sha256()
        for chunk in file.read():
            sha256.update(chunk)
            yield chunk
        if sha256.hexdigest() != digest:
            raise SourceError(
                "changed", f"{file.path!r} changed while it was published: publish a source that stands still."
            )


def _compressed(pieces: Iterable[bytes], level: int, workers: int) -> Iterator[tuple[bytes, Block]]:
    """Compress in threads (zstd lets go of the interpreter), in order, never more than `workers` + 1 pieces at once."""
    waiting: deque[Future[tuple[bytes, Block]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for piece in pieces:
            waiting.append(pool.submit(pack.encode_block, piece, level=level))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
