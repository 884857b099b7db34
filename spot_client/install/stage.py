"""Makes the tree of a release, new and whole, in a folder that nothing points to yet.

plan → fetch → unpack → build → state laid → configuration carried → all of it durable

A source that turns out to be spoilt is left out, and the same is planned again without it.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
from packaging.version import Version

from spot_client import durable
from spot_client.believe import believing
from spot_client.decide.configs import configs
from spot_client.decide.plan import FromTree, Plan, plan
from spot_client.errors import LocalFault, SpotError
from spot_client.fetch.cache import Cache
from spot_client.fetch.releases import Releases
from spot_client.install import lasting, switch
from spot_client.install.assemble import Spoiled, build, damage, fill, unpack
from spot_client.install.carry import Origin, carry
from spot_client.install.heir import Heir, undo
from spot_client.install.journal import Entry, Laid
from spot_client.state import ComponentState, Installed, Store
from spot_client.wire.manifest import File, Kind, Manifest

_SPARE = 16 * 2**20  # bytes that stay free on the disk whatever we install
_TOLD = 10  # most paths in one sentence
_ROUNDS = 4  # cache, trees, pack, and what the pack brought: spoilt again, and we give the machine up


class Progress(msgspec.Struct, frozen=True):
    """Told of bytes: `fetched` as they come over the network, `written` as files of the new tree are done; and of files
    here that are `spoiled`."""

    fetched: Callable[[int], None]
    written: Callable[[int], None]
    spoiled: Callable[[str], None]


class _Work(msgspec.Struct, frozen=True):
    component: str
    manifest: Manifest
    staged: Path
    heir: Heir
    progress: Progress


class Stager:
    """Makes trees for one installation; used while its lock is held."""

    def __init__(self, store: Store, releases: Releases, cache: Cache) -> None:
        self._store = store
        self._paths = store.paths
        self._releases = releases
        self._cache = cache

    def plan(
        self, component: str, manifest: Manifest, *, spoiled: frozenset[str] = frozenset(), heir: Heir | None = None
    ) -> Plan:
        """How the contents of a release would come here now, without those found `spoiled`.

        heir: of the change that is under way, which may set state aside that is here.
        """
        trees = dict(self._contents(component))
        here = lasting.present(manifest, self._paths.component(component) / "state")
        return plan(
            manifest,
            trees={sha256: path for sha256, path in trees.items() if sha256 not in spoiled},
            cached=self._cache.contents() - spoiled,
            blocks_here=self._cache.block_bytes(),
            skip=frozenset(path for path in here if heir is None or heir.stays(path)),
        )

    def whole_kept(self, component: str, wanted: Installed, manifest: Manifest) -> Installed | None:
        """A tree of the release `wanted` that is kept here and can be used as it is, or None.

        It must be, file by file, what its manifest says. On the way forward it must have no configuration, nor the
        version in use: the way back finds the configuration it had, but the way forward never brings an older one back.
        """
        known = self._store.state().components.get(component)
        for kept in releases_of(known):
            if kept.manifest != wanted.manifest:
                continue
            if known and not _is_back(wanted, known) and self._has_config(manifest, known.current):
                return None
            if not any(damage(manifest, self._tree(component, kept))):
                return kept
        return None

    def origin(self, component: str, wanted: Installed) -> Origin | None:
        """The tree that configuration is carried from: on the way back, one that is kept of that release; else, that
        of the version in use. None where nothing is installed."""
        known = self._store.state().components.get(component)
        if known is None:
            return None
        same = [kept for kept in known.kept if kept.manifest == wanted.manifest]
        return self.tree_of(component, same[0] if same and _is_back(wanted, known) else known.current)

    def tree_of(self, component: str, release: Installed) -> Origin:
        """The tree of a release that is here, with its manifest if that can be had."""
        return Origin(release.version, self._tree(component, release), self.manifest(component, release))

    def manifest(self, component: str, release: Installed) -> Manifest | None:
        """The manifest of a release that is here: kept, else fetched, else None."""
        try:
            return self._releases.manifest(component, release.version, release.platform, release.manifest)
        except SpotError:
            return None

    def heir(self, component: str, manifest: Manifest, record: Callable[[Laid], None]) -> Heir:
        """What takes over from the version in use, if there is one."""
        folder = self._paths.component(component)
        known = self._store.state().components.get(component)
        in_use = self.tree_of(component, known.current) if known else None
        return Heir(manifest, in_use, folder / "state", folder / "saved", record)

    def undo(self, entry: Entry) -> None:
        """Take back what a change did that did not come to its switch."""
        folder = self._paths.component(entry.component)
        if entry.staged:
            switch.remove_tree(self._tree(entry.component, entry.target))
        if entry.laid:
            with contextlib.suppress(OSError):  # what stays is no loss: the next change sets it aside
                undo(entry.laid, folder / "state", folder / "saved")

    def stage(
        self,
        component: str,
        target: Installed,
        manifest: Manifest,
        *,
        origin: Origin | None,
        heir: Heir,
        progress: Progress,
    ) -> list[str]:
        """Make the tree of `manifest` in the folder of `target`; returns sentences for people.

        Args:
            origin: the tree that configuration is carried from.
            heir: takes over what becomes state.

        Raises:
            LocalFault: `disk-full` before anything is written; `bad-disk`, `odd-config`, `odd-state`.
            OSError: while writing.
            NotTrusted, NotReachable, Refused: from fetching; what was fetched is kept.
        """
        staged = self._tree(component, target)
        folder = self._paths.component(component)
        told = self._assemble(_Work(component, manifest, staged, heir, progress))
        if origin:
            told += carry(origin, manifest, staged, folder / "saved")
        durable.sync_tree(staged)
        durable.sync_folder(staged.parent)
        return told

    def lay_missing(
        self, component: str, release: Installed, manifest: Manifest, heir: Heir, progress: Progress
    ) -> list[str]:
        """Lay down state that is gone, for a tree that is used as it is; returns sentences for people.

        What cannot be had is told and left out: going back works offline. Raises OSError.
        """
        state = self._paths.component(component) / "state"
        gone = lasting.missing(manifest, state, self._tree(component, release))
        if not gone:
            return []
        here = lasting.present(manifest, state)
        skip = {file.path for file in manifest.files if file.kind is not Kind.STATE} | here
        steps = plan(
            manifest, trees={}, cached=self._cache.contents(), blocks_here=self._cache.block_bytes(), skip=skip
        )

        def pour(file: File, sink: BinaryIO) -> None:
            fill(file, self._cache.path(file.sha256), sink)

        try:
            self._fetch(manifest, steps, progress.fetched)
            return lasting.lay(manifest, state, heir, fill=pour)
        except (SpotError, Spoiled):
            left = ", ".join(gone[:_TOLD]) + (" and more" if len(gone) > _TOLD else "")
            return [f"State of {component} is gone and could not be laid again: {left}. Run 'spot verify --repair'."]

    def _fetch(self, manifest: Manifest, steps: Plan, fetched: Callable[[int], None]) -> None:
        self._check_space(steps)
        with believing():
            self._releases.fetch_blocks(manifest, steps.blocks, fetched)
            unpack(steps, self._cache, lambda span: self._releases.block(manifest, span, fetched))

    def _assemble(self, work: _Work) -> list[str]:
        manifest, fetched = work.manifest, work.progress.fetched
        spoiled: frozenset[str] = frozenset()
        for _ in range(_ROUNDS):
            steps = self.plan(work.component, manifest, spoiled=spoiled, heir=work.heir)
            self._fetch(manifest, steps, fetched)
            switch.remove_tree(work.staged)
            work.staged.mkdir(parents=True, mode=0o755)
            try:
                return self._write(work, steps)
            except Spoiled as error:
                for sha256, path in error.found.items():
                    work.progress.spoiled(str(path))
                    self._cache.discard(sha256)
                spoiled |= error.found.keys()
        raise LocalFault("bad-disk", "Over and over, files here are not what was written: have this disk checked.")

    def _write(self, work: _Work, steps: Plan) -> list[str]:
        def source(file: File) -> Path:
            found = steps.sources.get(file.sha256)
            return self._paths.root / found.path if isinstance(found, FromTree) else self._cache.path(file.sha256)

        def pour(file: File, sink: BinaryIO) -> None:
            fill(file, source(file), sink)

        build(work.manifest, work.staged, origin=source, advance=work.progress.written)
        told = work.heir.take_over()
        return told + lasting.lay(work.manifest, self._paths.component(work.component) / "state", work.heir, fill=pour)

    def _contents(self, component: str) -> Iterator[tuple[str, str]]:
        """Digest, and path below the root, of every file here that should hold it still; that in use comes last."""
        for release in reversed(releases_of(self._store.state().components.get(component))):
            manifest = self._releases.kept_manifest(release.manifest)
            folder = self._tree(component, release).relative_to(self._paths.root)
            for file in manifest.files if manifest else ():
                if file.kind is Kind.FILE:
                    yield file.sha256, f"{folder}/{file.path}"

    def _has_config(self, manifest: Manifest, current: Installed) -> bool:
        ours = self._releases.kept_manifest(current.manifest)
        return bool(configs(manifest)) or ours is None or bool(configs(ours))

    def _tree(self, component: str, release: Installed) -> Path:
        return self._paths.versions(component) / release.folder

    def _check_space(self, steps: Plan) -> None:
        free = shutil.disk_usage(self._paths.root).free
        if free < steps.disk_bytes + _SPARE:
            needed = (steps.disk_bytes + _SPARE) // 2**20 + 1
            raise LocalFault(
                "disk-full", f"{needed} MiB are needed on the disk of {self._paths.root}, {free // 2**20} MiB are free."
            )


def releases_of(known: ComponentState | None) -> tuple[Installed, ...]:
    """All releases of a component that are here, the one in use first."""
    return (known.current, *known.kept) if known else ()


def _is_back(wanted: Installed, known: ComponentState) -> bool:
    return Version(wanted.version) < Version(known.current.version)
