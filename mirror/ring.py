"""A ring of records in shared memory: one process appends, another takes, and neither waits for the other.

The memory is a file, so what was appended outlives its writer, however that ends: `append` returns True once the
record is in pages that belong to the file, and no system call or buffer of the process stands in between. It lasts as
long as its file system: choose one in memory. On a disk, a store waits for the journal now and then, and one that
turned read-only kills the writer (SIGBUS).

The file: a page with a magic word, the size of the ring, and two counters that only grow, each the whole number of
bytes ever appended (the writer's) or freed (the reader's); then the ring. A record is its length, the CRC-32 of its
position and bytes, the bytes, and padding to 8 bytes; one that reaches the end goes on at the start.

What is relied on: an aligned store of 8 bytes is one store (a memoryview of format "Q" makes one), and stores of one
process become visible in their order. x86 promises both. ARM may show the counter before the bytes; then the CRC,
which also tells a record from one that lay there a lap ago, says so, and the reader looks again later. A kill needs
no such promise: a record is complete before its counter is, or was never there.
"""

import fcntl
import mmap
import os
import stat
import struct
import zlib
from pathlib import Path
from typing import Final

SIZE: Final = 8 * 2**20
"""Bytes of a ring: 20,000 audit lines of 400 bytes."""
SUFFIX: Final = ".ring"

_MAGIC: Final = int.from_bytes(b"spotring", "little")
_PAGE: Final = 4096
_WORD: Final = 8
_CHECK, _SIZE, _APPENDED, _FREED = 0, 1, 8, 16  # words of the first page; the counters on cache lines of their own
_MAX_SIZE: Final = 2**30
_HEAD: Final = struct.Struct("=II")
_LOW: Final = 2**32 - 1
_FLAGS: Final = mmap.MAP_SHARED | mmap.MAP_POPULATE  # it is all there: a process should not seem to grow into it


class RingWriter:
    """Makes a ring and appends to it. One thread."""

    def __init__(self, path: Path, size: int = SIZE) -> None:
        """Make the ring file `path`, mode 0600, which must not exist; it appears whole, and locked by this process.

        Args:
            size: bytes, a power of two from 4096.

        Raises:
            OSError: it cannot be made.
            ValueError: not such a size.
        """
        if size < _PAGE or size & (size - 1):
            raise ValueError(f"a ring of {size} bytes")
        part = path.with_name(f".{path.name}")
        self._file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(self._file, 0, _PAGE + size)  # a hole that finds no space later is SIGBUS
            self._map = mmap.mmap(self._file, _PAGE + size, flags=_FLAGS)
            self._words = memoryview(self._map)[:_PAGE].cast("Q")
            self._words[_SIZE], self._words[_CHECK] = size, _MAGIC
            part.rename(path)
        except BaseException:
            os.close(self._file)
            part.unlink(missing_ok=True)
            raise
        self.size = size
        self._appended = 0
        self._end = _PAGE + size

    def append(self, record: bytes) -> bool:
        """Append a record that is not empty; True: the reader gets it even if this process dies now. False: no room."""
        position = self._appended
        after = position + _room(len(record))
        if after - self._words[_FREED] > self.size:
            return False
        raw = _HEAD.pack(len(record), zlib.crc32(record, position & _LOW)) + record
        start = _PAGE + (position & (self.size - 1))
        stop = start + len(raw)
        if stop <= self._end:
            self._map[start:stop] = raw
        else:
            split = self._end - start
            self._map[start : self._end] = raw[:split]
            self._map[_PAGE : _PAGE + len(raw) - split] = raw[split:]
        self._words[_APPENDED] = self._appended = after
        return True

    @property
    def waiting(self) -> int:
        """Bytes that the reader has not freed yet."""
        return self._appended - self._words[_FREED]

    def close(self) -> None:
        """Let go of the ring; what is in it stays for the reader."""
        self._words.release()
        self._map.close()
        os.close(self._file)


class RingReader:
    """Takes records out of a ring that a process writes, or wrote. One thread."""

    def __init__(self, path: Path) -> None:
        """Open the ring file `path`.

        Raises:
            ValueError: it is no ring.
            OSError: it cannot be opened.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        found = os.fstat(self._file)
        if not stat.S_ISREG(found.st_mode) or not 2 * _PAGE <= found.st_size <= _PAGE + _MAX_SIZE:
            os.close(self._file)
            raise ValueError(f"{path} is no ring: it has {found.st_size} bytes")
        self._map = mmap.mmap(self._file, found.st_size, flags=_FLAGS)
        self._words = memoryview(self._map)[:_PAGE].cast("Q")
        self.size = found.st_size - _PAGE
        if self._words[_CHECK] != _MAGIC or self._words[_SIZE] != self.size or self.size & (self.size - 1):
            self.close()
            raise ValueError(f"{path} is no ring: it does not begin like one")
        self._doubted = -1
        self.damaged = 0
        """Bytes that were dropped, because no record could be read there."""

    def peek(self, most: int = 2**20) -> list[bytes]:
        """The oldest records, of about `most` bytes together at the most; they stay until `done`.

        What cannot be read twice in a row is dropped, with all that was appended up to then.
        """
        appended, position = self._words[_APPENDED], self._words[_FREED]
        waiting, found = appended - position, list[bytes]()
        if 0 <= waiting <= self.size and position % _WORD == 0:
            found = _records(self._bytes(position, min(waiting, most)), position)
            if not found and waiting > most:  # the first one is longer
                found = _records(self._bytes(position, waiting), position)[:1]
        if waiting and not found:
            self._doubt(position, appended)
        return found

    def done(self, records: list[bytes]) -> None:
        """Free the records: the first ones of the last `peek`, as many as were put away."""
        self._words[_FREED] += sum([_room(len(record)) for record in records])

    @property
    def waiting(self) -> int:
        """Bytes that were appended and not freed yet."""
        return self._words[_APPENDED] - self._words[_FREED]

    def abandoned(self) -> bool:
        """Whether the process that wrote is gone; what it appended is all there is then."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Let go of the ring."""
        self._words.release()
        self._map.close()
        os.close(self._file)

    def _bytes(self, position: int, length: int) -> bytes:
        start = position & (self.size - 1)
        first = self._map[_PAGE + start : _PAGE + min(start + length, self.size)]
        return first if len(first) == length else first + self._map[_PAGE : _PAGE + length - len(first)]

    def _doubt(self, position: int, appended: int) -> None:
        if self._doubted == position:
            self.damaged += min(abs(appended - position), self.size)
            self._words[_FREED] = appended
        self._doubted = position


def _records(raw: bytes, position: int) -> list[bytes]:
    """The records that bytes begin with, which were copied from that position: what is read is what was checked."""
    found, start, unpack, check = list[bytes](), 0, _HEAD.unpack_from, zlib.crc32
    while start + _HEAD.size <= len(raw):
        length, expected = unpack(raw, start)
        record = raw[start + _HEAD.size : start + _HEAD.size + length]
        if not length or len(record) != length or check(record, (position + start) & _LOW) != expected:
            break
        found.append(record)
        start += _room(length)
    return found


def _room(length: int) -> int:
    return (_HEAD.size + length + _WORD - 1) & -_WORD
