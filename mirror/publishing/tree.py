"""The tree that a release is made of, whatever it came as: only names, modes, sizes, and a way to read each file.

Nothing is ever unpacked to disk: a file is read from where it lies, by its listed name or number, never by a path that
an archive chose. What a tree may hold: folders, regular files, and relative links that stay inside. All else is
refused by name, with a `SourceError`:

    bad-path        absolute, `..`, a backslash, a drive letter, not NFC, unseen characters, ... (`wire.names`)
    bad-link        a link that leaves the tree, or has a target that cannot be used
    link-loop       links in a circle, or too many one after another (`wire.portable`, and the next three)
    reserved-name   a name that SPOT needs itself
    case-clash      two paths that are one on a system without case; not asked of `linux-*`
    not-portable    a name that Windows cannot hold; asked of `any` and `windows-*`
    below-a-file    something that lies below a file or a link
    duplicate       the same path twice
    special-file    a socket, a device, a named pipe
    too-many        more entries than a manifest holds
    too-large       more bytes than `Limits` allow
    empty           no entry at all

Modes are normal ones, so that the same tree gives the same release wherever it lies: 0755 for folders and for files
that their owner may execute, 0644 for all others.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import PurePosixPath
from typing import Final

import msgspec

from mirror.errors import SourceError
from mirror.publishing.limits import Limits
from spot_client.wire import names, portable
from spot_client.wire.errors import BadName
from spot_client.wire.manifest import Kind

FOLDER_MODE: Final = 0o755
CHUNK: Final = 2**20
"""Most bytes that are read at once."""
_DRIVE = re.compile(r"[A-Za-z]:(?!:)")  # `B::Deparse.3pm` is a page of Perl's manual

Progress = Callable[[str, int, int], None]
"""Told what is going on ("unpacking", "reading", "packing"), how many bytes are done, and how many there are."""


class Form(Enum):
    """What a source was read as."""

    FOLDER = "folder"
    ZIP = "zip file"
    TAR = "tar archive"
    FILE = "one file"


class SourceFile(msgspec.Struct, frozen=True):
    """A file: `size` in bytes; `read` gives its content, in chunks of at most `CHUNK`, anew at each call.

    `read` raises `SourceError` where the content cannot be had, or has another length than `size`.
    """

    path: str
    executable: bool
    size: int
    read: Callable[[], Iterator[bytes]]
    kind: Kind = Kind.FILE

    @property
    def mode(self) -> int:
        """The permission bits it is published with."""
        return 0o755 if self.executable else 0o644


class SourceLink(msgspec.Struct, frozen=True):
    """A symbolic link and where it points."""

    path: str
    target: str

    @classmethod
    def packed(cls, path: str, target: str) -> "SourceLink":
        """The link of an archive, with its target in the one spelling: `./lib.so` is `lib.so`, as in a folder."""
        return cls(path, str(PurePosixPath(target)))


class SourceFolder(msgspec.Struct, frozen=True):
    """A folder."""

    path: str


SourceEntry = SourceFile | SourceLink | SourceFolder


class Tree(msgspec.Struct, frozen=True):
    """A checked tree: entries sorted by path, every folder among them; `size` of all files together, in bytes."""

    entries: tuple[SourceEntry, ...]
    form: Form = Form.FOLDER

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """The entries that are files, in order of path."""
        return tuple(entry for entry in self.entries if isinstance(entry, SourceFile))

    @property
    def size(self) -> int:
        """Bytes of content, before equal files are counted once."""
        return sum(file.size for file in self.files)


def build(found: Iterable[SourceEntry], limits: Limits, form: Form = Form.FOLDER) -> Tree:
    """Check what was found in a source, and add the folders that it only implies.

    Raises:
        SourceError: a reason of the module's docstring, with the name of the entry.
    """
    entries: dict[str, SourceEntry] = {}
    total = 0
    for entry in found:
        _check_name(entry)
        if entry.path in entries:
            raise SourceError("duplicate", f"The source has {entry.path!r} twice: make it anew without duplicates.")
        entries[entry.path] = entry
        total += entry.size if isinstance(entry, SourceFile) else 0
        limits.check(len(entries), total)
    for path in list(entries):
        _add_folders(entries, path)
        limits.check(len(entries), total)
    if not entries:
        raise SourceError("empty", "The source is empty: there is nothing to publish.")
    return Tree(tuple(entries[path] for path in sorted(entries)), form)


def check_platform(tree: Tree, platform: str) -> None:
    """Refuse a tree that cannot be laid out as it is on every machine of `platform`.

    Raises:
        SourceError: reason `link-loop`, `reserved-name`, `case-clash` or `not-portable`.
    """
    links = {entry.path: entry.target for entry in tree.entries if isinstance(entry, SourceLink)}
    try:
        portable.check((entry.path for entry in tree.entries), links, platform)
    except BadName as error:
        hint = "Rename it in the source"
        if error.reason == "link-loop":
            hint = "Mend it in the source"
        elif error.reason != "reserved-name":
            hint += ", or publish it for one platform by --platform"
        raise SourceError(error.reason, f"{error} {hint}.") from error


def special(path: str) -> SourceError:
    """The refusal of anything that is not a file, a folder or a link."""
    return SourceError("special-file", f"{path!r} is no plain file, folder or link: a release holds only those.")


def _check_name(entry: SourceEntry) -> None:
    try:
        names.check_path(entry.path)
    except BadName as error:
        raise SourceError("bad-path", f"{error} Rename it in the source.") from error
    if _DRIVE.match(entry.path):
        raise SourceError("bad-path", f"The path {entry.path[:120]!r} begins like a drive's. Rename it in the source.")
    if isinstance(entry, SourceLink):
        try:
            names.check_link(entry.path, entry.target)
        except BadName as error:
            raise SourceError("bad-link", f"{error} A release holds relative links that stay inside.") from error


def _add_folders(entries: dict[str, SourceEntry], path: str) -> None:
    folder = path.rpartition("/")[0]
    while folder:
        above = entries.get(folder)
        if isinstance(above, SourceFolder):
            return  # those above it are added, or will be in its own turn
        if above is not None:
            raise SourceError("below-a-file", f"{path!r} lies below {folder!r}, which is a file or a link.")
        entries[folder] = SourceFolder(folder)
        folder = folder.rpartition("/")[0]
