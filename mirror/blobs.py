"""Blobs: large immutable files by key, such as `releases/sdk/botocore/1.40.0/any/pack`.

A key is segments joined by `/`, each of `[a-z0-9._+!-]` and `_`, beginning with a letter or digit: so no key climbs,
is absolute, or hides a file. `put` is durable on return and whole or not at all; a reader never sees a part of a blob.
Whether a blob may be replaced is the caller's rule, not the store's. `tests/mirror/blobs_contract.py` is the protocol
as tests: every adapter passes it.
"""

import contextlib
import errno
import mmap
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ca.files import open_ordinary, sync_folder
from mirror.errors import BlobFault

_SEGMENT = re.compile(r"[a-z0-9][a-z0-9._+!_-]{0,127}", re.ASCII)
_MAX_SEGMENTS = 8
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


class BlobReader(Protocol):
    """One open blob. `length` in bytes."""

    length: int

    def view(self, start: int, stop: int) -> memoryview:
        """The bytes from `start` up to `stop`; ValueError unless 0 ≤ start ≤ stop ≤ length and the reader is open."""
        ...

    def close(self) -> None:
        """Let go of the blob. Views handed out before stay valid."""
        ...


class Blobs(Protocol):
    """A store of blobs. Raises (every call): `BlobFault`, reason `bad-key`, `missing`, `no-space` or `io`."""

    def put(self, key: str, source: Path) -> None:
        """Take over the file `source` as blob `key`, in place of an older one; durable on return, `source` is gone."""
        ...

    def open(self, key: str) -> BlobReader:
        """Open a blob for reading."""
        ...

    def pieces(self, key: str, lengths: Sequence[int]) -> Iterator[bytes]:
        """Read a blob that consists of pieces of these lengths, in bytes, and of nothing else.

        What the disk cannot give is a fault here, where reading a view ends the process.

        Raises:
            BlobFault: also reason `wrong-length`, before the first piece.
        """
        ...

    def length(self, key: str) -> int:
        """The length of a blob, in bytes."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is a blob of that key."""
        ...

    def remove(self, key: str) -> None:
        """Remove a blob, if there is one; durable on return."""
        ...


class LocalBlobs:
    """Blobs as files below the folder `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, source: Path) -> None:
        """See `Blobs`."""
        path = self._path(key)
        with _faults(key):
            make_folder(path.parent)
            try:
                _sync_file(source)
                source.replace(path)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _copy_over(source, path)
            sync_folder(path.parent)

    def open(self, key: str) -> "MappedFile":
        """See `Blobs`."""
        path = self._path(key)
        with _faults(key):
            return MappedFile(path)

    def pieces(self, key: str, lengths: Sequence[int]) -> Iterator[bytes]:
        """See `Blobs`."""
        path, length = self._path(key), sum(lengths)
        with _faults(key), open_ordinary(path) as file:
            _check_length(key, os.fstat(file.fileno()).st_size, length)
            for wanted in lengths:
                piece = file.read(wanted)
                if len(piece) != wanted:  # cut off since
                    _check_length(key, os.fstat(file.fileno()).st_size, length)
                yield piece

    def length(self, key: str) -> int:
        """See `Blobs`."""
        path = self._path(key)
        with _faults(key):
            return path.stat().st_size

    def exists(self, key: str) -> bool:
        """See `Blobs`."""
        return self._path(key).is_file()

    def remove(self, key: str) -> None:
        """See `Blobs`. Folders that become empty go too."""
        path = self._path(key)
        with _faults(key):
            path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder == self._root or not _removed_if_empty(folder):
                    break

    def _path(self, key: str) -> Path:
        segments = key.split("/")
        if len(segments) > _MAX_SEGMENTS or not all(_SEGMENT.fullmatch(segment) for segment in segments):
            raise BlobFault("bad-key", f"{key[:120]!r} cannot be the name of a stored file.")
        return self._root.joinpath(*segments)


class MappedFile:
    """A `BlobReader` over a memory map: nothing is copied, and the page cache is shared by all who read the file."""

    def __init__(self, path: Path) -> None:
        with open_ordinary(path) as file:
            self.length = os.fstat(file.fileno()).st_size
            # an empty file cannot be mapped
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.length else None
        self._all = memoryview(self._map if self._map is not None else b"")

    def view(self, start: int, stop: int) -> memoryview:
        """See `BlobReader`."""
        if not 0 <= start <= stop <= self.length:
            raise ValueError(f"no bytes {start} to {stop} in a blob of {self.length}")
        return self._all[start:stop]

    def close(self) -> None:
        """See `BlobReader`."""
        self._all.release()
        if self._map is not None:
            with contextlib.suppress(BufferError):  # views are still in use: the map goes with the last of them
                self._map.close()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, 0700, durable on return.

    Raises:
        OSError: it cannot be made.
    """
    missing = [folder, *folder.parents]
    missing = missing[: next(i for i, path in enumerate(missing) if path.is_dir())]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)


@contextlib.contextmanager
def _faults(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise BlobFault("missing", f"The stored file {key} is missing: restore it from a backup.") from error
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise BlobFault("no-space", f"{key} cannot be stored: the disk is full. Free some space first.") from error
        raise BlobFault("io", f"{key} cannot be stored or read: {error.strerror}.") from error


def _check_length(key: str, found: int, expected: int) -> None:
    if found != expected:
        raise BlobFault("wrong-length", f"The stored file {key} has {found} bytes, and {expected} were signed for.")


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _copy_over(source: Path, path: Path) -> None:
    """What a rename does, for a source on another file system."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)  # of a killed run; "xb": not through a link that somebody put there
        with source.open("rb") as old, part.open("xb") as new:
            shutil.copyfileobj(old, new)
        _sync_file(part)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    source.unlink()


def _removed_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # not empty
        sync_folder(folder)
        return False
    return True
