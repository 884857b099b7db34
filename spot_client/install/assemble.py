"""Runs a plan into a staged tree, and says whether a tree still is what its manifest says.

Only files that the manifest names are written, only below the staged folder, which is new and SPOT's own. Every
content is hashed while it is copied; those that are not what they claim to be are told in one `Spoiled`, and the caller
plans again without those sources. Nothing is durable yet on return: the caller syncs the tree once, before the switch.
"""

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from spot_client.decide.plan import Plan
from spot_client.decide.states import state_links, tree_entries
from spot_client.errors import RefusedLocally
from spot_client.fetch.cache import CHUNK, Cache, Incoming
from spot_client.wire.manifest import Directory, Entry, File, Kind, Manifest, Symlink
from spot_client.wire.pack import Span, decode_block


class Spoiled(Exception):  # a signal between two modules, not an error that anyone sees
    """What was to be copied is not what it claimed to be: SHA-256 of each content, and where it lay."""

    def __init__(self, found: Mapping[str, Path]) -> None:
        super().__init__(", ".join(map(str, found.values())))
        self.found = found


def check_supported(manifest: Manifest) -> None:
    """Refuse what this SPOT would not do as the vendor meant it. Raises `RefusedLocally` (`unsupported`)."""
    if manifest.hooks:
        raise RefusedLocally(
            "unsupported",
            f"{manifest.product}/{manifest.component} {manifest.version} has hooks, which this version of SPOT does "
            "not run. Update SPOT first.",
        )


def unpack(plan: Plan, cache: Cache, read_block: Callable[[Span], bytes]) -> None:
    """Take every content that comes from the pack out of its blocks and into the cache.

    One block is in memory, and only contents that go on in the next one stay open, however many a block holds.

    Args:
        read_block: the verified compressed bytes of a block.

    Raises:
        NotTrusted: a content is not what the manifest says, though its block is.
    """
    begun: list[tuple[File, Incoming]] = []
    waiting = list(reversed(plan.unpack))
    try:
        while waiting and waiting[-1].size == 0:
            cache.begin(waiting.pop().sha256).finish()
        for span in plan.blocks:
            content = memoryview(decode_block(read_block(span), span.block))
            begun = [(file, incoming) for file, incoming in begun if not _take(file, incoming, span, content)]
            while waiting and waiting[-1].offset < span.offset + span.block.size:
                file = waiting.pop()
                begun.append((file, cache.begin(file.sha256)))
                if _take(*begun[-1], span, content):
                    begun.pop()
    finally:
        for _, incoming in begun:
            incoming.abandon()


def _take(file: File, incoming: Incoming, span: Span, content: memoryview) -> bool:
    """Take the part of a file that lies in a block; True if that was the last."""
    last = file.offset + file.size - span.offset
    incoming.write(content[max(file.offset - span.offset, 0) : last])
    if last > span.block.size:
        return False
    incoming.finish()
    return True


def build(manifest: Manifest, staged: Path, *, origin: Callable[[File], Path], advance: Callable[[int], None]) -> None:
    """Write the tree of a release into the empty folder `staged`, with links in place of its state.

    Args:
        origin: where the content of a file lies.
        advance: told the bytes of each file written.

    Raises:
        Spoiled: sources are not what they claimed to be; everything else is written.
    """
    folders: list[Directory] = []
    spoiled: dict[str, Path] = {}
    for entry in tree_entries(manifest):
        path = staged / entry.path
        if isinstance(entry, Directory):
            path.mkdir(mode=0o700)
            folders.append(entry)
        elif isinstance(entry, Symlink):
            path.symlink_to(entry.target)
        elif entry.sha256 not in spoiled:
            try:
                with path.open("xb") as sink:
                    fill(entry, origin(entry), sink)
                    os.fchmod(sink.fileno(), entry.mode)
                advance(entry.size)
            except Spoiled as error:
                path.unlink()
                spoiled |= error.found
    if spoiled:
        raise Spoiled(spoiled)
    for folder in reversed(folders):
        (staged / folder.path).chmod(folder.mode)


def damage(manifest: Manifest, tree: Path) -> Iterator[str]:
    """Paths of a tree that are not as the manifest says, lazily.

    Files that were added are not looked at. A configuration file may be changed, replaced by a link, or gone; a link
    to state may be gone, or what the product put in its place.
    """
    links = state_links(manifest)
    for entry in tree_entries(manifest):
        path = tree / entry.path
        lenient = entry.path in links or (isinstance(entry, File) and entry.kind is Kind.CONFIG)
        try:
            whole = _is_whole(entry, path, path.lstat(), lenient=lenient)
        except FileNotFoundError:
            whole = lenient
        except OSError:
            whole = False
        if not whole:
            yield entry.path


def fill(entry: File, origin: Path, sink: BinaryIO) -> None:
    """Copy the content of a file. Raises `Spoiled`: `origin` does not hold it; `sink` then holds something else."""
    digest = hashlib.sha256()
    left = entry.size
    try:
        source = io.FileIO(origin, opener=_open_plainly)
    except OSError as error:
        raise Spoiled({entry.sha256: origin}) from error
    with source:
        while piece := _read(source, min(CHUNK, left + 1), entry, origin):
            digest.update(piece)
            sink.write(piece)
            left -= len(piece)
            if left < 0:
                break
    if digest.hexdigest() != entry.sha256:
        raise Spoiled({entry.sha256: origin})


def _read(source: io.FileIO, size: int, entry: File, origin: Path) -> bytes:
    """A disk that cannot read a file any more is not a full one: its content comes from elsewhere."""
    try:
        return source.read(size)
    except OSError as error:
        raise Spoiled({entry.sha256: origin}) from error


def _is_whole(entry: Entry, path: Path, status: os.stat_result, *, lenient: bool) -> bool:
    kind = stat.S_IFMT(status.st_mode)
    if isinstance(entry, Directory):
        return kind == stat.S_IFDIR
    if isinstance(entry, Symlink):
        if kind != stat.S_IFLNK:
            return lenient
        return str(path.readlink()) == entry.target
    if lenient:
        return kind in {stat.S_IFREG, stat.S_IFLNK}
    if kind != stat.S_IFREG or stat.S_IMODE(status.st_mode) != entry.mode or status.st_size != entry.size:
        return False
    with io.FileIO(path, opener=_open_plainly) as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256


def _open_plainly(path: str, flags: int) -> int:
    """Follow no link, and wait for nobody at the other end of a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
