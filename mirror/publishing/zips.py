"""A zip file as a source (a wheel is one), believed only as far as it can be held to.

Names and sizes come from its central directory; each member is read as far as its listed size and not a byte further,
and its own checksum has to fit. How many members there are is counted before `zipfile` makes an object of each.
"""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final

from mirror.errors import SourceError
from mirror.publishing import folders, tree
from mirror.publishing.limits import Limits
from mirror.publishing.tree import SourceEntry, SourceFile, SourceFolder, SourceLink

_MAX_LINK = 4096  # bytes
_ENCRYPTED = 0x1  # APPNOTE.TXT 4.4.4, bit 0; bit 6 is strong encryption
_STRONG = 0x40
_UNIX = 3  # APPNOTE.TXT 4.4.2: then the upper half of external_attr is a mode
_MEMBER: Final = b"PK\x01\x02"  # 4.3.12: a line of the central directory, of 46 bytes and more
_END: Final = b"PK\x05\x06"  # 4.3.16: where it ends, followed by a comment of 65535 bytes at most


@contextmanager
def members(source: Path, limits: Limits) -> Iterator[Iterator[SourceEntry]]:
    """The members of the zip file `source`; they can be read as long as the context lasts.

    Raises:
        SourceError: reason `unreadable`, `bad-archive`, `encrypted`, `bad-path`, `bad-link`, `special-file`,
            `too-many` or `bomb`.
    """
    with _opened(source, limits) as archive:
        size = sum(info.file_size for info in archive.infolist())
        limits.check_unpacked(source, source.stat().st_size, size)
        yield (_member(archive, info) for info in archive.infolist())


def _opened(source: Path, limits: Limits) -> zipfile.ZipFile:
    try:
        with source.open("rb") as file:
            limits.check(_count(file, limits.entries), 0)
        return zipfile.ZipFile(source)
    except OSError as error:
        raise folders.unreadable(source, error) from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise SourceError("bad-archive", f"{source} is not a whole zip file: {error}. Make it anew.") from error


def _count(file: IO[bytes], enough: int) -> int:
    """At least how many members there are, up to a little over `enough`: told by the marks of their lines.

    Lines lie before the end of the directory, in no more bytes than precede it. They are only counted where there is
    room for too many of them; no honest archive says less of itself than its lines do.
    """
    total = file.seek(0, os.SEEK_END)
    start = max(0, total - 65_557)
    file.seek(start)
    tail = file.read()
    end = tail.rfind(_END)
    length = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    if length // 46 <= enough:
        return 0
    # 76 bytes lie between lines and end in a zip file of more than 65535 members (4.3.14, 4.3.15)
    file.seek(max(0, start + end - 76 - min(length, total)))
    found, last = 0, b""
    while found <= enough and (chunk := file.read(tree.CHUNK)):
        found += (last + chunk).count(_MEMBER)
        last = chunk[-len(_MEMBER) + 1 :]
    return found


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> SourceEntry:
    path = info.filename.removesuffix("/")
    if info.orig_filename != info.filename:  # zipfile cuts a name at a NUL
        raise SourceError("bad-path", f"The path {info.orig_filename[:120]!r} has a NUL in it.")
    if info.flag_bits & (_ENCRYPTED | _STRONG):
        raise SourceError("encrypted", f"{path!r} is encrypted: make the archive anew without a password.")
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    kind = stat.S_IFMT(mode)
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:  # zipfile reads the others without a limit
        raise SourceError("bad-archive", f"{path!r} is not compressed by deflate: make the archive anew with it.")
    if info.is_dir() and kind in {0, stat.S_IFDIR}:
        return SourceFolder(path)
    if kind == stat.S_IFLNK:
        return SourceLink.packed(path, _link_target(archive, info))
    if kind in {0, stat.S_IFREG} and not info.is_dir():
        return SourceFile(path, bool(mode & stat.S_IXUSR), info.file_size, partial(_read_member, archive, info))
    raise tree.special(path)


def _link_target(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    if info.file_size > _MAX_LINK:
        raise SourceError("bad-link", f"The link {info.filename!r} has a target of {info.file_size} bytes.")
    try:
        target = b"".join(_read_member(archive, info)).decode()
    except UnicodeDecodeError as error:
        raise SourceError("bad-link", f"The link {info.filename!r} has a target that is not UTF-8 text.") from error
    return target


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    refusal = SourceError("bad-archive", f"{info.filename!r} is damaged in the archive: make it anew.")
    try:
        with archive.open(info) as file:
            yield from folders.exactly(file, info.file_size, refusal)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise refusal from error
