"""Takes away what is not needed any more: versions that are not kept, and components that are uninstalled."""

import contextlib
import os

import msgspec

from spot_client import durable
from spot_client.config import Paths
from spot_client.fetch.cache import Cache
from spot_client.fetch.releases import Releases
from spot_client.install import lasting, saved, switch
from spot_client.install.carry import save_changed
from spot_client.install.stage import Stager, releases_of
from spot_client.state import ComponentState, Store
from spot_client.wire.names import split_component

_OWN = ("saved", "state", "versions")  # folders of a component


class Remover:
    """Removes for one installation; used while its lock is held."""

    def __init__(self, store: Store, releases: Releases, cache: Cache, stager: Stager) -> None:
        self._store = store
        self._paths = store.paths
        self._releases = releases
        self._cache = cache
        self._stager = stager

    def sweep(self, component: str) -> None:
        """Remove trees, manifests and cached contents that no version in use or kept needs. Raises OSError."""
        versions = self._paths.versions(component)
        known = self._store.state().components.get(component)
        needed = {release.folder for release in releases_of(known)} | {switch.pointed(self._paths.component(component))}
        for folder in versions.iterdir() if versions.is_dir() else ():
            if folder.name not in needed:
                switch.remove_tree(folder)
        self._forget()

    def uninstall(self, component: str, *, purge: bool) -> list[str]:
        """Remove a component; returns sentences for people. May be done again after it was killed anywhere.

        What was changed is saved first, then the pointer goes, then what the state says, then the trees. Of those, what
        cannot be removed stays: the component is uninstalled all the same.

        Raises:
            LocalFault: `odd-config`, while the pointer still stands.
            OSError: from the disk; with the pointer gone, the next run goes on.
        """
        folder = self._paths.component(component)
        state = self._store.state()
        known = state.components.get(component)
        told = self._save(component, known) if known and not purge else []
        if folder.is_dir():
            switch.unpoint(folder)
        if known:
            if not purge:
                told += self._put_by(component, known)
            components = {ref: entry for ref, entry in state.components.items() if ref != component}
            self._store.write_state(msgspec.structs.replace(state, components=components, owed=True))
        self.clear(component, purge=purge)
        with contextlib.suppress(OSError):
            self._forget()
        return told

    def clear(self, component: str, *, purge: bool) -> None:
        """Remove the trees of a component that is not in use, with `purge` also its state and what was saved.

        What cannot be removed stays (`left_of`).
        """
        folder = self._paths.component(component)
        for name in _OWN if purge else ("versions",):
            with contextlib.suppress(OSError):
                switch.remove_tree(folder / name)
        for emptied in (folder, folder.parent):
            with contextlib.suppress(OSError):  # the product has other components, or something was kept
                emptied.rmdir()

    def _save(self, component: str, known: ComponentState) -> list[str]:
        folder = self._paths.component(component)
        in_use = self._stager.tree_of(component, known.current)
        told = lasting.adopt(in_use, folder / "state", folder / "saved")
        told += save_changed(in_use, folder / "saved")
        for release in known.kept:
            told += save_changed(self._stager.tree_of(component, release), folder / "saved", but=[in_use.tree])
        return told

    def _put_by(self, component: str, known: ComponentState) -> list[str]:
        """Keep a whole tree of which nobody can say what was changed in it, as its manifest cannot be had."""
        tree = self._paths.versions(component) / known.current.folder
        if self._stager.manifest(component, known.current) or not tree.is_dir():
            return []
        place = self._paths.component(component) / "saved"
        durable.make_private(place)
        kept = place / saved.free(place, known.current.version, "tree")
        kept.parent.mkdir(mode=saved.PRIVATE, exist_ok=True)
        tree.rename(kept)
        durable.sync_folder(kept.parent)
        return [f"The manifest of {known.current.version} cannot be had: all of that version is kept in {kept}."]

    def _forget(self) -> None:
        """Remove manifests and cached contents that no release here has."""
        state = self._store.state()
        seals = [release.manifest for entry in state.components.values() for release in releases_of(entry)]
        self._releases.forget_manifests(frozenset(seal.head for seal in seals))
        kept = [self._releases.kept_manifest(seal) for seal in seals]
        self._cache.keep_only({file.sha256 for manifest in kept if manifest for file in manifest.files})


def left_of(paths: Paths, component: str) -> tuple[str, ...]:
    """Paths below the root that are there of a component: of one that is gone, what stayed. Raises BadName."""
    split_component(component)
    folder = paths.component(component)
    return tuple(f"{component}/{name}" for name in (switch.POINTER, *_OWN) if os.path.lexists(folder / name))
