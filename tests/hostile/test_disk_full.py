"""A disk that is full, or may not be written to: one sentence, nothing half-written, the old version in use."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from spot_client.config import Paths
from spot_client.state import Store
from tests.e2e.world import NEW, OLD, TOOL, World
from tests.hostile.needs import need_root


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own."""
    need_root()
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def remount(disk: Path, options: str) -> None:
    mount("-o", f"remount,{options}", str(disk))


def fill(disk: Path) -> Path:
    """Take all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(2**16)):
                pass
        except OSError:
            return ballast
    raise AssertionError("a disk without end")


def test_too_little_room_is_noticed_before_anything_is_written(world: World, disk: Path) -> None:
    root = world.fresh("acme-old", disk / "root")
    remount(disk, "size=8m")
    code, told = world.refused(root, "update")
    assert code == 8
    assert "MiB are needed" in told
    assert world.in_use(root) == OLD
    world.forget_reports(root)
    remount(disk, "size=64m")
    world.spot(root, "update")
    world.check_settled(root, NEW)


def test_a_first_installation_on_a_full_disk_succeeds_once_there_is_room(world: World, disk: Path) -> None:
    root = world.fresh("acme", disk / "root")
    ballast = fill(disk)
    code, told = world.refused(root, "install", TOOL)
    assert code == 8
    assert "No space left" in told or "disk" in told
    assert world.in_use(root) is None
    ballast.unlink()
    world.spot(root, "install", TOOL)
    world.check_settled(root, NEW)


@pytest.mark.slow
def test_a_disk_that_runs_full_at_any_moment_leaves_the_old_version_in_use(world: World, disk: Path) -> None:
    """Of names for files, not of bytes, which were counted before: tmpfs can run out of either."""
    template = world.fresh("acme-old", disk / "template")
    used = os.statvfs(disk).f_files - os.statvfs(disk).f_ffree
    entries = 1 + sum(1 for _ in template.rglob("*"))
    codes = []
    for spare in range(1, 60, 2):
        remount(disk, f"nr_inodes={used + entries + spare}")
        root = world.fresh("acme-old", disk / "root")
        done = world.run("spot", "--root", root, "update")
        codes.append(done.code)
        if done.code:
            assert done.code == 8, done
            assert "Traceback" not in done.err
            assert "full" in done.err or "No space left" in done.err, done.err
        assert world.in_use(root) in {OLD, NEW}
        remount(disk, "nr_inodes=100000")
        world.spot(root, "update")
        world.check_settled(root, NEW)
        subprocess.run(["rm", "-rf", str(root)], check=True)
        if not done.code:
            break
    assert codes[-1] == 0
    assert codes.count(8) > 5


def test_enrolment_on_a_full_disk_goes_on_where_it_stopped(world: World, disk: Path) -> None:
    root = disk / "root"
    ballast = fill(disk)
    code, _ = world.refused(root, "enrol", str(world.folder / "acme.bundle"))
    assert code == 8
    ballast.unlink()
    world.spot(root, "enrol", str(world.folder / "acme.bundle"))
    assert world.installation(root)


def test_a_disk_that_may_not_be_written_to_is_named_and_can_still_be_looked_at(world: World, disk: Path) -> None:
    root = world.fresh("acme-old", disk / "root")
    remount(disk, "ro")
    for command in (("update",), ("rollback", TOOL), ("thin-snapshot",)):
        code, told = world.refused(root, *command)
        assert code == 8, told
        assert str(root) in told
    assert OLD in world.spot(root, "status")
    assert world.in_use(root) == OLD


def test_a_root_that_is_a_file_is_refused_in_a_sentence(world: World, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/.spot").touch()
    code, told = world.refused(tmp_path / "root", "enrol", str(world.folder / "acme.bundle"))
    assert code == 8, told
    assert Store(Paths(tmp_path / "elsewhere")).identity() is None
