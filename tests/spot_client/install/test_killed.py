"""Killed before any change to a file, as by a power cut: a whole version stays in use, nothing that was written here is
lost, and the next run finishes or undoes."""

import itertools
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from spot_client.config import Paths
from spot_client.history import Action
from spot_client.install import switch
from spot_client.install.assemble import damage
from spot_client.state import Store
from spot_client.wire.manifest import Kind
from tests.spot_client.installation import TOOL, Installation
from tests.spot_client.killing import killed
from tests.spot_client.vendor import Line, Tree, Vendor

pytestmark = pytest.mark.slow

ONE: Tree = {
    "run": b"one" * 50,
    "etc/app.conf": b"vendor 1",
    "etc/gone.conf": b"gone 1",
    "data/db": b"seed",
    "single": b"seed",
    "becomes": b"plain",
}
TWO: Tree = {path: content for path, content in ONE.items() if path != "etc/gone.conf"}
TWO = {**TWO, "run": b"two" * 50, "etc/app.conf": b"vendor 2", "becomes": b"new"}
CONFIG = {"etc/app.conf": Kind.CONFIG, "etc/gone.conf": Kind.CONFIG}
STATE = {"data/db": Kind.STATE, "single": Kind.STATE}
WRITTEN = {b"mine", b"mine too", b"database", b"written by rename", b"kept apart"}
"""What administrator and product wrote before the change."""

LATER = b"written after the change was undone"


class Change(msgspec.Struct, frozen=True):
    """What is tried, the versions that may be in use on the way, and where it leads to."""

    begin: str
    work: Callable[[Installation], object]
    possible: set[str | None]
    end: str | None


def repair(here: Installation) -> None:
    here.go("1.0", action=Action.REPAIR)


CHANGES = {
    "install": Change("", lambda here: here.go("1.0", action=Action.INSTALL), {None, "1.0"}, "1.0"),
    "update": Change("1.0", lambda here: here.go("2.0"), {"1.0", "2.0"}, "2.0"),
    "rollback": Change("2.0", lambda here: here.go("1.0", action=Action.ROLLBACK), {"1.0", "2.0"}, "1.0"),
    "forward again": Change("1.0 after 2.0", lambda here: here.go("2.0"), {"1.0", "2.0"}, "2.0"),
    "repair": Change("1.0", repair, {"1.0"}, "1.0"),
    "uninstall": Change("1.0", lambda here: here.changer.uninstall(TOOL, purge=False), {"1.0", None}, None),
    "purge": Change("1.0", lambda here: here.changer.uninstall(TOOL, purge=True), {"1.0", None}, None),
}


@pytest.fixture
def begun(tmp_path: Path, vendor: Vendor, line: Line) -> Callable[[str], Path]:
    """Roots to begin with, made once each."""
    vendor.publish(ONE, "1.0", kinds={**CONFIG, **STATE})
    vendor.publish(TWO, "2.0", kinds={**CONFIG, **STATE, "becomes": Kind.STATE})

    def make(name: str) -> Path:
        here = at(tmp_path / "template", vendor, line)
        if name:
            here.go("1.0")
            write(here, "1.0")
        if name in {"2.0", "1.0 after 2.0"}:
            here.go("2.0")
            (here.root / TOOL / "current/etc/app.conf").write_bytes(b"mine too")
        if name == "1.0 after 2.0":
            here.go("1.0")
        return here.root

    return make


def at(root: Path, vendor: Vendor, line: Line) -> Installation:
    store = Store(Paths(root))
    store.paths.own.mkdir(parents=True, exist_ok=True)
    return Installation(store, vendor, line)


def write(here: Installation, version: str) -> None:
    """What administrator and product do to a version."""
    tree = here.root / TOOL / "versions" / version
    (tree / "etc/app.conf").write_bytes(b"mine")
    (tree / "etc/gone.conf").write_bytes(b"mine too")
    (tree / "data/db").write_bytes(b"database")
    (tree / "single").write_bytes(b"kept apart")
    (tree / "new").write_bytes(b"written by rename")
    (tree / "new").rename(tree / "single")
    (tree / "becomes").write_bytes(b"written in place")


def contents(root: Path) -> set[bytes]:
    return {path.read_bytes() for path in (root / TOOL).rglob("*") if path.is_file()}


def in_use(here: Installation) -> str | None:
    """The version that the pointer leads to, which must be whole, with configuration and state as they should be."""
    folder = switch.pointed(here.root / TOOL)
    if folder is None:
        return None
    version = folder.partition("~")[0]
    tree = here.root / TOOL / "versions" / folder
    expected = [] if version == "2.0" or (tree / "becomes").read_bytes() == ONE["becomes"] else ["becomes"]
    assert list(damage(here.manifest(version), tree)) == expected
    return version


def check_product_finds_its_own(here: Installation) -> None:
    tree = here.root / TOOL / "current"
    assert (tree / "etc/app.conf").read_bytes() in {b"mine", b"mine too"}
    assert (tree / "data/db").read_bytes() == b"database"
    assert (tree / "single").read_bytes() == b"written by rename"


@pytest.mark.parametrize("name", CHANGES)
def test_killed_before_any_change_to_a_file(
    tmp_path: Path, vendor: Vendor, line: Line, begun: Callable[[str], Path], name: str
) -> None:
    change = CHANGES[name]
    template = begun(change.begin)
    plain = {b"written in place"} if name in {"update", "forward again"} else set()
    written = set() if name == "purge" else contents(template) & (WRITTEN | plain)
    reached = set()
    for step in itertools.count(1):
        root = Path(shutil.copytree(template, tmp_path / "root", symlinks=True))
        here = at(root, vendor, line)
        was_killed = killed(partial(change.work, at(root, vendor, line)), root, step)
        assert written <= contents(root), "lost"
        found = in_use(here)
        assert found in change.possible
        reached.add(found)
        if found and written:
            check_product_finds_its_own(here)
        here.changer.recover()
        kept = written
        assert kept <= contents(root), "lost by the recovery"
        if in_use(here) != change.end or name == "repair":
            if plain:
                (root / TOOL / "current/becomes").write_bytes(LATER)
            change.work(here)
            if plain:
                assert (root / TOOL / "current/becomes").read_bytes() == LATER, "taken over by the run that was undone"
                assert name != "update" or plain.isdisjoint(contents(root)), "a copy that nobody needs"
                kept = written - plain
        check_settled(here, change.end, kept)
        shutil.rmtree(root)
        if not was_killed:
            break
    assert step > 15
    assert reached == change.possible


def check_settled(here: Installation, version: str | None, written: set[bytes]) -> None:
    assert in_use(here) == version
    assert here.versions() == ({TOOL: version} if version else {})
    assert here.journal.read() is None
    assert here.changer.recover() == ()
    assert written <= contents(here.root)
    assert not list(here.root.rglob("*.spot-new.spot-new"))
    if version is None:
        left = {path.name for path in (here.root / TOOL).iterdir()} if written else (here.root / "sdk").exists()
        assert left == ({"state", "saved"} if written else False)
        return
    known = here.store.state().components[TOOL]
    assert here.folders() == {release.folder for release in (known.current, *known.kept)}
    if written:
        check_product_finds_its_own(here)
