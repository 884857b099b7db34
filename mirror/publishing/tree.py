"""The tree that a release is made of, whatever it came as: only names, modes, sizes, and a way to read each file.

Nothing is ever unpacked to disk: a file is read from where it lies, by its listed name or number, never by a path that
an archive chose. What a tree may hold: folders, regular files, and relative links that stay inside. All else is
refused by name, with a `SourceError`:

    bad-path        absolute, `..`, a backslash, a drive letter, not NFC, ... (`wire.names`)
    bad-link        a link that leaves the tree, or has a target that cannot be used
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
from pathlib import PurePosixPath
from typing import Final

import msgspec

from mirror.errors import SourceError
from spot_client.wire import names
from spot_client.wire.errors import BadName
from spot_client.wire.manifest import MAX_ENTRIES

FOLDER_MODE: Final = 0o755
CHUNK: Final = 2**20
"""Most bytes that are read at once."""
_DRIVE = re.compile(r"[A-Za-z]:")


class Limits(msgspec.Struct, frozen=True):
    """How much is accepted: entries, bytes of content, and bytes of content for each byte of an archive."""

    entries: int = MAX_ENTRIES
    total_bytes: int = 64 * 2**30
    ratio: int = 250


class SourceFile(msgspec.Struct, frozen=True):
    """A file: `size` in bytes; `read` gives its content, in chunks of at most `CHUNK`, anew at each call.

    `read` raises `SourceError` where the content cannot be had, or has another length than `size`.
    """

    path: str
    executable: bool
    size: int
    read: Callable[[], Iterator[bytes]]

    @property
    def mode(self) -> int:
        """The permission bits it is published with."""
        return 0o755 if self.executable else 0o644


class SourceLink(msgspec.Struct, frozen=True):
    """A symbolic link and where it points."""

    path: str
    target: str


class SourceFolder(msgspec.Struct, frozen=True):
    """A folder."""

    path: str


SourceEntry = SourceFile | SourceLink | SourceFolder


class Tree(msgspec.Struct, frozen=True):
    """A checked tree: entries sorted by path, every folder among them; `size` of all files together, in bytes."""

    entries: tuple[SourceEntry, ...]

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """The entries that are files, in order of path."""
        return tuple(entry for entry in self.entries if isinstance(entry, SourceFile))

    @property
    def size(self) -> int:
        """Bytes of content, before equal files are counted once."""
        return sum(file.size for file in self.files)


def build(found: Iterable[SourceEntry], limits: Limits) -> Tree:
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
        _check_limits(len(entries), total, limits)
    for path in list(entries):
        _add_folders(entries, path)
        _check_limits(len(entries), total, limits)
    if not entries:
        raise SourceError("empty", "The source is empty: there is nothing to publish.")
    return Tree(tuple(entries[path] for path in sorted(entries)))


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


def _check_limits(count: int, total: int, limits: Limits) -> None:
    if count > limits.entries:
        raise SourceError("too-many", f"The source has more than the {limits.entries} entries a release may have.")
    if total > limits.total_bytes:
        raise SourceError("too-large", f"The source has more than the {limits.total_bytes} bytes a release may have.")


def _add_folders(entries: dict[str, SourceEntry], path: str) -> None:
    for parent in PurePosixPath(path).parents[:-1]:
        folder = str(parent)
        above = entries.setdefault(folder, SourceFolder(folder))
        if not isinstance(above, SourceFolder):
            raise SourceError("below-a-file", f"{path!r} lies below {folder!r}, which is a file or a link.")
