"""Configuration and state through the real programs: published, changed, updated with kills on the way, uninstalled."""

import itertools
import shutil
from pathlib import Path

import pytest

from spot_client.config import Paths
from spot_client.state import Store
from tests.e2e.world import World, leftovers
from tests.e2e.zygote import KILLED, Zygote

pytestmark = pytest.mark.slow

DAEMON = "sdk/daemon"
EVERY = 4  # tests/spot_client/install/test_killed.py dies at every step; here each costs a whole run of SPOT


def write_daemon(folder: Path, version: str) -> Path:
    for name in ("bin", "etc", "var"):
        (folder / name).mkdir(parents=True)
    (folder / "bin/daemon").write_text(f"#!/bin/sh\necho {version}\n")
    (folder / "bin/daemon").chmod(0o755)
    (folder / "etc/daemon.ini").write_text(f"written = for {version}\n")
    (folder / "var/db").write_text("empty\n")
    return folder


@pytest.fixture(scope="module")
def published(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    kinds = ("--config", "etc/*", "--state", "var/")
    for version in ("1.0", "2.0"):
        source = write_daemon(tmp_path_factory.mktemp("daemon"), version)
        world.succeed("spot-mirror", "publish", DAEMON, version, source, "--level", "1", *kinds)
    looking = world.fresh("acme", tmp_path_factory.mktemp("looking") / "root")
    # The mirror looks every second whether something was published: 1.0 may be there for a while without 2.0.
    world.until(lambda: f"{DAEMON} - 2.0" in " ".join(world.spot(looking, "list", "--available").split()))
    return world


@pytest.fixture
def in_use(published: World, tmp_path: Path) -> Path:
    """A root with version 1.0, whose configuration and state were written to."""
    root = published.fresh("acme", tmp_path / "template")
    published.spot(root, "install", DAEMON, "--version", "1.0")
    (root / DAEMON / "current/etc/daemon.ini").write_text("mine\n")
    (root / DAEMON / "current/var/db").write_text("written\n")
    (root / DAEMON / "current/var/added").write_text("added\n")
    return root


def check_product(root: Path) -> str:
    """The version that the product finds, with what was written here."""
    current = root / DAEMON / "current"
    assert (current / "etc/daemon.ini").read_text() == "mine\n"
    assert (current / "var/db").read_text() == "written\n"
    assert (current / "var/added").read_text() == "added\n"
    return (current / "bin/daemon").read_text().split()[-1]


def test_killed_on_the_way_a_product_finds_its_configuration_and_state(
    published: World, zygote: Zygote, in_use: Path, tmp_path: Path
) -> None:
    reached = set()
    for step in itertools.count(1, EVERY):
        root = Path(shutil.copytree(in_use, tmp_path / "root", symlinks=True))
        done = zygote.spot(root, "update", step=step)
        was_killed = done.code == KILLED
        assert was_killed or done.code == 0, done.out
        reached.add(check_product(root))
        if was_killed:
            done = zygote.spot(root, "update")
            assert done.code == 0, done.out
        assert check_product(root) == "2.0"
        assert (root / DAEMON / "current/etc/daemon.ini.spot-new").read_text() == "written = for 2.0\n"
        assert {path.name for path in (root / DAEMON).iterdir()} == {"current", "state", "versions"}
        assert Store(Paths(root)).state().versions == published.reported(root) == {DAEMON: "2.0"}
        assert leftovers(root) == []
        shutil.rmtree(root)
        if not was_killed:
            break
    assert step > 15
    assert reached == {"1.0", "2.0"}


def test_there_and_back_and_away(published: World, in_use: Path) -> None:
    published.spot(in_use, "update")
    published.spot(in_use, "rollback", DAEMON)
    assert check_product(in_use) == "1.0"
    (in_use / DAEMON / "current/bin/daemon").write_text("damaged 0\n")
    assert published.refused(in_use, "verify", DAEMON)[0] == 13
    published.spot(in_use, "verify", DAEMON, "--repair")
    assert check_product(in_use) == "1.0"
    published.spot(in_use, "uninstall", DAEMON, "--yes")
    assert {path.name for path in (in_use / DAEMON).iterdir()} == {"saved", "state"}
    assert (in_use / DAEMON / "saved/1.0/etc/daemon.ini").read_text() == "mine\n"
    assert (in_use / DAEMON / "state/var/db").read_text() == "written\n"
    published.spot(in_use, "install", DAEMON)
    assert (in_use / DAEMON / "current/var/db").read_text() == "written\n"
    published.spot(in_use, "uninstall", DAEMON, "--purge", "--yes")
    assert not (in_use / DAEMON).exists()
