"""Whatever is done in whatever order: what was last written to configuration and state is somewhere, in its place."""

from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from spot_client.config import Paths
from spot_client.history import Action
from spot_client.install.assemble import damage
from spot_client.state import Store
from spot_client.wire.manifest import Kind
from tests.spot_client.installation import TOOL, Installation
from tests.spot_client.vendor import Line, Vendor

KINDS = {"conf": Kind.CONFIG, "one": Kind.STATE, "data/db": Kind.STATE}
VERSIONS = ("1.0", "2.0", "3.0")
STEPS = st.lists(st.sampled_from(["edit", "delete", "write", "rename", "repair", "sweep", *VERSIONS]), max_size=14)


class World:
    """An installation, and what was last written to each of its files."""

    def __init__(self, here: Installation) -> None:
        self.here = here
        self.numbers = count()
        self.conf: bytes | None = None
        self.state = b"seed"

    @property
    def tree(self) -> Path:
        return self.here.root / TOOL / "current"

    def step(self, what: str) -> None:
        content = b"%d" % next(self.numbers)
        if what == "edit":
            self.conf = content
            (self.tree / "conf").write_bytes(content)
        elif what == "delete":
            self.conf = None
            (self.tree / "conf").unlink(missing_ok=True)
        elif what == "write":
            self.state = content
            (self.tree / "one").write_bytes(content)
        elif what == "rename":
            self.state = content
            (self.tree / "new").write_bytes(content)
            (self.tree / "new").rename(self.tree / "one")
        elif what == "sweep":
            self.here.changer.sweep(TOOL)
        else:
            self.go(what)

    def go(self, what: str) -> None:
        before = self.read("conf")
        in_use = self.here.versions()[TOOL]
        changed = before != f"conf {in_use}".encode()
        if what == "repair":
            self.here.go(in_use, action=Action.REPAIR)
        else:
            self.here.go(what)
        if changed and (what == "repair" or Version(what) > Version(in_use)):
            assert self.read("conf") == before, "the way forward carries what was changed"

    def read(self, name: str) -> bytes | None:
        path = self.tree / name
        return path.read_bytes() if path.exists() else None

    def check(self) -> None:
        found = {path.read_bytes() for path in (self.here.root / TOOL).rglob("*") if path.is_file()}
        assert self.conf is None or self.conf in found
        assert self.read("one") == self.state
        version = self.here.versions()[TOOL]
        assert list(damage(self.here.manifest(version), self.tree)) == []
        assert self.here.journal.read() is None


@pytest.mark.slow
@given(STEPS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_nothing_that_was_written_is_lost(
    tmp_path_factory: pytest.TempPathFactory, vendor: Vendor, line: Line, steps: list[str]
) -> None:
    if not vendor.indexes:
        for version in VERSIONS:
            content = {"run": version.encode() * 9, "conf": f"conf {version}".encode(), "one": b"seed", "data/db": b"d"}
            vendor.publish(content, version, kinds=KINDS)
    store = Store(Paths(tmp_path_factory.mktemp("root")))
    store.paths.own.mkdir()
    world = World(Installation(store, vendor, line))
    world.here.go("2.0", action=Action.INSTALL)
    for step in steps:
        world.step(step)
        world.check()
