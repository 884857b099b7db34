"""A lock file that names its holder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mirror.blobs import make_folder
from mirror.errors import Busy


@contextmanager
def locked(path: Path, what: str, *, seconds: float = 0) -> Iterator[None]:
    """Hold the lock file `path`; `what` says what its holder does.

    Args:
        seconds: how long to wait for another process.

    Raises:
        Busy: another process holds it still.
    """
    make_folder(path.parent)
    lock = FileLock(path, timeout=seconds, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy("busy", f"Process {_holder(path)} is {what} here: wait until it is done.") from error
    try:
        path.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        lock.release()


def _holder(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii")[:20]
    except (OSError, UnicodeDecodeError):
        text = ""
    return text if text.isdigit() else "unknown"


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
