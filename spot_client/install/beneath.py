"""Files below a folder in which others may write, reached without following a link.

State, what is saved and the tree in use may belong to the product's own user, who may put links, pipes and folders
where files were. So every folder on a path is opened on its own, and no link is ever followed: a path of a manifest
never leads out of the folder it is relative to. Nothing here waits for anybody, and no file is copied further than it
reached when it was opened. What is written is durable on return and appears at once: `PART` first, then its name.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
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
            with _open(handle, name) as file:
                digest = hashlib.sha256()
                for piece in _pieces(file):
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


def put(
    root: Path,
    path: str,
    fill: Callable[[BinaryIO], object],
    *,
    mode: int,
    owner: tuple[int, int] | None = None,
    over: bool = False,
    make: int | None = None,
) -> bool:
    """Write a file at `path`; False if something is there already, which stays unless `over`.

    Args:
        fill: writes the content.
        owner: user and group; where they may not be given away, and by default, those of a new file in that folder:
            the folder's own if SPOT may give files away, so that a product can write what is laid for it.
        make: mode of folders that are missing above it; None: all are there.

    Raises:
        OSError, and what `fill` raises: nothing is there that was not there before.
    """
    folder, name = _split(path)
    with inside(root, folder, make=make) as handle:
        clear(handle)
        try:
            number = os.open(PART, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=handle)
            with os.fdopen(number, "wb") as sink:
                fill(sink)
                sink.flush()
                parent = os.fstat(handle)
                with contextlib.suppress(PermissionError):
                    os.fchown(number, *(owner or (parent.st_uid, parent.st_gid)))
                os.fchmod(number, mode)
                os.fsync(number)
            return _name(handle, name, over=over)
        finally:
            clear(handle)


def put_link(root: Path, path: str, target: str, *, over: bool = False, make: int | None = None) -> bool:
    """Make a symbolic link at `path`; arguments, answer and errors as `put`."""
    folder, name = _split(path)
    with inside(root, folder, make=make) as handle:
        clear(handle)
        try:
            os.symlink(target, PART, dir_fd=handle)
            return _name(handle, name, over=over)
        finally:
            clear(handle)


def copy(origin: Path, path: str, root: Path, place: str, *, over: bool = False, make: int | None = None) -> bool:
    """Copy a file or link from `path` below `origin`, with its mode and, where possible, its owner; else as `put`.

    Raises:
        OSError: also `EINVAL`: it is neither file nor link.
    """
    folder, name = _split(path)
    with inside(origin, folder) as handle:
        status = os.stat(name, dir_fd=handle, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            return put_link(root, place, os.readlink(name, dir_fd=handle), over=over, make=make)
        with _open(handle, name) as file:
            owner, mode = (status.st_uid, status.st_gid), status.st_mode & 0o777
            return put(root, place, lambda sink: _copy(file, sink), mode=mode, owner=owner, over=over, make=make)


def put_folder(root: Path, path: str, mode: int, *, owner: tuple[int, int] | None = None) -> bool:
    """Make a folder at `path`, below folders that are there; arguments, answer and errors as `put`."""
    folder, name = _split(path)
    with inside(root, folder) as handle:
        try:
            os.mkdir(name, 0o700, dir_fd=handle)
        except FileExistsError:
            return False
        with inside(root, path) as made:
            parent = os.fstat(handle)
            with contextlib.suppress(PermissionError):
                os.fchown(made, *(owner or (parent.st_uid, parent.st_gid)))
            os.fchmod(made, mode)
        os.fsync(handle)
    return True


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


def _name(handle: int, name: str, *, over: bool) -> bool:
    if over:
        os.rename(PART, name, src_dir_fd=handle, dst_dir_fd=handle)
    else:
        try:
            os.link(PART, name, src_dir_fd=handle, dst_dir_fd=handle, follow_symlinks=False)
        except FileExistsError:
            return False
    os.fsync(handle)
    return True


def _open(handle: int, name: str) -> BinaryIO:
    number = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "Not a regular file", name)
    return os.fdopen(number, "rb")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """The content as long as it was when this began: a file that grows does not keep us."""
    left = os.fstat(file.fileno()).st_size
    while left and (piece := file.read(min(_CHUNK, left))):
        left -= len(piece)
        yield piece


def _copy(file: BinaryIO, sink: BinaryIO) -> None:
    sink.writelines(_pieces(file))
