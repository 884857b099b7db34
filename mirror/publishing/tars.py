"""A tar archive as a source: its headers are read one by one, and its files by their place in it. Nothing is unpacked.

Headers are those of POSIX ustar and pax (IEEE 1003.1-2017, `pax`), and GNU's long names. `tarfile` reads one header
block; it does not walk the archive here, because it takes a damaged header for the end of it, reads an extended header
of any length, and follows links between members. Stricter than any tar: the archive ends with two blocks of zeros and
nothing after them; a hard link, a sparse file, a volume or a member of any other kind is refused by name.
"""

import os
import stat
import tarfile
from collections.abc import Iterator
from functools import partial
from typing import Final

import msgspec

from mirror.errors import SourceError
from mirror.publishing import folders, tree
from mirror.publishing.tree import SourceEntry, SourceFile, SourceFolder, SourceLink

_BLOCK: Final = tarfile.BLOCKSIZE
_MAX_EXTENDED: Final = 2**20  # bytes of one extended header: names, and what other programs note there
_LONG: Final = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
_EXTENDED: Final = {tarfile.XHDTYPE, tarfile.XGLTYPE, *_LONG}
_SPECIAL: Final = {tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE}
_OVERRIDES: Final = frozenset({"path", "linkpath", "size"})


class _Archive(msgspec.Struct, frozen=True):
    """An open archive without compression: its descriptor, its length in bytes, and how it is called in errors."""

    handle: int
    length: int
    name: str

    def take(self, offset: int, size: int) -> bytes:
        """`size` bytes at `offset`, all of them. Raises SourceError, reason `bad-archive` or `unreadable`."""
        if size < 0 or offset + size > self.length:
            raise self.damaged("it ends too early")
        try:
            raw = os.pread(self.handle, size, offset)
        except OSError as error:
            raise folders.unreadable(self.name, error) from error
        if len(raw) < size:
            raise self.damaged("it ends too early")
        return raw

    def damaged(self, why: str) -> SourceError:
        """The refusal of the archive as a whole."""
        return SourceError("bad-archive", f"{self.name} is not a whole tar archive: {why}. Make it anew.")


def members(handle: int, name: str) -> Iterator[SourceEntry]:
    """The members of the tar archive open at `handle`; they can be read as long as it is open.

    Raises:
        SourceError: reason `unreadable`, `bad-archive`, `hard-link`, `sparse` or `special-file`.
    """
    archive = _Archive(handle, os.fstat(handle).st_size, name)
    offset, pending = 0, dict[str, str]()
    while header := _header(archive, offset):
        offset += _BLOCK
        if header.type in _EXTENDED:
            size = header.size
            pending |= _extension(archive, header, offset)
        else:
            size = _size(archive, header, pending)
            if not 0 <= size <= archive.length - offset:
                raise archive.damaged("a member has a size that cannot be")
            entry = _member(archive, header, pending, (offset, size))
            if entry is not None:
                yield entry
            pending.clear()
        offset += -(-size // _BLOCK) * _BLOCK
    if pending:
        raise archive.damaged("it ends with the name of a member that is not there")


def _header(archive: _Archive, offset: int) -> tarfile.TarInfo | None:
    """The header at `offset`; None at the end of the archive, which is checked to be one."""
    raw = archive.take(offset, _BLOCK)
    if raw.count(0) == _BLOCK:
        _check_end(archive, offset)
        return None
    try:
        # names that are not UTF-8 are refused where names are looked at; those of users and groups do not matter
        return tarfile.TarInfo.frombuf(raw, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError) as error:
        raise archive.damaged("a header is damaged") from error


def _check_end(archive: _Archive, offset: int) -> None:
    archive.take(offset, 2 * _BLOCK)
    while offset < archive.length:
        chunk = archive.take(offset, min(tree.CHUNK, archive.length - offset))
        if chunk.count(0) != len(chunk):
            raise archive.damaged("something follows its end")
        offset += len(chunk)


def _extension(archive: _Archive, header: tarfile.TarInfo, offset: int) -> dict[str, str]:
    """What an extended header says of the next member."""
    if not 0 <= header.size <= _MAX_EXTENDED:
        raise archive.damaged(f"an extended header has {header.size} bytes, and {_MAX_EXTENDED} are allowed")
    raw = archive.take(offset, header.size)
    if header.type in _LONG:
        return {_LONG[header.type]: raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")}
    found = dict(_records(archive, raw))
    if any(key.startswith("GNU.sparse.") for key in found):
        raise _sparse(found.get("GNU.sparse.name") or found.get("path") or header.name)
    said = {key: found[key] for key in found if key in _OVERRIDES}
    if said and header.type == tarfile.XGLTYPE:
        raise archive.damaged("its global header gives all members one name, target or size")
    return said


def _records(archive: _Archive, raw: bytes) -> Iterator[tuple[str, str]]:
    """`LENGTH KEY=VALUE\\n`, one after another; LENGTH in bytes, that of all the record."""
    start = 0
    while start < len(raw):
        blank = raw.find(b" ", start, start + 8)
        digits = raw[start:blank] if blank > 0 else b""
        end = start + int(digits) if digits.isdigit() else 0
        key, equals, value = raw[blank + 1 : end - 1].partition(b"=")
        if not (blank < end <= len(raw) and raw[end - 1 : end] == b"\n" and key and equals):
            raise archive.damaged("an extended header is damaged")
        yield key.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")
        start = end


def _size(archive: _Archive, header: tarfile.TarInfo, pending: dict[str, str]) -> int:
    said = pending.get("size")
    if said is None:
        return header.size
    if not (said.isascii() and said.isdigit() and len(said) < 20):
        raise archive.damaged("a member has a size that cannot be")
    return int(said)


def _member(
    archive: _Archive, header: tarfile.TarInfo, pending: dict[str, str], place: tuple[int, int]
) -> SourceEntry | None:
    """The entry for a member, by what its header and the extended ones say; None for the top folder itself."""
    path = _plain_path(pending.get("path", header.name), is_folder=header.isdir())
    if header.type == tarfile.GNUTYPE_SPARSE:  # a regular type to tarfile
        raise _sparse(path)
    if header.type in tarfile.REGULAR_TYPES:
        return SourceFile(path, bool(header.mode & stat.S_IXUSR), place[1], partial(_read, archive, path, *place))
    if header.islnk():
        hint = "Make the archive anew with 'tar --hard-dereference'."
        raise SourceError("hard-link", f"{path!r} is a hard link to {header.linkname[:120]!r}. {hint}")
    if header.type in _SPECIAL:
        raise tree.special(path)
    if place[1] or not (header.isdir() or header.issym()):
        raise archive.damaged(f"{path!r} is no file, folder or link, and is of the type {header.type!r}")
    if header.issym():
        return SourceLink.packed(path, pending.get("linkpath", header.linkname))
    return SourceFolder(path) if path else None


def _plain_path(name: str, *, is_folder: bool) -> str:
    """`tar -C FOLDER -c .` makes `./`, `./a`, ...: the folder itself is `` then, and the file `a`."""
    if is_folder:
        name = name.rstrip("/") or name
        if name == ".":
            return ""
    return name.removeprefix("./")


def _sparse(path: str) -> SourceError:
    return SourceError("sparse", f"{path[:120]!r} is a sparse file. Make the archive anew, without 'tar --sparse'.")


def _read(archive: _Archive, path: str, offset: int, size: int) -> Iterator[bytes]:
    end = offset + size
    try:
        while offset < end:
            chunk = archive.take(offset, min(tree.CHUNK, end - offset))
            yield chunk
            offset += len(chunk)
    except SourceError as error:
        raise SourceError("changed", f"{path!r} cannot be read as it was listed: {error}") from error
