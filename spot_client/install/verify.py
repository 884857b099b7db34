"""Looks a version over: what is damaged, what was changed here, what was added. Changes nothing."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from spot_client.decide.configs import beside, configs
from spot_client.decide.states import tree_entries
from spot_client.errors import SpotError
from spot_client.fetch.releases import Releases
from spot_client.install import lasting, switch
from spot_client.install.assemble import damage
from spot_client.install.beneath import PART
from spot_client.install.carry import changed
from spot_client.install.faults import local_fault
from spot_client.state import ComponentState, Installed, Store
from spot_client.wire.manifest import Manifest

MAX_ADDED: Final = 1000
"""Most added files that are listed."""


class Survey(msgspec.Struct, frozen=True):
    """How a tree was found; paths are relative to it.

    damaged: entries that are not as the release has them; and state that is gone, as `state/PATH`.
    changed: configuration files that were changed or deleted here, which is no damage.
    added: files, and folders as a whole, that are not of the release; `MAX_ADDED` at most.
    """

    damaged: tuple[str, ...]
    changed: tuple[str, ...]
    added: tuple[str, ...]


def survey(manifest: Manifest, tree: Path, state: Path) -> Survey:
    """Hold every file of a tree to its manifest. State has to be there; what is in it is nobody's but the product's.

    Raises:
        OSError: a configuration file cannot be read.
    """
    return Survey(
        damaged=(*damage(manifest, tree), *(f"state/{path}" for path in lasting.missing(manifest, state, tree))),
        changed=tuple(changed(manifest, tree)),
        added=tuple(islice(_added(manifest, tree), MAX_ADDED)),
    )


class Verifier:
    """Looks over the versions of one installation that are here."""

    def __init__(self, store: Store, releases: Releases) -> None:
        self._paths = store.paths
        self._releases = releases

    def in_use(self, component: str, release: Installed) -> Survey:
        """Look over the version in use, and the pointer to it (`current`).

        Raises:
            NotTrusted, NotReachable, Refused: its manifest is missing here, and cannot be had.
            LocalFault: a file cannot be read, or SPOT's own folders are not what they have to be (`check_places`).
        """
        switch.check_places(self._paths.component(component))
        manifest = self._releases.manifest(component, release.version, release.platform, release.manifest)
        state = self._paths.component(component) / "state"
        try:
            found = survey(manifest, self._paths.versions(component) / release.folder, state)
        except OSError as error:
            raise local_fault(error, f"{component} could not be looked over") from error
        if switch.pointed(self._paths.component(component)) == release.folder:
            return found
        return msgspec.structs.replace(found, damaged=(switch.POINTER, *found.damaged))

    def kept(self, component: str, known: ComponentState) -> list[tuple[Installed, tuple[str, ...]]]:
        """The kept versions that are damaged, and what is: `manifest` where that is missing and cannot be had.

        One that a repair replaced is not looked at: it goes with the next change, and nothing goes back to it.
        """
        releases = [release for release in known.kept if release.manifest != known.current.manifest]
        found = [(release, self._damage(component, release)) for release in releases]
        return [(release, paths) for release, paths in found if paths]

    def _damage(self, component: str, release: Installed) -> tuple[str, ...]:
        try:
            manifest = self._releases.manifest(component, release.version, release.platform, release.manifest)
        except SpotError:
            return ("manifest",)
        return tuple(damage(manifest, self._paths.versions(component) / release.folder))


def _added(manifest: Manifest, tree: Path) -> Iterator[str]:
    known = {entry.path for entry in tree_entries(manifest)} | {beside(path) for path in configs(manifest)}
    ahead = [""]
    while ahead:
        folder = ahead.pop()
        try:
            found = sorted(os.scandir(tree / folder), key=lambda entry: entry.name)
        except OSError:  # gone or closed: `damage` says so
            continue
        for entry in found:
            path = f"{folder}/{entry.name}".lstrip("/")
            if path not in known and entry.name != PART:
                yield path.encode(errors="replace").decode()
            elif entry.is_dir(follow_symlinks=False):
                ahead.append(path)
