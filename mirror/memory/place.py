"""Where the memory lies: a folder of its own, ours alone, for as long as one process holds it.

On /dev/shm, where that is memory with room in it; else in the data folder. Whoever holds a folder holds a lock on it,
so what a killed process left is known, and removed by the next that starts. Nothing in it is worth keeping.
"""

import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import lmdb

from mirror.errors import MemoryFault
from mirror.memory.layout import TABLES

SHARED: Final = Path("/dev/shm")  # noqa: S108  of each of our folders there, we are the owner, and nobody else may look
_PREFIX: Final = "spot-mirror-memory-"
_ROOM_WANTED: Final = 512 * 2**20
_MAP_BYTES: Final = 16 * 2**30  # of addresses; only what is written takes memory
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_MAX_READERS: Final = 4096  # transactions that are open at once, in all processes


class Opened(NamedTuple):
    """The memory, open, and its tables by name."""

    environment: lmdb.Environment
    tables: "dict[str, lmdb._Database]"


class Place:
    """A folder that is held until `remove`."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder, self._lock = folder, lock

    def remove(self) -> None:
        """Remove it with all that is in it; those who still read go on until they end."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)


def take(spare: Path, shared: Path = SHARED) -> Place:
    """Make a fresh folder, and remove what dead processes left.

    Args:
        spare: where it is made if `shared` is no memory, or has no 512 MiB to spare; made if it is missing.

    Raises:
        MemoryFault: reason `memory-unusable`.
    """
    try:
        for parent in (shared, spare):
            _sweep(parent)
        parent = shared if _is_roomy_memory(shared) else spare
        parent.mkdir(mode=0o700, exist_ok=True)
        while True:  # another one that starts may sweep a new folder away before it is held
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            lock = _hold(folder)
            if lock is not None:
                return Place(folder, lock)
    except OSError as error:
        raise _unusable(error) from error


def open_to_fill(folder: Path) -> Opened:
    """Open the memory in a fresh folder. One process does so; within it, readers share what this returns.

    Raises:
        MemoryFault: reason `memory-full` or `memory-unusable`.
    """
    return _open(folder, readonly=False)


def open_to_read(folder: Path) -> Opened:
    """Open the memory that another process fills. Raises MemoryFault: reason `memory-unusable`."""
    return _open(folder, readonly=True)


@contextmanager
def faults() -> Iterator[None]:
    """Around calls of LMDB. Raises MemoryFault: reason `memory-full` or `memory-unusable`."""
    try:
        yield
    except lmdb.Error as error:
        if not isinstance(error, lmdb.MapFullError) and getattr(error, "code", None) not in _NO_ROOM:
            raise _unusable(error) from error
        raise MemoryFault(
            "memory-full",
            "There is no room left for what the mirror knows; what it knew before goes on to hold. Make room on "
            f"{SHARED} or the disk of the data folder.",
        ) from error


def _unusable(error: Exception) -> MemoryFault:
    return MemoryFault("memory-unusable", f"The memory that the mirror's processes share cannot be used: {error}.")


def _open(folder: Path, *, readonly: bool) -> Opened:
    # Not mapped for writing: on a full disk that would end the process, where a call of the system fails.
    with faults():
        environment = lmdb.open(
            str(folder),
            map_size=_MAP_BYTES,
            mode=0o600,
            max_readers=_MAX_READERS,
            max_dbs=len(TABLES),
            readonly=readonly,
            create=not readonly,
            readahead=False,
            sync=False,
            metasync=False,
        )
        try:
            handles = {table: environment.open_db(table.encode(), create=not readonly) for table in TABLES}
        except BaseException:
            environment.close()
            raise
        return Opened(environment, handles)


def _is_roomy_memory(shared: Path) -> bool:
    if not os.access(shared, os.W_OK | os.X_OK):
        return False
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines())
    if [str(shared), "tmpfs"] not in [fields[1:3] for fields in mounts]:
        return False
    room = os.statvfs(shared)
    return room.f_bavail * room.f_frsize >= _ROOM_WANTED


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        lock = _hold(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _hold(folder: Path) -> int | None:
    """Lock a folder of ours; None if another process holds it, it is not ours, or it is gone."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        status = os.fstat(lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        there = folder.lstat()
    except OSError:
        os.close(lock)
        return None
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) != 0o700 or there.st_ino != status.st_ino:
        os.close(lock)
        return None
    return lock
