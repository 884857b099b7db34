"""A folder, or one file, as a source: read from where it lies, never through a link that came in its place."""

import errno
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from mirror.errors import SourceError
from mirror.publishing import tree
from mirror.publishing.tree import SourceEntry, SourceFile, SourceFolder, SourceLink


def walk(top: Path) -> Iterator[SourceEntry]:
    """All that lies below the folder `top`.

    Raises:
        SourceError: reason `unreadable` or `special-file`.
    """
    folders = [(top, "")]
    while folders:
        folder, prefix = folders.pop()
        try:
            with os.scandir(folder) as found:
                for item in found:
                    entry = _found(item, prefix + item.name)
                    if isinstance(entry, SourceFolder):
                        folders.append((folder / item.name, f"{entry.path}/"))
                    yield entry
        except OSError as error:
            raise unreadable(error.filename, error) from error


def single(source: Path) -> SourceFile:
    """The file `source` as the one entry of a tree, under its own name.

    Raises:
        SourceError: reason `unreadable` or `special-file`.
    """
    try:
        status = source.stat()
        place = str(source.resolve(strict=True))
    except OSError as error:
        raise unreadable(source, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise tree.special(str(source))
    return _file(source.name, place, status)


def unreadable(path: str | Path, error: OSError) -> SourceError:
    """The refusal of a source that the system does not let us read."""
    sentence = f"{str(path)!r} cannot be read: {error.strerror}."
    if (
        error.errno == errno.EACCES
    ):  # often it is a folder above: a home or /root, where the mirror's user stands outside
        sentence += " The user who publishes must be able to read all of SOURCE, and to enter every folder above it."
    return SourceError("unreadable", sentence)


def exactly(file: IO[bytes], size: int, refusal: SourceError) -> Iterator[bytes]:
    """The content of `file`, in chunks; raises `refusal` unless it has `size` bytes, neither fewer nor more."""
    left = size
    while chunk := file.read(min(tree.CHUNK, left + 1)):
        left -= len(chunk)
        yield chunk
    if left:
        raise refusal


def _found(item: os.DirEntry[str], path: str) -> SourceEntry:
    status = item.stat(follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        return SourceFolder(path)
    if stat.S_ISLNK(status.st_mode):
        return SourceLink(path, str(Path(item.path).readlink()))
    if stat.S_ISREG(status.st_mode):
        return _file(path, item.path, status)
    raise tree.special(path)


def _file(path: str, place: str, status: os.stat_result) -> SourceFile:
    return SourceFile(
        path, bool(status.st_mode & stat.S_IXUSR), status.st_size, partial(_read_file, place, status.st_size)
    )


def _read_file(path: str, size: int) -> Iterator[bytes]:
    """Read what was listed as a regular file; neither followed nor waited for if it is another thing by now."""
    refusal = SourceError("changed", f"{path!r} changed while it was read: publish a source that stands still.")
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise refusal
            yield from exactly(file, size, refusal)
    except OSError as error:
        raise unreadable(path, error) from error
