"""One change of one component, journalled: stage a tree, put it into use, remember it, clear away what is not kept.

    journal begins → tree staged and made durable → pointer switched → state written → journal ends → sweep

Killed anywhere, `recover` finishes or undoes (`install.journal`). The folder of a version in use is never touched.
"""

import contextlib
import shutil
from collections.abc import Callable

import msgspec

from spot_client import durable
from spot_client.believe import believing
from spot_client.config import Paths
from spot_client.decide.plan import Plan, plan
from spot_client.errors import LocalFault
from spot_client.fetch.cache import Cache
from spot_client.fetch.releases import Releases
from spot_client.install import switch
from spot_client.install.assemble import Spoiled, build, check_supported, damage, unpack
from spot_client.install.journal import Entry, Journal
from spot_client.state import ComponentState, Installed, State, Store
from spot_client.wire.manifest import Manifest
from spot_client.wire.pack import Span

_SPARE = 16 * 2**20  # bytes that stay free on the disk whatever we install
_MAX_SPOILED = 1000  # contents found damaged in one change before we give the machine up


class Progress(msgspec.Struct, frozen=True):
    """Told of bytes: `fetched` as they come over the network, `written` as files of the new tree are done."""

    fetched: Callable[[int], None]
    written: Callable[[int], None]
    spoiled: Callable[[str], None]


class Changer:
    """Changes components of one installation; used while its lock is held."""

    def __init__(self, store: Store, releases: Releases, cache: Cache, *, keep: int) -> None:
        self._store = store
        self._paths: Paths = store.paths
        self._releases = releases
        self._cache = cache
        self._journal = Journal(store.paths)
        self._keep = keep

    def recover(self) -> str | None:
        """Finish or undo what an earlier run left; returns one sentence about it, or None if it left nothing."""
        entry = self._journal.read()
        if entry is None:
            return None
        what = f"{entry.component} {entry.target.version}"
        if switch.pointed(self._paths.component(entry.component)) == entry.target.folder:
            self._remember(entry.component, entry.target)
            outcome = f"An interrupted change to {what} has been finished."
        else:
            if entry.staged:
                switch.remove_tree(self._paths.versions(entry.component) / entry.target.folder)
            outcome = f"An interrupted change to {what} has been undone."
        self._journal.end()
        self.sweep(entry.component)
        return outcome

    def plan(self, component: str, manifest: Manifest, spoiled: frozenset[str] = frozenset()) -> Plan:
        """How the contents of a release would come here now, without those found `spoiled`."""
        trees = {sha: path for sha, path in self._trees(component).items() if sha not in spoiled}
        blocks = self._cache.block_bytes()
        return plan(manifest, trees=trees, cached=self._cache.contents() - spoiled, blocks_here=blocks)

    def whole_kept(self, component: str, wanted: Installed, manifest: Manifest) -> Installed | None:
        """A tree of the release `wanted` that is kept here and still is, file by file, what its manifest says."""
        known = self._store.state().components.get(component)
        for kept in _releases(known) if known else ():
            tree = self._paths.versions(component) / kept.folder
            if kept.manifest == wanted.manifest and not any(damage(manifest, tree)):
                return kept
        return None

    def change(
        self, component: str, wanted: Installed, manifest: Manifest, *, kept: Installed | None, progress: Progress
    ) -> None:
        """Put the release `wanted` into use: the tree `kept` (from `whole_kept`), or a new one in a folder chosen here.

        Raises:
            RefusedLocally: reason `unsupported`.
            LocalFault: `disk-full` before anything is written: nothing has changed; `not-recorded`: the release is in
                use, and the next run records that.
            OSError: while writing; nothing has changed.
            NotTrusted, NotReachable, Refused: from fetching; nothing has changed, and what was fetched is kept.
        """
        check_supported(manifest)
        folder = switch.free_folder(self._paths.versions(component), wanted.version)
        target = kept or msgspec.structs.replace(wanted, folder=folder)
        self._journal.begin(Entry(component=component, target=target, staged=kept is None))
        try:
            if kept is None:
                self._stage(component, target, manifest, progress)
            switch.point(self._paths.component(component), target.folder)
        except BaseException:
            self.recover()
            raise
        try:
            self._remember(component, target)
            self._journal.end()
        except OSError as error:
            raise LocalFault(
                "not-recorded",
                f"{component} {target.version} is in use, but that could not be written down: {error.strerror}. "
                "Make room on the disk; the next run of SPOT records it.",
            ) from error
        self._cache.drop_blocks()
        self.sweep(component)

    def sweep(self, component: str) -> None:
        """Remove trees, manifests and cached contents that no version in use or kept needs.

        What cannot be removed now is left to the next sweep: the change it follows has happened all the same.
        """
        with contextlib.suppress(OSError):
            self._sweep(component)

    def _sweep(self, component: str) -> None:
        state = self._store.state()
        known = state.components.get(component)
        folders = {release.folder for release in _releases(known)} if known else set()
        versions = self._paths.versions(component)
        for folder in versions.iterdir() if versions.is_dir() else ():
            if folder.name not in folders and folder.name != switch.pointed(self._paths.component(component)):
                switch.remove_tree(folder)
        seals = [release.manifest for entry in state.components.values() for release in _releases(entry)]
        self._releases.forget_manifests(frozenset(seal.head for seal in seals))
        kept = [self._releases.kept_manifest(seal) for seal in seals]
        self._cache.keep_only({file.sha256 for manifest in kept if manifest for file in manifest.files})

    def _stage(self, component: str, target: Installed, manifest: Manifest, progress: Progress) -> None:
        staged = self._paths.versions(component) / target.folder
        spoiled: frozenset[str] = frozenset()
        while True:
            steps = self.plan(component, manifest, spoiled)
            self._check_space(steps)
            with believing():
                unpack(steps, self._cache, self._reader(manifest, progress))
            switch.remove_tree(staged)
            staged.mkdir(parents=True, mode=0o755)
            try:
                build(manifest, steps, staged, cache=self._cache, root=self._paths.root, advance=progress.written)
            except Spoiled as found:
                progress.spoiled(str(found.path))
                self._cache.discard(found.sha256)
                spoiled |= {found.sha256}
                if len(spoiled) > _MAX_SPOILED:
                    raise LocalFault("bad-disk", "Over and over, files here are not what was written.") from found
                continue
            durable.sync_tree(staged)
            durable.sync_folder(staged.parent)
            return

    def _reader(self, manifest: Manifest, progress: Progress) -> Callable[[Span], bytes]:
        return lambda span: self._releases.block(manifest, span, progress.fetched)

    def _remember(self, component: str, target: Installed) -> None:
        state = self._store.state()
        known = state.components.get(component)
        others = tuple(release for release in _releases(known) if release.folder != target.folder) if known else ()
        seen = {**(known.seen if known else {}), f"{target.version} {target.platform}": target.manifest.head}
        entry = ComponentState(current=target, kept=others[: self._keep - 1], seen=seen)
        components = {**state.components, component: entry}
        self._store.write_state(State(components=components, owed=True))

    def _trees(self, component: str) -> dict[str, str]:
        """Path below the root by digest of every content of the component's installed releases."""
        known = self._store.state().components.get(component)
        trees: dict[str, str] = {}
        for release in _releases(known) if known else ():
            manifest = self._releases.kept_manifest(release.manifest)
            folder = self._paths.versions(component).relative_to(self._paths.root) / release.folder
            for file in manifest.files if manifest else ():
                trees.setdefault(file.sha256, f"{folder}/{file.path}")
        return trees

    def _check_space(self, steps: Plan) -> None:
        free = shutil.disk_usage(self._paths.root).free
        if free < steps.disk_bytes + _SPARE:
            needed = (steps.disk_bytes + _SPARE) // 2**20 + 1
            raise LocalFault(
                "disk-full", f"{needed} MiB are needed on the disk of {self._paths.root}, {free // 2**20} MiB are free."
            )


def _releases(entry: ComponentState) -> tuple[Installed, ...]:
    return (entry.current, *entry.kept)
