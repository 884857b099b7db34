"""What the version in use has as its own, and the new release has as state, is taken over before the switch.

Until the switch the version in use is the truth: what was changed in it goes into the state, and what the state held
there before is set aside, for people. What was not changed in it leaves the state as it is. All of it is planned and
journalled first, so that a change that is undone leaves the state as it was (`undo`), and the next try begins anew.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from spot_client import durable
from spot_client.decide.configs import Found, Link, Regular
from spot_client.decide.states import state_entries, state_link, state_links
from spot_client.errors import LocalFault
from spot_client.install import beneath, laying
from spot_client.install.carry import Origin
from spot_client.install.journal import Laid
from spot_client.install.saved import PRIVATE, free
from spot_client.wire.manifest import Directory, Entry, File, Kind, Manifest, Symlink

_OPEN = 0o755  # mode of a folder of state that is missing above what is taken over
_MAX_NEW = 10_000  # paths in the journal; what is more stays after an undone change, and is set aside by the next


class Heir:
    """Takes over for the release `manifest` from the version in use, `origin` (None: nothing is installed).

    record: told what will be done, before anything is; it makes that durable.
    """

    def __init__(
        self, manifest: Manifest, origin: Origin | None, state: Path, saved: Path, record: Callable[[Laid], None]
    ) -> None:
        self._manifest = manifest
        self._origin = origin
        self._state = state
        self._saved = saved
        self._record = record
        before = origin.manifest if origin else None
        self._known = {entry.path for entry in state_entries(before)} if before else set()
        self._linked = state_links(before).keys() if before else set()
        self._above = {one for link in self._linked for one in _with_above(link)}
        self._shipped = dict(_shipped(before.entries)) if before else {}
        self._taken: list[str] = []
        self.laid: Laid | None = None
        """What is done to the state, once that is known."""

    def knows(self, path: str) -> bool:
        """Whether `path` was state in the version in use, too."""
        return path in self._known

    def stays(self, path: str) -> bool:
        """Whether what the state has at `path` will surely not be set aside."""
        if self._origin is None or self._was_linked(path):
            return True
        return not any(beneath.status(self._origin.tree, one) for one in _with_above(path))

    def take_over(self) -> list[str]:
        """Take over all that becomes state; returns sentences about it. May be done again by the same heir.

        Raises:
            LocalFault: reason `odd-state`: something cannot be taken over; nothing has changed.
            OSError: the disk is full, ...: `undo` is called for.
        """
        if self.laid is None:
            aside = tuple(self._plan())
            self.laid = Laid(new=tuple(self._new())[:_MAX_NEW], aside=aside)
            if self.laid != Laid():
                self._record(self.laid)
        places = dict(self.laid.aside)
        if places:
            durable.make_private(self._saved)
        for path, place in places.items():
            if not beneath.there(self._saved, place):
                laying.move(self._state, path, self._saved, place, make=PRIVATE)
        if self._origin and self._taken:
            self._state.mkdir(mode=_OPEN, exist_ok=True)
            for path in self._taken:
                self._merge(self._origin.tree, path)
        return [_sentence(path, self._saved / places[path] if path in places else None) for path in self._taken]

    def _plan(self) -> Iterator[tuple[str, str]]:
        """Collect what is taken; yields what is set aside for it, with its place below `saved`."""
        links = state_links(self._manifest)
        for entry in state_entries(self._manifest):
            if self._origin and entry.path in links and not self._was_linked(entry.path):
                for path in self._wanted(self._origin, entry):
                    self._taken.append(path)
                    if beneath.there(self._state, path):
                        self._check_disk(path)
                        yield path, free(self._saved, self._origin.version, path)

    def _wanted(self, origin: Origin, entry: Entry) -> Iterable[str]:
        """Paths that are taken over of what lies at one link of the new tree."""
        path = entry.path
        found, here = beneath.status(origin.tree, path), beneath.there(self._state, path)
        if found is None or (here and beneath.status(self._state, path) is None):
            return ()
        if isinstance(entry, Directory):
            return self._wanted_below(origin, path, here=here) if stat.S_ISDIR(found.st_mode) else ()
        if stat.S_ISREG(found.st_mode):
            return (path,) if not here or self._is_changed(origin, path) else ()
        if isinstance(self._shipped.get(path), Regular):
            what = f"{origin.tree / path} is to be kept outside the versions from now on, and is not the file that its"
            raise LocalFault("odd-state", f"{what} release put there. Move it away, and run it again.")
        return ()

    def _wanted_below(self, origin: Origin, folder: str, *, here: bool) -> Iterable[str]:
        """The folder as a whole, or, where state of the version in use lies in it, the files beside that."""
        found = list(beneath.contents(origin.tree, folder))
        own = [path for path in found if not self._is_state(origin.tree, path)]
        if not here:
            return (folder,)
        if len(own) == len(found):
            shipped = {path for path in self._shipped if path.startswith(f"{folder}/")}
            return (folder,) if shipped - set(found) or any(self._is_changed(origin, path) for path in own) else ()
        return [path for path in own if not beneath.there(self._state, path) or self._is_changed(origin, path)]

    def _is_changed(self, origin: Origin, path: str) -> bool:
        """Whether a file or link is neither as it was shipped nor as the state has it already."""
        ours = beneath.look(origin.tree, path)
        return ours not in (self._shipped.get(path), beneath.look(self._state, path))

    def _was_linked(self, path: str) -> bool:
        return any(one in self._linked for one in _with_above(path))

    def _is_state(self, tree: Path, path: str) -> bool:
        """Whether this is a link to state, or what the product put in its place (`lasting.adopt` sees to that)."""
        folder, _, name = path.rpartition("/")
        with contextlib.suppress(OSError), beneath.inside(tree, folder) as handle:
            return os.readlink(name, dir_fd=handle) == state_link(path)
        return path in self._linked

    def _new(self) -> Iterator[str]:
        """Paths of state where nothing is, the uppermost of each; but for what the version in use can see."""
        if not os.path.lexists(self._state):
            if not self._linked:
                yield ""
            return
        told = set()
        for path in sorted({*(entry.path for entry in state_entries(self._manifest)), *self._taken}):
            gone = next((one for one in _with_above(path) if not beneath.there(self._state, one)), None)
            if gone and gone not in told and not self._is_seen(gone):
                told.add(gone)
                yield gone

    def _is_seen(self, path: str) -> bool:
        """Whether a link of the version in use leads to what is at, above or below `path`."""
        return self._was_linked(path) or path in self._above

    def _check_disk(self, path: str) -> None:
        ours, theirs = beneath.status(self._state, path), self._state.parent.stat()
        if ours and ours.st_dev != theirs.st_dev:
            what = f"{self._state / path} lies on a disk of its own, and holds something else than the version in use"
            raise LocalFault("odd-state", f"{what}. Move it away, and run it again.")

    def _merge(self, tree: Path, path: str) -> None:
        """Copy a file, a link, or a folder with all that is in it, where nothing is."""
        found = beneath.status(tree, path)
        if found is None or not stat.S_ISDIR(found.st_mode):
            laying.copy(tree, path, self._state, path, make=_OPEN)
            return
        for folder in beneath.folders(tree, path):
            status = beneath.status(tree, folder)
            if status and not beneath.there(self._state, folder):
                owner = (status.st_uid, status.st_gid)
                laying.put_folder(self._state, folder, status.st_mode & 0o777, owner=owner)
        for file in beneath.contents(tree, path):
            if not self._is_state(tree, file) and not beneath.there(self._state, file):
                laying.copy(tree, file, self._state, file)


def undo(laid: Laid, state: Path, saved: Path) -> None:
    """Take back what a change did to the state that did not come to its switch. May be done again. Raises OSError."""
    for path, place in laid.aside:
        if beneath.there(saved, place):
            laying.remove(state, path)
            laying.move(saved, place, state, path, make=_OPEN)
            _prune(saved, place)
    for path in laid.new:
        laying.remove(state, path) if path else laying.remove(state.parent, state.name)


def _sentence(path: str, place: Path | None) -> str:
    before = f", and what lay there before is kept in {place}" if place else ""
    return f"{path} is kept outside the versions now: what it was here has been taken over{before}."


def _shipped(entries: tuple[Entry, ...]) -> Iterator[tuple[str, Found]]:
    """What a release came with in its tree, but for state."""
    for entry in entries:
        if isinstance(entry, File) and entry.kind is not Kind.STATE:
            yield entry.path, Regular(entry.sha256)
        elif isinstance(entry, Symlink):
            yield entry.path, Link(entry.target)


def _with_above(path: str) -> Iterator[str]:
    """The folders above a path, and itself, from the uppermost."""
    return (path[:at] for at, char in enumerate(f"{path}/") if char == "/")


def _prune(saved: Path, place: str) -> None:
    """Remove the folders that held `place` and hold nothing any more."""
    for folder in reversed([*_with_above(place)][:-1]):
        with contextlib.suppress(OSError):
            (saved / folder).rmdir()
    with contextlib.suppress(OSError):
        saved.rmdir()
