"""One change of one component, journalled: stage a tree, put it into use, remember it, clear away what is not kept.

    journal begins → tree staged and made durable → pointer switched → state written → sweep → journal ends

Killed anywhere, `recover` finishes or undoes (`install.journal`). The folder of a version in use is never touched, but
for links to state that the product replaced (`install.lasting`).
"""

import contextlib
from collections.abc import Callable
from datetime import datetime

import msgspec

from spot_client.decide.plan import Plan
from spot_client.errors import LocalFault
from spot_client.fetch.cache import Cache
from spot_client.fetch.releases import Releases
from spot_client.history import Action, Event, History
from spot_client.install import lasting, saved, switch
from spot_client.install.assemble import check_supported
from spot_client.install.carry import save_changed
from spot_client.install.faults import local_fault, not_recorded, reason_of
from spot_client.install.heir import Heir
from spot_client.install.journal import MAX_NOTICES, Entry, Journal
from spot_client.install.remove import Remover
from spot_client.install.stage import Progress, Stager, releases_of
from spot_client.state import ComponentState, Installed, Store
from spot_client.wire.manifest import Manifest

__all__ = ["Changer", "Progress"]


class Changer:
    """Changes components of one installation; used while its lock is held. `now`: the clock, in UTC."""

    def __init__(
        self, store: Store, releases: Releases, cache: Cache, *, keep: int, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._paths = store.paths
        self._releases = releases
        self._cache = cache
        self._journal = Journal(store.paths)
        self._history = History(store.paths.own / "history.jsonl")
        self._stager = Stager(store, releases, cache)
        self._remover = Remover(store, releases, cache, self._stager)
        self._keep = keep
        self._now = now

    def recover(self) -> tuple[str, ...]:
        """Finish or undo what an earlier run left; returns sentences about it, none if it left nothing.

        Raises:
            LocalFault: the journal cannot be read, or what is to be finished cannot be: nothing is lost.
        """
        entry = self._journal.read()
        if entry is None:
            return ()
        what = f"{entry.component} {entry.target.version}"
        if entry.action is Action.UNINSTALL:
            self._tidy(entry)
            notices = self._uninstall(entry, "finished-after-interruption")
            return (f"An interrupted uninstallation of {what} has been finished.", *notices)
        if self._settle(entry, "finished-after-interruption", "undone-after-interruption"):
            return (f"An interrupted change to {what} has been finished.", *entry.notices)
        return (f"An interrupted change to {what} has been undone.",)

    def plan(self, component: str, manifest: Manifest) -> Plan:
        """How the contents of a release would come here now."""
        return self._stager.plan(component, manifest)

    def whole_kept(self, component: str, wanted: Installed, manifest: Manifest) -> Installed | None:
        """A tree of the release `wanted` that is kept here and can be used as it is (`Stager.whole_kept`)."""
        return self._stager.whole_kept(component, wanted, manifest)

    def change(
        self,
        component: str,
        wanted: Installed,
        manifest: Manifest,
        *,
        action: Action,
        kept: Installed | None,
        progress: Progress,
    ) -> tuple[str, ...]:
        """Put the release `wanted` into use: the tree `kept` (from `whole_kept`), or a new one in a folder chosen here.

        Returns sentences for people about configuration and state.

        Raises:
            RefusedLocally: reason `unsupported`.
            LocalFault: `not-recorded`: the release is in use, and the next run records that; all other reasons
                (`disk-full`, `local`, `bad-disk`, `odd-config`, `odd-state`, `not-a-folder`, `not-a-pointer`): nothing
                has changed.
            NotTrusted, NotReachable, Refused: from fetching; nothing has changed, and what was fetched is kept.
        """
        check_supported(manifest)
        switch.check_places(self._paths.component(component))
        known = self._store.state().components.get(component)
        folder = switch.free_folder(self._paths.versions(component), wanted.version)
        target = kept or msgspec.structs.replace(wanted, folder=folder)
        old = known.current.version if known else None
        entry = Entry(component=component, action=action, target=target, old=old, staged=kept is None)
        heir = self._stager.heir(
            component, manifest, lambda laid: self._journal.begin(msgspec.structs.replace(entry, laid=laid))
        )
        try:
            self._journal.begin(entry)
            entry = self._prepare(entry, known, manifest, heir, progress)
            switch.point(self._paths.component(component), target.folder)
        except BaseException as error:
            self._abort(msgspec.structs.replace(entry, laid=heir.laid), error)
            if isinstance(error, OSError):
                raise local_fault(error, f"{component} was not changed") from error
            raise
        try:
            self._remember(entry)
            self._cache.drop_blocks()
            self.sweep(component)
            self._note(entry, "done")
            self._journal.end()
        except OSError as error:
            raise not_recorded(f"{entry.component} {entry.target.version}", error) from error
        return entry.notices

    def uninstall(self, component: str, *, purge: bool) -> tuple[str, ...]:
        """Remove a component that is installed; returns sentences for people.

        Its state, what was saved of it, and configuration that was changed stay, unless `purge`.

        Raises:
            LocalFault: nothing has changed; or, as the sentence then says, the next run goes on with the rest.
        """
        known = self._store.state().components[component]
        switch.check_places(self._paths.component(component))
        entry = Entry(
            component=component, action=Action.UNINSTALL, target=known.current, old=known.current.version, purge=purge
        )
        try:
            self._journal.begin(entry)
        except OSError as error:
            raise local_fault(error, f"{component} was not uninstalled") from error
        return self._uninstall(entry, "done")

    def purge(self, component: str) -> None:
        """Remove what is left of a component that is not installed; what cannot be removed stays.

        Raises:
            LocalFault: nothing has changed.
        """
        folder = self._paths.component(component)
        switch.check_places(folder)
        try:
            switch.unpoint(folder)
            self._remover.clear(component, purge=True)
        except OSError as error:
            raise local_fault(error, f"{component} was not removed") from error

    def drop(self, component: str, folders: frozenset[str]) -> tuple[str, ...]:
        """Remove kept versions; returns sentences for people. Raises `LocalFault`: nothing has changed."""
        state = self._store.state()
        known = state.components[component]
        left = msgspec.structs.replace(
            known, kept=tuple(release for release in known.kept if release.folder not in folders)
        )
        try:
            told = self._save_of_dropped(component, known, left)
            components = {**state.components, component: left}
            self._store.write_state(msgspec.structs.replace(state, components=components))
        except OSError as error:
            raise local_fault(error, f"{component} was not changed") from error
        self.sweep(component)
        return tuple(told)

    def sweep(self, component: str) -> None:
        """Remove trees, manifests and cached contents that no version in use or kept needs.

        What cannot be removed now is left to the next sweep: the change it follows has happened all the same.
        """
        with contextlib.suppress(OSError):
            self._remover.sweep(component)

    def _prepare(
        self, entry: Entry, known: ComponentState | None, manifest: Manifest, heir: Heir, progress: Progress
    ) -> Entry:
        """Everything before the switch; the sentences about it are in the journal before it is made."""
        component, told = entry.component, []
        folder = self._paths.component(component)
        if entry.staged:
            origin = self._stager.origin(component, entry.target)
            told += self._stager.stage(component, entry.target, manifest, origin=origin, heir=heir, progress=progress)
        else:
            told += heir.take_over()
            told += self._stager.lay_missing(component, entry.target, manifest, heir, progress)
        if known is None and saved.folders(folder / "saved"):
            told.append(f"What was changed in an earlier installation is kept in {folder / 'saved'}; it is not used.")
        if known:
            in_use = self._stager.tree_of(component, known.current)
            if in_use.manifest is None:
                told.append(
                    f"The manifest of {component} {in_use.version} is missing here and cannot be had: what was changed "
                    f"in that version cannot be told from what came with it. It stays in {in_use.tree} for now."
                )
            told += lasting.adopt(in_use, folder / "state", folder / "saved")
            if in_use.manifest:
                told += lasting.left_behind(in_use.manifest, manifest, folder / "state")
            told += self._save_of_dropped(component, known, self._following(known, entry.target))
        if told:
            entry = msgspec.structs.replace(entry, notices=_cut(told), laid=heir.laid)
            self._journal.begin(entry)
        return entry

    def _save_of_dropped(self, component: str, known: ComponentState, following: ComponentState) -> list[str]:
        """Save changed configuration of versions that go, where no version that stays has it just so."""
        folder = self._paths.component(component)
        staying = {release.folder for release in releases_of(following)}
        but = [self._paths.versions(component) / name for name in sorted(staying)]
        told = []
        for release in known.kept:
            if release.folder not in staying:
                told += save_changed(self._stager.tree_of(component, release), folder / "saved", but=but)
        return told

    def _abort(self, entry: Entry, error: BaseException) -> None:
        """After a failure: undo; or, where the pointer has been switched all the same, say that it was."""
        if self._settle(entry, "done", f"failed: {reason_of(error)}") and isinstance(error, OSError):
            raise not_recorded(f"{entry.component} {entry.target.version}", error) from error

    def _settle(self, entry: Entry, finished: str, undone: str) -> bool:
        """Finish a change that came to its switch, and return True; or undo it."""
        component = self._paths.component(entry.component)
        reached = switch.pointed(component) == entry.target.folder
        self._tidy(entry)
        if reached:
            self._remember(entry)
        else:
            self._stager.undo(entry)
        self.sweep(entry.component)
        self._note(entry, finished if reached else undone)
        self._journal.end()
        return reached

    def _tidy(self, entry: Entry) -> None:
        """Remove what a killed run was writing beside what is not SPOT's own."""
        for release in (entry.target, *releases_of(self._store.state().components.get(entry.component))):
            manifest = self._releases.kept_manifest(release.manifest)
            tree = self._paths.versions(entry.component) / release.folder
            with contextlib.suppress(OSError):
                if manifest:
                    lasting.tidy(manifest, self._paths.component(entry.component), tree)

    def _uninstall(self, entry: Entry, outcome: str) -> tuple[str, ...]:
        meaning = f"{entry.component} was not uninstalled"
        try:
            told = self._remover.uninstall(entry.component, purge=entry.purge)
        except (OSError, LocalFault) as error:
            if switch.pointed(self._paths.component(entry.component)) is None:
                meaning = f"{entry.component} is not in use any more, and the next run removes the rest"
            else:
                self._note(entry, f"failed: {reason_of(error)}")
                self._journal.end()
            raise local_fault(error, meaning) if isinstance(error, OSError) else error from error
        self._note(entry, outcome)
        self._journal.end()
        return _cut(told)

    def _following(self, known: ComponentState | None, target: Installed) -> ComponentState:
        """What is in use and kept after a switch to `target`.

        A tree that a repair replaced stays until the next change, uncounted: the product may still run from it.
        """
        others = [release for release in releases_of(known) if release.folder != target.folder]
        repaired = [release for release in others[:1] if release.manifest == target.manifest]
        rest = [release for release in others if release.manifest != target.manifest]
        seen = {**(known.seen if known else {}), f"{target.version} {target.platform}": target.manifest.head}
        return ComponentState(current=target, kept=(*repaired, *rest[: self._keep - 1]), seen=seen)

    def _remember(self, entry: Entry) -> None:
        state = self._store.state()
        following = self._following(state.components.get(entry.component), entry.target)
        components = {**state.components, entry.component: following}
        self._store.write_state(msgspec.structs.replace(state, components=components, owed=True))

    def _note(self, entry: Entry, outcome: str) -> None:
        """Write the history. That it cannot be written is no reason to fail what it tells of."""
        new = None if entry.action is Action.UNINSTALL else entry.target.version
        at = f"{self._now():%Y-%m-%dT%H:%M:%SZ}"
        event = Event(at=at, component=entry.component, action=entry.action, old=entry.old, new=new, outcome=outcome)
        with contextlib.suppress(OSError):
            self._history.add(event)


def _cut(told: list[str]) -> tuple[str, ...]:
    if len(told) <= MAX_NOTICES:
        return tuple(told)
    return (*told[:MAX_NOTICES], f"And {len(told) - MAX_NOTICES} more of that kind.")
