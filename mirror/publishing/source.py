"""SOURCE → tree: a folder, a zip file (a wheel is one), a tar archive, or any other file, which is taken as it is.

Which of them it is, its name says: `.zip`, `.whl`, `.tar`, and `.tar.gz`, `.tar.bz2`, `.tar.xz`, `.tar.zst` with their
short forms. Reasons of refusal beyond those of `mirror.publishing.tree`:

    missing, unreadable
    changed         a file is not what it was when the tree was listed
    bad-archive     damaged, cut short, followed by something, or made in a way that is not read
    encrypted       a member of a zip file that has a password
    hard-link       a member of a tar archive that is one
    sparse          a member of a tar archive that is a sparse file
    bomb            content out of all proportion to the archive
    needs-memory    an archive that takes more than 128 MiB of memory to unpack
    not-a-file      a folder that was to be published as one file
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from mirror.errors import SourceError
from mirror.publishing import folders, tars, tree, zips
from mirror.publishing.limits import Limits
from mirror.publishing.tree import Form, Progress, SourceEntry, Tree
from mirror.publishing.unpack import unpacked

_ZIPS: Final = (".zip", ".whl")
_TARS: Final = {
    ".tar": None,
    **dict.fromkeys((".tar.gz", ".tgz"), "gzip"),
    **dict.fromkeys((".tar.bz2", ".tbz2"), "bzip2"),
    **dict.fromkeys((".tar.xz", ".txz"), "xz"),
    **dict.fromkeys((".tar.zst", ".tzst"), "zstd"),
}


@contextmanager
def read(source: Path, limits: Limits, scratch: Path, progress: Progress, *, opaque: bool = False) -> Iterator[Tree]:
    """The tree in `source`; its files can be read as long as the context lasts.

    Args:
        scratch: a folder in which a compressed archive is unpacked; made if it is missing.
        opaque: take an archive as one file, too.

    Raises:
        SourceError: a reason of this module or of `mirror.publishing.tree`.
        OSError: `scratch` cannot be written to.
    """
    form = _form(source, opaque=opaque)
    with _entries(source, form, limits, scratch, progress) as entries:
        yield tree.build(entries, limits, form)


def _form(source: Path, *, opaque: bool) -> Form:
    try:
        is_folder, exists = source.is_dir(), source.exists()
    except OSError as error:
        raise folders.unreadable(source, error) from error
    except ValueError as error:
        raise SourceError("unreadable", f"{str(source)!r} cannot be read: {error}.") from error
    if not exists:
        raise SourceError("missing", f"There is no {source}: name a folder, a .zip, .whl or .tar.* file, or a file.")
    if is_folder and opaque:
        raise SourceError("not-a-file", f"{source} is a folder: leave --opaque out to publish what lies in it.")
    name = source.name.lower()
    if is_folder:
        return Form.FOLDER
    folders.single(source)  # neither a pipe nor a device is waited for
    if opaque or not name.endswith((*_ZIPS, *_TARS)):
        return Form.FILE
    return Form.ZIP if name.endswith(_ZIPS) else Form.TAR


@contextmanager
def _entries(
    source: Path, form: Form, limits: Limits, scratch: Path, progress: Progress
) -> Iterator[Iterator[SourceEntry]]:
    match form:
        case Form.FOLDER:
            yield folders.walk(source)
        case Form.FILE:
            yield iter([folders.single(source)])
        case Form.ZIP:
            with zips.members(source, limits) as entries:
                yield entries
        case Form.TAR:
            with _tar(source, limits, scratch, progress) as file:
                yield tars.members(file.fileno(), str(source))


@contextmanager
def _tar(source: Path, limits: Limits, scratch: Path, progress: Progress) -> Iterator[IO[bytes]]:
    method = next(method for suffix, method in _TARS.items() if source.name.lower().endswith(suffix))
    if method:
        with unpacked(source, method, scratch, limits, progress) as file:
            yield file
        return
    try:
        limits.check_tar(source.stat().st_size)
        file = source.open("rb")
    except OSError as error:
        raise folders.unreadable(source, error) from error
    with file:
        yield file
