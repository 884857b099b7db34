"""An offline set: exported by the mirror, carried to a machine without network, used with the same checks."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.world import MATHS, NEW, OLD, TOOL, World


@pytest.fixture
def exported(world: World, tmp_path: Path) -> Path:
    """The set for acme, who is licensed for sdk."""
    assert "spot update --from set" in world.succeed("spot-mirror", "export", tmp_path / "set", "--customer", "acme")
    return tmp_path / "set"


def away(root: Path) -> Path:
    """Where no mirror is in reach."""
    identity = root / ".spot/identity.json"
    identity.write_text(identity.read_text().replace("127.0.0.1:", "127.0.0.2:"))
    return root


def refused(world: World, root: Path, *command: str) -> str:
    done = world.run("spot", "--root", root, *command, "--json")
    assert done.code != 0
    document = json.loads(done.out)
    found = document if isinstance(document, dict) else document[0]
    reason: str = found["error"]["reason"]
    return reason


def test_a_set_holds_what_the_customer_is_licensed_for_and_no_more(exported: Path) -> None:
    names = {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()}
    assert {f"releases/{TOOL}/{version}/any/{name}" for version in (OLD, NEW) for name in ("manifest", "pack")} <= names
    assert not any("science" in name for name in names)


def test_installed_and_updated_without_a_network(world: World, exported: Path, tmp_path: Path) -> None:
    root = away(world.fresh("acme", tmp_path / "root"))
    world.spot(root, "install", TOOL, "--version", OLD, "--from", str(exported))
    assert world.in_use(root) == OLD
    assert "1.1" in world.spot(root, "check", "--from", str(exported))
    world.spot(root, "update", "--from", str(exported))
    assert world.in_use(root) == NEW
    assert refused(world, root, "update") == "no-answer"
    assert world.in_use(root) == NEW


def test_what_is_not_in_the_set_is_not_licensed(world: World, exported: Path, tmp_path: Path) -> None:
    root = away(world.fresh("globex", tmp_path / "root"))
    assert refused(world, root, "install", MATHS, "--from", str(exported)) == "not-licensed"


def test_a_set_that_is_older_than_what_the_mirror_taught_is_refused(
    world: World, exported: Path, tmp_path: Path
) -> None:
    root = world.fresh("acme-old", tmp_path / "root")
    world.succeed("spot-mirror", "publish", TOOL, NEW, world.folder / f"tool-{NEW}", "--channel", f"c{os.getpid()}")
    world.until(lambda: _offered(world, root))
    assert refused(world, root, "update", "--from", str(exported)) == "older-set"
    assert world.in_use(root) == OLD


def _offered(world: World, root: Path) -> bool:
    """Whether SPOT has seen the newest version of sdk on the mirror."""
    world.spot(root, "check")
    there = max(int(path.name.split(".")[0]) for path in (world.folder / "data/catalogue").glob("*.sdk.json"))
    found: int = json.loads((root / ".spot/catalogue/sdk.json").read_text())["signed"]["version"]
    return found == there


@pytest.mark.parametrize("name", ["manifest", "pack"])
def test_a_release_that_was_changed_on_the_way_is_refused(
    world: World, exported: Path, tmp_path: Path, name: str
) -> None:
    root = away(world.fresh("acme-old", tmp_path / "root"))
    path = exported / "releases" / TOOL / NEW / "any" / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    done = world.run("spot", "--root", root, "update", "--from", str(exported))
    assert done.code == 3, done
    assert world.in_use(root) == OLD


def test_a_mirrors_own_catalogue_is_no_offline_set(world: World, tmp_path: Path) -> None:
    root = away(world.fresh("acme-old", tmp_path / "root"))
    shutil.copytree(world.folder / "data/catalogue", tmp_path / "set/catalogue")
    assert refused(world, root, "update", "--from", str(tmp_path / "set")) == "not-an-offline-set"


@pytest.mark.parametrize("trick", ["pipe", "link", "folder"])
def test_only_ordinary_files_are_read(world: World, exported: Path, tmp_path: Path, trick: str) -> None:
    root = away(world.fresh("acme-old", tmp_path / "root"))
    path = exported / "releases" / TOOL / NEW / "any/manifest"
    path.unlink()
    match trick:
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to("/dev/zero")
        case _:
            path.mkdir()
    assert refused(world, root, "update", "--from", str(exported)) == "bad-answer"


def test_a_folder_without_a_set_is_named(world: World, tmp_path: Path) -> None:
    root = away(world.fresh("acme-old", tmp_path / "root"))
    code, told = world.refused(root, "update", "--from", str(tmp_path))
    assert code == 6
    assert "no offline set" in told
