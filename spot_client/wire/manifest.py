"""The manifest: what a release consists of, entry by entry, and the blocks of the pack that its content lies in.

The content of a release is one stream of bytes: its distinct file contents, one after another. A file names its place
by `offset` in that stream. The pack is the stream cut into blocks, each a zstd frame of its own (`wire.pack`).

Rules beyond the shape, all checked by `check`: entries are sorted by path and unique; every folder above an entry is
an entry itself, so nothing ever lies below a file or a link; links stay inside (`names.check_link`); modes give group
and others no write and nobody set-id; a file lies inside the stream; equal contents have one place; and the tree is
the same wherever it is laid (`wire.portable`). Pure.
"""

from enum import Enum
from typing import Annotated, Final

import msgspec

from spot_client.wire import document, names, portable, sealed
from spot_client.wire.digest import Length, Sha256
from spot_client.wire.errors import BadName, FormatError

MAX_ENTRIES: Final = 1_000_000
MAX_BLOCK_SIZE: Final = 16 * 2**20
"""Most bytes of content in one block."""
MAX_SEALED_BYTES: Final = 128 * 2**20
"""Longest sealed manifest that is fetched, in bytes."""
_MAX_CONTENT_BYTES = 512 * 2**20
_WHAT = "The manifest"

Mode = Annotated[int, msgspec.Meta(ge=0, le=0o777)]

_Word = Annotated[str, msgspec.Meta(max_length=4096, pattern=r"^[^\x00]*\Z")]  # what a system call takes


class Kind(Enum):
    """What an update may do to a file."""

    FILE = "file"
    """Replaced with each version."""
    CONFIG = "config"
    """One that was changed stays; the new one lies beside it."""
    STATE = "state"
    """Outside versions: touched by neither update nor rollback."""


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One frame of the pack: `length` and `sha256` of the compressed bytes, `size` of the content, in bytes."""

    length: Annotated[int, msgspec.Meta(ge=1, le=MAX_BLOCK_SIZE + 2**17)]
    sha256: Sha256
    size: Annotated[int, msgspec.Meta(ge=1, le=MAX_BLOCK_SIZE)]


class Directory(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="directory", tag_field="type"):
    """A folder with its permission bits."""

    path: str
    mode: Mode


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="file", tag_field="type"):
    """A file: permission bits, `size` in bytes, `sha256` of its content, `offset` of it in the content stream."""

    path: str
    mode: Mode
    size: Length
    sha256: Sha256
    offset: Length
    kind: Kind = Kind.FILE


class Symlink(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="symlink", tag_field="type"):
    """A relative symbolic link that stays inside the release."""

    path: str
    target: str


Entry = Directory | File | Symlink


class Hook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command that runs at an `event`, for `timeout` seconds at most. Its first word is a path in the release."""

    event: Annotated[str, msgspec.Meta(pattern=r"^(pre|post)-(install|uninstall)\Z")]
    command: Annotated[tuple[_Word, ...], msgspec.Meta(min_length=1, max_length=64)]
    timeout: Annotated[int, msgspec.Meta(ge=1, le=86_400)]


class Manifest(document.Document, frozen=True):
    """One release: one component, one version, one platform."""

    product: str
    component: str
    version: str
    platform: str
    entries: Annotated[tuple[Entry, ...], msgspec.Meta(max_length=MAX_ENTRIES)]
    blocks: tuple[Block, ...]
    hooks: tuple[Hook, ...] = ()

    @property
    def files(self) -> tuple[File, ...]:
        """The entries that are files, in order of path."""
        return tuple(entry for entry in self.entries if isinstance(entry, File))


def encode(manifest: Manifest, *, level: int) -> tuple[bytes, sealed.Seal]:
    """Check a manifest and seal it; `level` of zstd. Returns the sealed bytes and what to sign for them.

    Raises:
        FormatError, BadName: as `check`.
    """
    check(manifest)
    return sealed.seal(document.encode(manifest), level=level)


def decode(raw: bytes, seal: sealed.Seal) -> Manifest:
    """Verify a sealed manifest against what was signed for it, and read it.

    Raises:
        DigestError: not the bytes that were signed for.
        FormatError: signed, but breaking a rule (`bad-manifest` and the reasons of `wire.document`), or `too-new`.
    """
    content = sealed.unseal(raw, seal, max_size=_MAX_CONTENT_BYTES, what=_WHAT)
    manifest = document.decode(content, Manifest, max_bytes=_MAX_CONTENT_BYTES, what=_WHAT)
    try:
        check(manifest)
    except BadName as error:
        raise FormatError("bad-manifest", f"{_WHAT} breaks a rule: {error}") from error
    return manifest


def check(manifest: Manifest) -> None:
    """Hold a manifest to the rules in the module's docstring.

    Raises:
        BadName: a name, path or link target is not allowed.
        FormatError: reason `bad-manifest`.
    """
    names.check_product(manifest.product)
    names.check_id("component", manifest.component)
    names.check_version(manifest.version)
    names.check_platform(manifest.platform)
    _check_paths(manifest.entries)
    links = {entry.path: entry.target for entry in manifest.entries if isinstance(entry, Symlink)}
    portable.check((entry.path for entry in manifest.entries), links, manifest.platform)
    _check_contents(manifest)
    commands = {entry.path for entry in manifest.files if entry.mode & 0o100}
    if not all(hook.command[0] in commands for hook in manifest.hooks):
        raise FormatError("bad-manifest", "A hook names a command that is not an executable file of the release.")


def _check_paths(entries: tuple[Entry, ...]) -> None:
    folders = {""}
    last = ""
    for entry in entries:
        names.check_path(entry.path)
        if entry.path <= last:
            raise FormatError("bad-manifest", f"Entries are not sorted by path, or twice there: {entry.path!r}.")
        if entry.path.rpartition("/")[0] not in folders:
            raise FormatError("bad-manifest", f"{entry.path!r} lies in a folder that is not an entry.")
        last = entry.path
        if isinstance(entry, Symlink):
            names.check_link(entry.path, entry.target)
            continue
        if isinstance(entry, Directory):
            folders.add(entry.path)
        needed = 0o700 if isinstance(entry, Directory) else 0o400
        if entry.mode & 0o022 or entry.mode & needed != needed:
            raise FormatError("bad-manifest", f"{entry.path!r} has the mode {entry.mode:o}, which is not allowed.")


def _check_contents(manifest: Manifest) -> None:
    stream = sum(block.size for block in manifest.blocks)
    places: dict[str, tuple[int, int]] = {}
    for file in manifest.files:
        if file.offset + file.size > stream or (file.size == 0 and file.offset != 0):
            raise FormatError("bad-manifest", f"{file.path!r} lies outside the content of the release.")
        if places.setdefault(file.sha256, (file.offset, file.size)) != (file.offset, file.size):
            raise FormatError("bad-manifest", f"{file.path!r} has the digest of another file, but not its place.")
