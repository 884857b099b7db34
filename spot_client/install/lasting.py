"""State: what outlives versions, in `COMPONENT/state`, with a link to it in each version's tree.

It is laid down where nothing is, and from then on belongs to the product: no update, no rollback, no repair writes
what is there. Two things are moved: what the version in use has as a plain file, and the new release has as state, is
taken over; and a file that the product put in place of its link is adopted before the switch away from it.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from spot_client.decide.configs import Link, Regular
from spot_client.decide.states import state_entries, state_links
from spot_client.install import beneath, laying
from spot_client.install.beneath import PART
from spot_client.install.carry import Origin
from spot_client.install.heir import Heir
from spot_client.install.saved import PRIVATE, free
from spot_client.wire.manifest import Directory, File, Manifest, Symlink

_OPEN = 0o755  # mode of a folder of state that the product removed and that is needed again


def present(manifest: Manifest, state: Path) -> frozenset[str]:
    """Paths of the state files that need no content from the release: something is there. Raises OSError."""
    files = (entry for entry in state_entries(manifest) if isinstance(entry, File))
    return frozenset(file.path for file in files if beneath.there(state, file.path))


def missing(manifest: Manifest, state: Path, tree: Path) -> list[str]:
    """Paths of state that is gone, of what is gone as a whole only the uppermost. Raises OSError.

    What the product put in the `tree` in place of its link is not gone: it is adopted with the next change.
    """
    away: list[str] = []
    links = state_links(manifest)
    plain = {path for path in links if (status := beneath.status(tree, path)) and not stat.S_ISLNK(status.st_mode)}
    for entry in state_entries(manifest):
        above = {entry.path[:at] for at, char in enumerate(entry.path) if char == "/"} | {entry.path}
        if not above & {*plain, *away[-1:]} and not beneath.there(state, entry.path):
            away.append(entry.path)
    return away


def lay(manifest: Manifest, state: Path, heir: Heir, *, fill: Callable[[File, BinaryIO], object]) -> list[str]:
    """Lay down the state of a release where nothing is; returns sentences about it. May be done again.

    Args:
        heir: has taken over what becomes state from the version in use.
        fill: writes the content of a file from the release.

    Raises:
        OSError, and what `fill` raises: what was laid stays.
    """
    told = []
    for entry in state_entries(manifest):
        state.mkdir(mode=_OPEN, exist_ok=True)
        if beneath.there(state, entry.path):
            if not heir.knows(entry.path) and beneath.status(state, entry.path) is None:
                told.append(f"{entry.path} was not laid in {state}: a link or file stands in its way.")
        elif isinstance(entry, Directory):
            laying.put_folder(state, entry.path, entry.mode)
        elif isinstance(entry, Symlink):
            laying.put_link(state, entry.path, entry.target, make=_OPEN)
        else:
            laying.put(state, entry.path, partial(fill, entry), mode=entry.mode, make=_OPEN)
    return told


def adopt(origin: Origin, state: Path, saved: Path) -> list[str]:
    """Make state of what the product put in place of its links, and put the links back; returns sentences about it.

    May be done again after it was killed anywhere. At each moment the version in use has its file, or the link to it;
    only a folder is away for a moment.

    Raises:
        OSError: the disk is full, ...
    """
    told = []
    shipped = {file.path: file.sha256 for file in origin.manifest.files} if origin.manifest else {}
    for path, target in state_links(origin.manifest).items() if origin.manifest else ():
        ours, theirs = beneath.status(origin.tree, path), beneath.status(state, path)
        if ours is not None and not (stat.S_ISREG(ours.st_mode) or stat.S_ISDIR(ours.st_mode)):
            continue
        if ours is None and (theirs is None or beneath.status(origin.tree, path.rpartition("/")[0]) is None):
            continue
        if ours is not None:
            if theirs is not None and not os.path.samestat(ours, theirs):
                told += _set_aside(origin, path, shipped.get(path), state, saved)
            with contextlib.suppress(FileExistsError):
                state.mkdir(mode=_OPEN)
            _move(origin.tree, path, state, path)
        laying.put_link(origin.tree, path, target, over=True)
    return told


def left_behind(before: Manifest, after: Manifest, state: Path) -> list[str]:
    """Sentences about folders that were state as a whole and are not in the release `after`: it does not see what the
    product added to them. Raises OSError.
    """
    folders = {entry.path for entry in after.entries if isinstance(entry, Directory)}
    links = state_links(after)
    seen = tuple(f"{path}/" for path in links)
    shipped = {entry.path for entry in (*before.entries, *after.entries)}
    told = []
    for folder in sorted(folders & state_links(before).keys()):
        added = [path for path in _below(state, folder) if path not in shipped and not path.startswith(seen)]
        if added:
            told.append(
                f"{folder} is not state as a whole in {after.version}, which does not see what was added there: "
                f"{added[0]}{f' and {len(added) - 1} more' if added[1:] else ''}. It stays in {state / folder}."
            )
    return told


def tidy(manifest: Manifest, component: Path, tree: Path) -> None:
    """Remove what a killed run was writing into the state, the saved files, or links of `tree`. Raises OSError."""
    folders = {""} | {entry.path.rpartition("/")[0] for entry in state_entries(manifest)}
    folders |= {entry.path for entry in state_entries(manifest) if isinstance(entry, Directory)}
    saved = component / "saved"
    below = {str(part.parent.relative_to(saved)) for part in saved.rglob(PART)} if saved.is_dir() else ()
    for root, places in ((component / "state", folders), (tree, folders), (saved, below)):
        _clear(root, places)


def _clear(root: Path, folders: Iterable[str]) -> None:
    for folder in folders:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), beneath.inside(root, folder) as handle:
            beneath.clear(handle)


def _below(root: Path, path: str) -> Iterator[str]:
    """Paths of all but folders below `path`."""
    ahead = [path]
    while ahead:
        folder = ahead.pop()
        try:
            with beneath.inside(root, folder) as handle, os.scandir(handle) as found:
                entries = sorted((one.name, one.is_dir(follow_symlinks=False)) for one in found)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name, is_folder in entries:
            if is_folder:
                ahead.append(f"{folder}/{name}")
            else:
                yield f"{folder}/{name}"


def _set_aside(origin: Origin, path: str, shipped: str | None, state: Path, saved: Path) -> list[str]:
    """Save what the state held before the product put something else in place of its link."""
    before = beneath.look(state, path)
    if isinstance(before, Regular | Link) and before in {Regular(shipped or ""), beneath.look(origin.tree, path)}:
        return []
    saved.mkdir(mode=PRIVATE, exist_ok=True)
    place = free(saved, origin.version, path)
    with beneath.inside(saved, place.rpartition("/")[0], make=PRIVATE):
        _move(state, path, saved, place)
    return [f"{path} was replaced by the product; what it held before is kept in {saved / place}."]


def _move(root: Path, path: str, target: Path, place: str) -> None:
    """Move a file or folder. A file stays in its old place, too: the caller replaces it."""
    folder, _, name = path.rpartition("/")
    parent, _, new = place.rpartition("/")
    with beneath.inside(root, folder) as origin, beneath.inside(target, parent, make=_OPEN) as handle:
        if stat.S_ISDIR(os.stat(name, dir_fd=origin, follow_symlinks=False).st_mode):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                os.unlink(new, dir_fd=handle)
            os.rename(name, new, src_dir_fd=origin, dst_dir_fd=handle)
        else:
            beneath.clear(handle)
            try:
                os.link(name, PART, src_dir_fd=origin, dst_dir_fd=handle, follow_symlinks=False)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                laying.copy(root, path, target, place, over=True)
            else:
                os.rename(PART, new, src_dir_fd=handle, dst_dir_fd=handle)
                beneath.clear(handle)  # two names of one file: then the rename leaves both
        os.fsync(origin)
        os.fsync(handle)
