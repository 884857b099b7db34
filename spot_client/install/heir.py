"""What the version in use has as its own, and the new release has as state, is taken over into the state.

It is copied to where nothing is. Where the state holds something else already, that stays, and what the product changed
is saved for people: nothing is lost.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from spot_client.decide.configs import Found, Link, Regular
from spot_client.decide.states import state_entries, state_link
from spot_client.errors import LocalFault
from spot_client.install import beneath, laying
from spot_client.install.carry import Origin
from spot_client.install.saved import save
from spot_client.wire.manifest import Directory, Entry, File, Kind, Symlink

_OPEN = 0o755  # mode of a folder of state that is missing above what is taken over


class Heir:
    """Takes over from the version in use, `origin`, into `state` and `saved`."""

    def __init__(self, origin: Origin, state: Path, saved: Path) -> None:
        self._origin = origin
        self._state = state
        self._saved = saved
        before = origin.manifest
        self._known = {entry.path for entry in state_entries(before)} if before else set()
        self._shipped = dict(_shipped(before.entries)) if before else {}

    def knows(self, path: str) -> bool:
        """Whether `path` was state in the version in use, too."""
        return path in self._known

    def take_over(self, entry: Entry) -> list[str]:
        """Take over what lies at a path that has a link in the new tree; returns sentences about it.

        May be done again.

        Raises:
            LocalFault: reason `odd-state`: it is no file.
            OSError: the disk is full, ...
        """
        found = beneath.status(self._origin.tree, entry.path)
        if found is None:
            return []
        told: list[str] = []
        if isinstance(entry, Directory):
            taken = stat.S_ISDIR(found.st_mode) and self._merge(entry.path, told)
        elif stat.S_ISREG(found.st_mode) or beneath.there(self._state, entry.path):
            taken = self._bring(entry.path, told)
        else:
            self._refuse_odd(entry.path)
            taken = False
        if taken:
            told.insert(0, f"{entry.path} is kept outside the versions now: what it was here has been taken over.")
        return told

    def _merge(self, path: str, told: list[str]) -> bool:
        """Bring files, links and folders below `path`; True if any came into the state.

        Pipes, sockets and devices are left out: they hold nothing.
        """
        done = False
        ahead = [path]
        while ahead:
            folder = ahead.pop()
            with beneath.inside(self._origin.tree, folder) as handle:
                status = os.fstat(handle)
                with os.scandir(handle) as found:
                    entries = [(one.name, one.is_dir(follow_symlinks=False), _is_content(one)) for one in found]
            if not beneath.there(self._state, folder):
                owner = (status.st_uid, status.st_gid)
                done |= laying.put_folder(self._state, folder, status.st_mode & 0o777, owner=owner)
            for name, is_folder, is_content in entries:
                if is_folder:
                    ahead.append(f"{folder}/{name}")
                elif is_content:
                    done |= self._bring(f"{folder}/{name}", told)
        return done

    def _bring(self, path: str, told: list[str]) -> bool:
        """Copy a file or link to where nothing is, and return True; or save it, if it would be lost."""
        tree = self._origin.tree
        if self._is_link_to_state(path):
            return False
        if not beneath.there(self._state, path):
            return laying.copy(tree, path, self._state, path, make=_OPEN)
        if self.knows(path):  # `lasting.adopt` sees to what the product put in place of its link
            return False
        ours = beneath.look(tree, path)
        if isinstance(ours, Regular | Link) and ours not in (self._shipped.get(path), beneath.look(self._state, path)):
            place = save(self._saved, self._origin.version, path, tree)
            told.append(
                f"{path} is kept outside the versions now, and lay there already: that stays. "
                f"What it was in {self._origin.version} is kept in {self._saved / place}."
            )
        return False

    def _is_link_to_state(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        with contextlib.suppress(OSError), beneath.inside(self._origin.tree, folder) as handle:
            return os.readlink(name, dir_fd=handle) == state_link(path)
        return False

    def _refuse_odd(self, path: str) -> None:
        if isinstance(self._shipped.get(path), Regular):
            raise LocalFault(
                "odd-state",
                f"{self._origin.tree / path} is to be kept outside the versions from now on, and is not the file that "
                "its release put there. Move it away, and run it again.",
            )


def _shipped(entries: tuple[Entry, ...]) -> Iterator[tuple[str, Found]]:
    """What a release came with in its tree, but for state."""
    for entry in entries:
        if isinstance(entry, File) and entry.kind is not Kind.STATE:
            yield entry.path, Regular(entry.sha256)
        elif isinstance(entry, Symlink):
            yield entry.path, Link(entry.target)


def _is_content(entry: "os.DirEntry[str]") -> bool:
    return entry.is_symlink() or entry.is_file(follow_symlinks=False)
