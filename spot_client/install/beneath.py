"""Files below a folder in which others may write, reached without following a link.

State, what is saved and the tree in use may belong to the product's own user, who may put links, pipes and folders
where files were. So every folder on a path is opened on its own, and no link is ever followed: a path of a manifest
never leads out of the folder it is relative to. Nothing here waits for anybody, and no file is read further than it
reached when it was opened. `laying` writes there.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from spot_client.decide.configs import Found, Link, Odd, Regular

PART: Final = ".part.spot-new.spot-new"
"""What is being written in a folder. No entry of a release may end so, nor what is laid beside one."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_CHUNK = 2**20
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


@contextmanager
def inside(root: Path, path: str, *, make: int | None = None) -> Iterator[int]:
    """The folder `path` ("" for `root` itself), as a descriptor; missing ones get the mode `make`.

    Raises:
        NotADirectoryError: a link or file stands on the way.
        OSError: the folder is missing, ...
    """
    handle = os.open(root, _FOLDER)
    try:
        for name in path.split("/") if path else ():
            if make is not None:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, make, dir_fd=handle)
                    os.fsync(handle)
            following = os.open(name, _FOLDER, dir_fd=handle)
            os.close(handle)
            handle = following
        yield handle
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root / path)) from error
        raise
    finally:
        os.close(handle)


def look(root: Path, path: str, *, max_bytes: int | None = None) -> Found:
    """What lies at `path`; a file of more than `max_bytes` is odd. Raises OSError."""
    folder, name = _split(path)
    try:
        with inside(root, folder) as handle:
            status = os.stat(name, dir_fd=handle, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                return Link(os.readlink(name, dir_fd=handle))
            if not stat.S_ISREG(status.st_mode):
                return Odd(_KINDS.get(stat.S_IFMT(status.st_mode), "a device"))
            if max_bytes is not None and status.st_size > max_bytes:
                return Odd(f"a file of more than {max_bytes // 2**20} MiB")
            digest = hashlib.sha256()
            for piece in pieces(handle, name):
                digest.update(piece)
            return Regular(digest.hexdigest())
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return Odd("behind a link or a file")


def status(root: Path, path: str) -> os.stat_result | None:
    """Of what lies at `path` itself; None if nothing does, or something else is in the way to it. Raises OSError."""
    folder, name = _split(path)
    try:
        with inside(root, folder) as handle:
            return os.stat(name or ".", dir_fd=handle, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def there(root: Path, path: str) -> bool:
    """Whether anything lies at `path`, or stands in the way to it. Raises OSError."""
    folder, name = _split(path)
    try:
        with inside(root, folder) as handle:
            os.stat(name, dir_fd=handle, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        pass
    return True


def pieces(handle: int, name: str) -> Iterator[bytes]:
    """The content of a file in the folder `handle`, as long as it was when this began: one that grows does not keep us.

    Raises:
        OSError: also `EINVAL`: it is no file.
    """
    with _open(handle, name) as file:
        left = os.fstat(file.fileno()).st_size
        while left and (piece := file.read(min(_CHUNK, left))):
            left -= len(piece)
            yield piece


def folders(root: Path, path: str) -> Iterator[str]:
    """The folder at `path` and all folders below it, by their paths. Raises OSError."""
    ahead = [path]
    while ahead:
        folder = ahead.pop()
        yield folder
        with inside(root, folder) as handle, os.scandir(handle) as found:
            ahead += [f"{folder}/{one.name}" for one in found if one.is_dir(follow_symlinks=False)]


def contents(root: Path, path: str) -> Iterator[str]:
    """Paths of the files and links below the folder at `path`. Raises OSError.

    Pipes, sockets and devices are left out: they hold nothing.
    """
    for folder in folders(root, path):
        with inside(root, folder) as handle, os.scandir(handle) as found:
            names = sorted(one.name for one in found if one.is_symlink() or one.is_file(follow_symlinks=False))
        yield from (f"{folder}/{name}" for name in names)


def clear(handle: int) -> None:
    """Remove what a killed run was writing in the folder `handle`."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(PART, dir_fd=handle, follow_symlinks=False).st_mode):
            shutil.rmtree(PART, dir_fd=handle)
        else:
            os.unlink(PART, dir_fd=handle)


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _open(handle: int, name: str) -> BinaryIO:
    number = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "Not a regular file", name)
    return os.fdopen(number, "rb")
