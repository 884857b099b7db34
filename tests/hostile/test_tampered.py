"""What somebody changed on the installed machine: found, and mended where it can be."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.world import NEW, OLD, TOOL, World


@pytest.fixture
def root(world: World, tmp_path: Path) -> Path:
    return world.fresh("acme-new", tmp_path / "root")


def replace(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


def cached(root: Path, content: bytes) -> Path:
    return next(path for path in (root / ".spot/cache/files").glob("??/*") if path.read_bytes() == content)


def test_a_changed_file_in_a_kept_version_and_in_the_cache_is_found_and_fetched_again(world: World, root: Path) -> None:
    kept = root / TOOL / "versions" / OLD / "VERSION"
    replace(cached(root, OLD.encode()), b"6.6")
    replace(kept, b"6.6")
    done = world.run("spot", "--root", root, "rollback", TOOL)
    assert done.code == 0, done
    assert "damaged" in done.err
    assert re.search(r"fetched \d+ B", done.out)
    world.check_settled(root, OLD)


def change_mode(tree: Path) -> None:
    (tree / "lib/core.py").chmod(0o777)


def change_link(tree: Path) -> None:
    (tree / "lib/latest.py").unlink()
    (tree / "lib/latest.py").symlink_to("/etc/passwd")


def remove_file(tree: Path) -> None:
    (tree / "bin/tool").unlink()


def file_for_folder(tree: Path) -> None:
    for path in (tree / "lib/data").iterdir():
        path.unlink()
    (tree / "lib/data").rmdir()
    (tree / "lib/data").touch()


def link_for_file(tree: Path) -> None:
    (tree / "VERSION").unlink()
    (tree / "VERSION").symlink_to("/etc/hostname")


@pytest.mark.parametrize("change", [change_mode, change_link, remove_file, file_for_folder, link_for_file])
def test_a_kept_version_that_is_not_whole_is_not_put_into_use(
    world: World, root: Path, change: Callable[[Path], None]
) -> None:
    change(root / TOOL / "versions" / OLD)
    done = world.run("spot", "--root", root, "rollback", TOOL)
    assert done.code == 0, done
    world.check_settled(root, OLD)


def test_a_changed_manifest_is_fetched_again(world: World, root: Path) -> None:
    manifests = list((root / ".spot/manifests").iterdir())
    assert len(manifests) == 2
    for path in manifests:
        replace(path, path.read_bytes()[:-1] + b"x")
    world.spot(root, "rollback", TOOL)
    world.check_settled(root, OLD)


def test_changed_catalogue_files_are_not_believed_and_fetched_again(world: World, root: Path) -> None:
    files = [path for path in (root / ".spot/catalogue").rglob("*") if path.is_file() and not path.is_symlink()]
    changed = {path: path.read_bytes() + b"x" for path in files}
    for path, content in changed.items():
        replace(path, content)
    assert "nothing to do" in world.spot(root, "update")
    kept = [path for path in files if path.exists() and path.read_bytes() == changed[path]]
    assert kept == []


def test_a_changed_root_of_trust_stops_updates_and_not_going_back(world: World, root: Path) -> None:
    replace(root / ".spot/root.json", b"{}")
    code, _ = world.refused(root, "update")
    assert code == 3
    world.spot(root, "rollback", TOOL)
    world.check_settled(root, OLD)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("state.json", b"{}", 8),
        ("state.json", b"", 8),
        ("state.json", b'{"components":{},"format":9,"min_spot":"9.0","owed":false}', 8),
        ("state.json", b"\x00" * 5 * 2**20, 8),
        ("journal.json", b"{", 8),
        ("identity.json", b"[]", 8),
        ("client.pem", b"no key", 9),
        ("client.pem", b"", 9),
        ("../spot.toml", b"chanel = 'beta'", 6),
        ("../spot.toml", b"\xff", 6),
    ],
)
def test_a_file_of_its_own_that_spot_cannot_use_is_named_and_nothing_changed(
    world: World, root: Path, name: str, content: bytes, code: int
) -> None:
    path = root / ".spot" / name
    path.touch(mode=0o600)
    replace(path, content)
    found, told = world.refused(root, "rollback", TOOL)
    assert found == code, told
    assert world.in_use(root) == NEW
    assert path.read_bytes() == content


def test_credentials_that_others_may_read_are_not_used(world: World, root: Path) -> None:
    (root / ".spot/client.pem").chmod(0o644)
    code, told = world.refused(root, "update")
    assert code == 9
    assert "chmod 600" in told


@pytest.mark.slow
def test_a_component_that_climbs_out_of_the_root_is_refused(world: World, root: Path) -> None:
    for name in ("../../etc/passwd", "sdk", "sdk/tool/x", "/sdk/tool", "SDK/tool"):
        assert world.refused(root, "install", name)[0] == 6
    assert world.refused(root, "install", TOOL, "--version", "../1.0")[0] == 6
