"""Files, links and folders laid below a folder in which others may write, reached as `beneath` reaches them.

What is written is durable on return and appears at once: `PART` first, then its name.
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from spot_client.install import beneath


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
    with beneath.inside(root, folder, make=make) as handle:
        beneath.clear(handle)
        try:
            number = os.open(beneath.PART, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=handle)
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
            beneath.clear(handle)


def put_link(root: Path, path: str, target: str, *, over: bool = False, make: int | None = None) -> bool:
    """Make a symbolic link at `path`; arguments, answer and errors as `put`."""
    folder, name = _split(path)
    with beneath.inside(root, folder, make=make) as handle:
        beneath.clear(handle)
        try:
            os.symlink(target, beneath.PART, dir_fd=handle)
            return _name(handle, name, over=over)
        finally:
            beneath.clear(handle)


def copy(origin: Path, path: str, root: Path, place: str, *, over: bool = False, make: int | None = None) -> bool:
    """Copy a file or link from `path` below `origin`, with its mode and, where possible, its owner; else as `put`.

    Raises:
        OSError: also `EINVAL`: it is neither file nor link.
    """
    folder, name = _split(path)
    with beneath.inside(origin, folder) as handle:
        status = os.stat(name, dir_fd=handle, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            return put_link(root, place, os.readlink(name, dir_fd=handle), over=over, make=make)
        owner, mode = (status.st_uid, status.st_gid), status.st_mode & 0o777
        content = beneath.pieces(handle, name)
        return put(root, place, lambda sink: sink.writelines(content), mode=mode, owner=owner, over=over, make=make)


def put_folder(root: Path, path: str, mode: int, *, owner: tuple[int, int] | None = None) -> bool:
    """Make a folder at `path`, below folders that are there; arguments, answer and errors as `put`."""
    folder, name = _split(path)
    with beneath.inside(root, folder) as handle:
        try:
            os.mkdir(name, 0o700, dir_fd=handle)
        except FileExistsError:
            return False
        with beneath.inside(root, path) as made:
            parent = os.fstat(handle)
            with contextlib.suppress(PermissionError):
                os.fchown(made, *(owner or (parent.st_uid, parent.st_gid)))
            os.fchmod(made, mode)
        os.fsync(handle)
    return True


def move(root: Path, path: str, target: Path, place: str, *, make: int) -> None:
    """Move what lies at `path` below `root` to `place` below `target`, on the same disk; a file there is replaced.

    make: mode of folders that are missing above it. Raises OSError.
    """
    folder, name = _split(path)
    parent, new = _split(place)
    target.mkdir(mode=make, exist_ok=True)
    with beneath.inside(root, folder) as origin, beneath.inside(target, parent, make=make) as handle:
        os.rename(name, new, src_dir_fd=origin, dst_dir_fd=handle)
        os.fsync(handle)
        os.fsync(origin)


def remove(root: Path, path: str) -> None:
    """Remove what lies at `path`, a folder with all that is in it. Raises OSError: some of it stays."""
    folder, name = _split(path)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), beneath.inside(root, folder) as handle:
        if stat.S_ISDIR(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=handle)
        else:
            os.unlink(name, dir_fd=handle)
        os.fsync(handle)


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _name(handle: int, name: str, *, over: bool) -> bool:
    if over:
        os.rename(beneath.PART, name, src_dir_fd=handle, dst_dir_fd=handle)
    else:
        try:
            os.link(beneath.PART, name, src_dir_fd=handle, dst_dir_fd=handle, follow_symlinks=False)
        except FileExistsError:
            return False
    os.fsync(handle)
    return True
