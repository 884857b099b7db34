"""Runs a plan into a staged tree, and says whether a tree still is what its manifest says.

Only files that the manifest names are written, only below the staged folder, which is new and SPOT's own. Every
content is hashed while it is copied; one that is not what it claims to be raises `Spoiled`, and the caller plans again
without that source. Nothing is durable yet on return: the caller syncs the tree once, before the switch.
"""

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from spot_client.decide.plan import FromTree, Plan
from spot_client.errors import RefusedLocally
from spot_client.fetch.cache import CHUNK, Cache, Incoming
from spot_client.wire.manifest import Directory, File, Kind, Manifest, Symlink
from spot_client.wire.pack import Span, decode_block


class Spoiled(Exception):  # a signal between two modules, not an error that anyone sees
    """What was to be copied is not what it claimed to be; `sha256` is the content, `path` where it lay."""

    def __init__(self, sha256: str, path: Path) -> None:
        super().__init__(str(path))
        self.sha256 = sha256
        self.path = path


def check_supported(manifest: Manifest) -> None:
    """Refuse what this SPOT would not do as the vendor meant it. Raises `RefusedLocally` (`unsupported`)."""
    if manifest.hooks or any(file.kind is not Kind.FILE for file in manifest.files):
        raise RefusedLocally(
            "unsupported",
            f"{manifest.product}/{manifest.component} {manifest.version} has hooks, configuration or state files, "
            "which this version of SPOT does not handle. Update SPOT first.",
        )


def unpack(plan: Plan, cache: Cache, read_block: Callable[[Span], bytes]) -> None:
    """Take every content that comes from the pack out of its blocks and into the cache, holding one block in memory.

    Args:
        read_block: the verified compressed bytes of a block.

    Raises:
        NotTrusted: a content is not what the manifest says, though its block is.
    """
    open_files: list[tuple[File, Incoming]] = []
    waiting = list(reversed(plan.unpack))
    try:
        for file in [file for file in waiting if file.size == 0]:
            cache.begin(file.sha256).finish()
        waiting = [file for file in waiting if file.size]
        for span in plan.blocks:
            content = memoryview(decode_block(read_block(span), span.block))
            end = span.offset + span.block.size
            while waiting and waiting[-1].offset < end:
                file = waiting.pop()
                open_files.append((file, cache.begin(file.sha256)))
            for file, incoming in open_files:
                first = max(file.offset, span.offset) - span.offset
                incoming.write(content[first : min(file.offset + file.size, end) - span.offset])
                if file.offset + file.size <= end:
                    incoming.finish()
            open_files = [(file, incoming) for file, incoming in open_files if file.offset + file.size > end]
    finally:
        for _, incoming in open_files:
            incoming.abandon()


def build(
    manifest: Manifest, plan: Plan, staged: Path, *, cache: Cache, root: Path, advance: Callable[[int], None]
) -> None:
    """Write the tree of a release into the empty folder `staged`.

    Args:
        root: what the paths of installed files in the plan are relative to.
        advance: told the bytes of each file written.

    Raises:
        Spoiled: a source is not what it claimed to be.
    """
    folders = [entry for entry in manifest.entries if isinstance(entry, Directory)]
    for folder in folders:
        (staged / folder.path).mkdir(mode=0o700)
    for entry in manifest.entries:
        if isinstance(entry, Symlink):
            (staged / entry.path).symlink_to(entry.target)
        elif isinstance(entry, File):
            source = plan.sources[entry.sha256]
            origin = root / source.path if isinstance(source, FromTree) else cache.path(entry.sha256)
            _copy(origin, staged / entry.path, entry)
            advance(entry.size)
    for folder in reversed(folders):
        (staged / folder.path).chmod(folder.mode)


def damage(manifest: Manifest, tree: Path) -> Iterable[str]:
    """Paths of a tree that are not as the manifest says, lazily. Files that were added are not looked at."""
    for entry in manifest.entries:
        path = tree / entry.path
        try:
            status = path.lstat()
            if isinstance(entry, Directory):
                whole = stat.S_ISDIR(status.st_mode)
            elif isinstance(entry, Symlink):
                whole = stat.S_ISLNK(status.st_mode) and str(path.readlink()) == entry.target
            else:
                whole = stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == entry.mode
                whole = whole and status.st_size == entry.size and _hash(path) == entry.sha256
        except OSError:
            whole = False
        if not whole:
            yield entry.path


def _copy(origin: Path, target: Path, entry: File) -> None:
    digest = hashlib.sha256()
    left = entry.size
    try:
        source = io.FileIO(origin, opener=_open_plainly)
    except OSError as error:
        raise Spoiled(entry.sha256, origin) from error
    with source, target.open("xb", buffering=0) as sink:
        while piece := source.read(min(CHUNK, left + 1)):
            digest.update(piece)
            sink.write(piece)
            left -= len(piece)
            if left < 0:
                break
        os.fchmod(sink.fileno(), entry.mode)
    if digest.hexdigest() != entry.sha256:
        target.unlink()
        raise Spoiled(entry.sha256, origin)


def _open_plainly(path: str, flags: int) -> int:
    """Follow no link, and wait for nobody at the other end of a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
