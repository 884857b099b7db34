"""Brings the configuration that was changed here, its rights too, into a new tree, before it is put into use.

The tree that it comes from is only read. What `decide.configs.fate` says is done to the new one, which is SPOT's own.
"""

import contextlib
import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from spot_client.decide.configs import Fate, Link, Odd, Regular, beside, configs, fate
from spot_client.errors import LocalFault
from spot_client.install import beneath, laying
from spot_client.install.saved import folders, save
from spot_client.wire.manifest import File, Kind, Manifest, Symlink

MAX_BYTES: Final = 64 * 2**20
"""Largest configuration file that is carried along, in bytes."""


class Origin(msgspec.Struct, frozen=True):
    """The tree that configuration comes from. `manifest`: None if it cannot be had: nobody knows what was changed."""

    version: str
    tree: Path
    manifest: Manifest | None


def carry(origin: Origin, manifest: Manifest, staged: Path, saved: Path) -> list[str]:
    """Bring changed configuration into the tree `staged` of `manifest`; returns sentences about it.

    Raises:
        LocalFault: reason `odd-config`: something stands in place of a configuration file that cannot be carried.
        OSError: the disk is full, ...
    """
    told = []
    theirs = configs(manifest)
    shipped = _shipped(origin)
    state = {file.path for file in manifest.files if file.kind is Kind.STATE}  # `lasting` takes those over
    before = origin.manifest.files if origin.manifest else ()
    modes = {file.path: file.mode for file in before if file.kind is not Kind.STATE}
    was_state = {file.path for file in before if file.kind is Kind.STATE}
    for path in sorted({*theirs, *(configs(origin.manifest) if origin.manifest else ())} - state):
        source = _outside(origin, path, saved.parent / "state") if path in was_state else origin
        base = shipped.get(path)
        new = theirs[path].sha256 if path in theirs else None
        ours = beneath.look(source.tree, path, max_bytes=MAX_BYTES)
        if ours is None and (path in was_state or not _has_folder(source.tree, path)):
            base = None
        decided = fate(base, ours, new, pending=beneath.there(source.tree, beside(path)))
        told += _do(decided, path, source, staged, saved)
        if decided is Fate.REPLACE and path in theirs:
            _carry_rights(origin.tree, path, modes.get(path), staged)
        if decided is Fate.BESIDE and new != base:
            told.append(f"{path} was changed here and stays; the new one is {beside(path)}.")
    return told


def save_changed(origin: Origin, saved: Path, *, but: Collection[Path] = ()) -> list[str]:
    """Save the configuration that was changed in a tree that goes; returns sentences about it.

    Args:
        but: trees; what lies in one of them just so is not saved, nor what was saved before.

    Raises:
        LocalFault, OSError: as `carry`.
    """
    told = []
    for path, file in configs(origin.manifest).items() if origin.manifest else ():
        ours = beneath.look(origin.tree, path, max_bytes=MAX_BYTES)
        if ours in {None, Regular(file.sha256)}:
            continue
        if any(beneath.look(place, path, max_bytes=MAX_BYTES) == ours for place in (*but, *folders(saved))):
            continue
        told += _do(fate(file.sha256, ours, None, pending=False), path, origin, origin.tree, saved)
    return told


def changed(manifest: Manifest, tree: Path) -> list[str]:
    """Paths of the configuration files that were changed in a tree, or deleted. Raises OSError.

    What is missing with its whole folder was not deleted for its own sake: that is damage.
    """
    found = ((path, file, beneath.look(tree, path, max_bytes=MAX_BYTES)) for path, file in configs(manifest).items())
    odd = ((path, ours) for path, file, ours in found if ours != Regular(file.sha256) and not isinstance(ours, Odd))
    return [path for path, ours in odd if ours or _has_folder(tree, path)]


def _shipped(origin: Origin) -> dict[str, str | Link]:
    """What the release of a tree came with, by path: digests of files, and links."""
    found: dict[str, str | Link] = {}
    for entry in origin.manifest.entries if origin.manifest else ():
        if isinstance(entry, File):
            found[entry.path] = entry.sha256
        elif isinstance(entry, Symlink):
            found[entry.path] = Link(entry.target)
    return found


def _outside(origin: Origin, path: str, state: Path) -> Origin:
    """Where the content of a state file lies: in the state, unless the product put a file in place of its link."""
    if isinstance(beneath.look(origin.tree, path, max_bytes=MAX_BYTES), Regular):
        return origin
    return Origin(origin.version, state if state.is_dir() else origin.tree, origin.manifest)


def _carry_rights(tree: Path, path: str, shipped: int | None, staged: Path) -> None:
    """Give a new file the owner of the one it replaces, and its mode, if that is not the `shipped` one any more."""
    found = beneath.status(tree, path)
    if shipped is None or found is None or not stat.S_ISREG(found.st_mode):
        return
    with contextlib.suppress(PermissionError):
        os.chown(staged / path, found.st_uid, found.st_gid)
    if stat.S_IMODE(found.st_mode) != shipped:
        (staged / path).chmod(found.st_mode & 0o777)


def _has_folder(tree: Path, path: str) -> bool:
    try:
        with beneath.inside(tree, path.rpartition("/")[0]):
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False


def _do(decided: Fate, path: str, origin: Origin, staged: Path, saved: Path) -> list[str]:
    if decided is Fate.BESIDE:
        (staged / path).rename(staged / beside(path))
    if decided in {Fate.BESIDE, Fate.KEEP}:
        laying.copy(origin.tree, path, staged, path, over=True)
    elif decided is Fate.DELETE:
        (staged / path).unlink()
    elif decided is Fate.SAVE:
        place = save(saved, origin.version, path, origin.tree)
        return [f"{path} of {origin.version} was changed here; it is kept in {saved / place}."]
    elif decided is Fate.REFUSE:
        raise LocalFault(
            "odd-config",
            f"{origin.tree / path} should be a configuration file, and is {_what(origin, path)}. "
            "Move it away, and run it again.",
        )
    return []


def _what(origin: Origin, path: str) -> str:
    found = beneath.look(origin.tree, path, max_bytes=MAX_BYTES)
    return getattr(found, "what", "something else")
