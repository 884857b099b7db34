"""An installation whose mirror is in memory; everything else is real: files, journal, pointer, state."""

import os
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from spot_client.fetch.cache import Cache
from spot_client.fetch.releases import Releases
from spot_client.history import Action
from spot_client.install import switch
from spot_client.install.change import Changer, Progress
from spot_client.install.journal import Journal
from spot_client.state import Identity, Installed, Pinned, Store
from spot_client.wire.manifest import Manifest
from tests.spot_client.vendor import MINTED, Line, Vendor

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
TOOL = "sdk/tool"
IDENTITY = Identity(
    realm="build.example.com",
    customer="acme",
    mirrors=(Pinned("https://mirror.example.com", ("pin",)),),
    request="r" * 32,
    installation=MINTED,
)


class Installation:
    """One installation root, at work. `fetched`, `written`, `spoiled`: what its progress was told."""

    def __init__(self, store: Store, vendor: Vendor, line: Line, keep: int = 2) -> None:
        self.store = store
        self.root = store.paths.root
        self.vendor = vendor
        self.line = line
        self.keep = keep
        self.cache = Cache(store.paths.own / "cache")
        self.releases = Releases(line, self.cache, store.paths.own / "manifests")
        self.journal = Journal(store.paths)
        self.fetched: list[int] = []
        self.written: list[int] = []
        self.spoiled: list[str] = []
        self.told: tuple[str, ...] = ()

    @property
    def changer(self) -> Changer:
        """As a new run of SPOT has it."""
        return Changer(self.store, self.releases, self.cache, keep=self.keep, now=lambda: NOW)

    def wanted(self, version: str, component: str = TOOL) -> Installed:
        """What the index says of a release."""
        line = next(one for one in self.vendor.indexes[component].releases if one.version == version)
        return Installed(line.version, line.platform, line.manifest, folder="")

    def manifest(self, version: str, component: str = TOOL) -> Manifest:
        """That of a release on offer."""
        wanted = self.wanted(version, component)
        return self.releases.manifest(component, version, wanted.platform, wanted.manifest)

    def go(self, version: str, component: str = TOOL, action: Action = Action.UPDATE) -> None:
        """Change to a release on offer; `told` is then what it told of configuration and state."""
        wanted, manifest = self.wanted(version, component), self.manifest(version, component)
        kept = None if action is Action.REPAIR else self.changer.whole_kept(component, wanted, manifest)
        progress = Progress(self.fetched.append, self.written.append, self.spoiled.append)
        self.told = self.changer.change(component, wanted, manifest, action=action, kept=kept, progress=progress)

    def in_use(self, component: str = TOOL) -> dict[str, bytes | str]:
        """The tree that a product finds: contents of files and targets of links, by path."""
        return read_tree(self.root / component / switch.POINTER)

    def folders(self, component: str = TOOL) -> set[str]:
        """The trees there are."""
        return {path.name for path in self.store.paths.versions(component).iterdir()}

    def versions(self) -> dict[str, str]:
        """What the state says."""
        return self.store.state().versions


def read_tree(folder: Path) -> dict[str, bytes | str]:
    """Contents of files and targets of links, by path."""
    found: dict[str, bytes | str] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def as_nobody(work: Callable[[], object]) -> None:
    """Run `work` without root's right to pass over permissions: in a child process if these tests have it."""
    if os.geteuid() != 0:
        work()
        return
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            work()
        except BaseException:  # noqa: BLE001  the child ends here, whatever happened
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
