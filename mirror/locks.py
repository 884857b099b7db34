"""A lock file that names its holder.

It lies where the process that serves may write: a link in its place leads nobody to another file.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ca.files import open_ordinary
from mirror.blobs import make_folder
from mirror.errors import Busy


@contextmanager
def locked(path: Path, what: str, *, seconds: float = 0) -> Iterator[None]:
    """Hold the lock file `path`; `what` says what its holder does.

    Args:
        seconds: how long to wait for another process.

    Raises:
        Busy: another process holds it still.
        OSError: it cannot be written, or is no file of its own: a link, a pipe, or one file under two names.
    """
    make_folder(path.parent)
    lock = FileLock(path, timeout=seconds, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy("busy", f"Process {_holder(path)} is {what} here: wait until it is done.") from error
    try:
        _sign(path)
        yield
    finally:
        lock.release()


def _sign(path: Path) -> None:
    """Write our process id into the lock, and into nothing else: O_TRUNC would empty what it turns out to be."""
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not an ordinary file", str(path))
        if found.st_nlink > 1:
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK), str(path))
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    try:
        with open_ordinary(path) as file:
            text = file.read(20)
    except OSError:
        text = b""
    return text.decode() if text.isdigit() else "unknown"


@contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder that need not be written to; `what` says what its holder does.

    Raises:
        Busy: another process holds it.
        OSError: it is not there.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy("busy", f"Another process is {what} with {folder} already: stop that one first.") from error
        yield
    finally:
        os.close(handle)
