"""SOURCE → tree: a folder, or a zip file (a wheel is one). Tar archives and single files will be more cases of `read`.

A zip file is believed only as far as it can be held to: names and sizes come from its central directory, each member
is read as far as its listed size and not a byte further, and its own checksum has to fit. Reasons beyond those of
`mirror.publishing.tree`: `missing`, `unreadable`, `unknown-kind`, `changed` (a file is not what it was when the tree
was listed), `bad-archive`, `encrypted`, and `bomb` (content out of all proportion to the archive).
"""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Final

from mirror.errors import SourceError
from mirror.publishing import tree
from mirror.publishing.tree import Limits, SourceEntry, SourceFile, SourceFolder, SourceLink, Tree

_RATIO_FREE_BYTES: Final = 64 * 2**20  # below this much content no ratio harms
_MAX_LINK = 4096  # bytes
_ENCRYPTED = 0x1  # APPNOTE.TXT 4.4.4, bit 0; bit 6 is strong encryption
_STRONG = 0x40
_UNIX = 3  # APPNOTE.TXT 4.4.2: then the upper half of external_attr is a mode


@contextmanager
def read(source: Path, limits: Limits) -> Iterator[Tree]:
    """The tree in `source`; its files can be read as long as the context lasts.

    Raises:
        SourceError: a reason of this module or of `mirror.publishing.tree`.
    """
    try:
        is_folder = source.is_dir()
    except OSError as error:
        raise SourceError("unreadable", f"{source} cannot be read: {error.strerror}.") from error
    if is_folder:
        yield tree.build(_walk(source), limits)
    elif source.suffix.lower() in {".zip", ".whl"}:
        with _opened(source) as archive:
            _check_archive(source, archive, limits)
            yield tree.build((_member(archive, info) for info in archive.infolist()), limits)
    elif not source.exists():
        raise SourceError("missing", f"There is no {source}: name a folder, a .zip or a .whl file.")
    else:
        raise SourceError("unknown-kind", f"{source} is no folder, .zip or .whl file: unpack it to a folder first.")


def _walk(top: Path) -> Iterator[SourceEntry]:
    folders = [(top, "")]
    while folders:
        folder, prefix = folders.pop()
        try:
            with os.scandir(folder) as found:
                for item in found:
                    entry = _found(item, prefix + item.name)
                    if isinstance(entry, SourceFolder):
                        folders.append((folder / item.name, f"{entry.path}/"))
                    yield entry
        except OSError as error:
            raise SourceError("unreadable", f"{error.filename!r} cannot be read: {error.strerror}.") from error


def _found(item: os.DirEntry[str], path: str) -> SourceEntry:
    status = item.stat(follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        return SourceFolder(path)
    if stat.S_ISLNK(status.st_mode):
        return SourceLink(path, str(Path(item.path).readlink()))
    if stat.S_ISREG(status.st_mode):
        read_it = partial(_read_file, item.path, status.st_size)
        return SourceFile(path, bool(status.st_mode & stat.S_IXUSR), status.st_size, read_it)
    raise tree.special(path)


def _read_file(path: str, size: int) -> Iterator[bytes]:
    """Read what was listed as a regular file; neither followed nor waited for if it is another thing by now."""
    refusal = SourceError("changed", f"{path!r} changed while it was read: publish a source that stands still.")
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise refusal
            yield from _exactly(file, size, refusal)
    except OSError as error:
        raise SourceError("unreadable", f"{path!r} cannot be read: {error.strerror}.") from error


def _exactly(file: IO[bytes], size: int, refusal: SourceError) -> Iterator[bytes]:
    left = size
    while chunk := file.read(min(tree.CHUNK, left + 1)):
        left -= len(chunk)
        yield chunk
    if left:
        raise refusal


def _opened(source: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except OSError as error:
        raise SourceError("unreadable", f"{source} cannot be read: {error.strerror}.") from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise SourceError("bad-archive", f"{source} is not a whole zip file: {error}. Make it anew.") from error


def _check_archive(source: Path, archive: zipfile.ZipFile, limits: Limits) -> None:
    members = archive.infolist()
    if len(members) > limits.entries:
        raise SourceError("too-many", f"{source} has more than the {limits.entries} entries a release may have.")
    content = sum(info.file_size for info in members)
    if content > max(source.stat().st_size * limits.ratio, _RATIO_FREE_BYTES):
        raise SourceError(
            "bomb",
            f"{source} unpacks to more than {limits.ratio} times its size: unpack it to a folder and publish that.",
        )


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
        return SourceLink(path, _link_target(archive, info))
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
    return str(PurePosixPath(target))  # as a link in a folder is read: `./lib.so` is `lib.so`


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    refusal = SourceError("bad-archive", f"{info.filename!r} is damaged in the archive: make it anew.")
    try:
        with archive.open(info) as file:
            yield from _exactly(file, info.file_size, refusal)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise refusal from error
