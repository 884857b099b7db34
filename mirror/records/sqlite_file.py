"""One SQLite file, shared by threads and processes: how it is made, opened, locked, and what its errors mean.

- It comes into being whole: built under another name, then renamed. Readable by its owner only.
- One connection reads and one writes, each used by one thread at a time: a write that waits holds up no reader.
- A write takes the file's one write lock at its beginning (BEGIN IMMEDIATE), so it never fails halfway for want of it,
  and is on the disk when it ends (synchronous=FULL). It waits for other threads and processes so long, and no longer.
- A lock file is held while the file is made, migrated or put into WAL mode, which SQLite itself does not order.

Not for use across a fork: open it in the process that uses it.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from filelock import FileLock, Timeout

from ca.files import sync_folder
from mirror.errors import NotThere, StoreFault
from mirror.records.schema import migrate

_LOCKED: Final = ("locked", "another process is writing for long; try again when it is done")
_DAMAGED: Final = ("damaged", "the file is damaged; stop the mirror and restore it from a backup")
_FAULTS: Final = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_CONSTRAINT: _DAMAGED,  # of ours none is ever tried: an index and its table differ
    sqlite3.SQLITE_MISMATCH: _DAMAGED,
    sqlite3.SQLITE_NOTADB: ("damaged", "the file is no database; restore it from a backup"),
    sqlite3.SQLITE_ERROR: ("damaged", "the file does not hold the tables of the records; restore it from a backup"),
    sqlite3.SQLITE_FULL: ("no-space", "the disk is full; make room and try again"),
    sqlite3.SQLITE_READONLY: ("no-permission", "the file cannot be written; run as its owner, on a writable disk"),
    sqlite3.SQLITE_PERM: ("no-permission", "the file cannot be opened; run as its owner"),
    sqlite3.SQLITE_CANTOPEN: ("no-permission", "the file cannot be opened; run as its owner"),
}


class SqliteFile:
    """An open file; `open_file` makes one."""

    def __init__(self, path: Path, reader: sqlite3.Connection, writer: sqlite3.Connection, wait_seconds: float) -> None:
        self._path, self._wait_seconds = path, wait_seconds
        self._reader, self._read_lock = reader, Lock()
        self._writer, self._write_lock = writer, Lock()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection for one SELECT; fetch all of it inside. Raises `StoreFault`."""
        with self._read_lock, _faults(self._path):
            yield self._reader

    @contextmanager
    def writing(self, *, wipe: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction, alone among all writers: durable after the block, undone if it raises.

        `wipe`: what is deleted is overwritten with zeros, and references are not checked: SQLite would read all of the
        history once for every content that goes. Raises `StoreFault`.
        """
        with self._turn() as left, _faults(self._path):
            self._writer.execute(f"PRAGMA busy_timeout = {left * 1000:.0f}")
            if wipe:
                self._writer.execute("PRAGMA secure_delete = ON")
                self._writer.execute("PRAGMA foreign_keys = OFF")  # works outside a transaction only
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                if wipe:
                    self._writer.execute("PRAGMA foreign_keys = ON")

    def close(self) -> None:
        """Let go of the file, once running calls have ended."""
        with self._read_lock:
            self._reader.close()
        with self._write_lock:
            self._writer.close()

    @contextmanager
    def _turn(self) -> Iterator[float]:
        """This thread's turn to write; the seconds that it may still wait for other processes.

        Else, while one holds the lock, every thread would wait for it anew, one after the other.
        """
        end = time.monotonic() + self._wait_seconds
        if not self._write_lock.acquire(timeout=self._wait_seconds):
            raise _fault(self._path, *_LOCKED)
        try:
            yield max(0.0, end - time.monotonic())
        finally:
            self._write_lock.release()


def open_file(path: Path, *, create: bool, wait_seconds: float) -> SqliteFile:
    """Open a file of records, and bring it up to date.

    Args:
        create: make it if there is none.
        wait_seconds: how long a call waits for other processes before it fails with `locked`.

    Raises:
        NotThere: reason `no-store`.
        StoreFault: reason `locked`, `damaged`, `newer`, `no-space`, `no-permission` or `unusable`.
        OSError: its folder is missing or cannot be written.
    """
    if not create and not path.exists():
        hint = "run 'spot-mirror init' first, or 'restore' a backup."
        raise NotThere("no-store", f"There are no records at {path}: {hint}")
    if path.exists() and not path.is_file():
        raise _fault(
            path, "unusable", "something else lies in their place; move it away, and restore them from a backup"
        )
    try:
        with _faults(path), FileLock(f"{path}.lock", timeout=wait_seconds, mode=0o600):
            if not path.exists():
                _build(path, wait_seconds)
            writer = _connect(path, wait_seconds)
            try:
                migrate(writer, new=False)
                reader = _connect(path, wait_seconds, "query_only = ON")
            except BaseException:
                writer.close()
                raise
    except Timeout as error:
        raise StoreFault("locked", f"The records {path} are being opened by another process: try again.") from error
    return SqliteFile(path, reader, writer, wait_seconds)


def _build(path: Path, wait_seconds: float) -> None:
    if Path(f"{path}-wal").exists():  # SQLite would play it into the new file
        raise StoreFault(
            "damaged", f"The records {path} are gone, but not {path.name}-wal: restore both from a backup."
        )
    part = path.with_name(f".{path.name}.part")
    for leftover in (part, Path(f"{part}-wal"), Path(f"{part}-shm")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    connection = _connect(part, wait_seconds)
    try:
        migrate(connection, new=True)
    finally:
        connection.close()
    part.rename(path)
    sync_folder(path.parent)


def _connect(path: Path, wait_seconds: float, *more: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",  # never made by accident
        uri=True,
        timeout=wait_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for setting in (
            "foreign_keys = ON",
            "synchronous = FULL",
            "trusted_schema = OFF",
            "cell_size_check = ON",
            *more,
        ):
            connection.execute(f"PRAGMA {setting}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None and isinstance(error, sqlite3.OperationalError):  # a value is text, and not UTF-8
            raise _fault(path, *_DAMAGED) from error
        if code is None:  # raised by Python's module: a mistake of ours, not of the file
            raise
        reason, sentence = _FAULTS.get(code & 0xFF, ("unusable", f"{error}; check the disk, and the system's log"))
        raise _fault(path, reason, sentence) from error
    except UnicodeDecodeError as error:  # Python's module reads SQLite's own message, which quotes the file
        raise _fault(path, *_DAMAGED) from error


def _fault(path: Path, reason: str, sentence: str) -> StoreFault:
    return StoreFault(reason, f"The records {path} cannot be used: {sentence}.")
