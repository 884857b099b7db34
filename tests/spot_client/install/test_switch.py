"""The pointer names the old version or the new, never neither; and a tree that goes, goes whole."""

import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from spot_client.install import switch
from tests.spot_client.installation import as_nobody


def test_nothing_is_in_use_at_first(tmp_path: Path) -> None:
    assert switch.pointed(tmp_path) is None


def test_the_pointer_is_a_relative_link_to_the_version(tmp_path: Path) -> None:
    switch.point(tmp_path, "1.0")
    assert switch.pointed(tmp_path) == "1.0"
    assert (tmp_path / "current").readlink() == Path("versions/1.0")
    switch.point(tmp_path, "1.1~2")
    assert switch.pointed(tmp_path) == "1.1~2"
    assert [path.name for path in tmp_path.iterdir()] == ["current"]


def test_a_pointer_that_a_killed_run_had_half_made_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".current.next").symlink_to("versions/0.9")
    switch.point(tmp_path, "1.0")
    assert switch.pointed(tmp_path) == "1.0"


def test_who_opens_the_pointer_at_any_moment_gets_one_of_the_versions(tmp_path: Path) -> None:
    for version in ("1.0", "1.1"):
        (tmp_path / "versions" / version).mkdir(parents=True)
        (tmp_path / "versions" / version / "which").write_text(version)
    switch.point(tmp_path, "1.0")
    done = threading.Event()
    seen: set[str] = set()
    failures: list[OSError] = []

    def read() -> None:
        while not done.is_set():
            try:
                seen.add((tmp_path / "current" / "which").read_text())
            except OSError as error:
                failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(200):
        switch.point(tmp_path, f"1.{number % 2}")
    done.set()
    thread.join()
    assert failures == []
    assert seen <= {"1.0", "1.1"}
    assert seen


def test_a_new_tree_gets_a_folder_that_none_has(tmp_path: Path) -> None:
    assert switch.free_folder(tmp_path / "nowhere", "1.0") == "1.0"
    (tmp_path / "1.0").mkdir()
    assert switch.free_folder(tmp_path, "1.0") == "1.0~2"
    (tmp_path / "1.0~2").mkdir()
    assert switch.free_folder(tmp_path, "1.0") == "1.0~3"


def test_removing_a_tree_that_is_not_there_is_fine(tmp_path: Path) -> None:
    switch.remove_tree(tmp_path / "nowhere")
    assert tmp_path.is_dir()


@pytest.mark.parametrize("mode", [0o500, 0o300, 0o000])
def test_a_tree_with_folders_that_nobody_may_write_goes_whole(mode: int) -> None:
    base = Path(tempfile.mkdtemp())
    try:
        base.chmod(0o777)
        as_nobody(lambda: remove_read_only(base / "tree", mode))
        assert list(base.iterdir()) == []
    finally:
        shutil.rmtree(base)


def remove_read_only(tree: Path, mode: int) -> None:
    folders = [tree, tree / "a", tree / "a" / "b", tree / "c"]
    for folder in folders:
        folder.mkdir()
        for name in ("one", "two"):
            (folder / name).touch(mode=0o400)
    for folder in reversed(folders):
        folder.chmod(mode)
    switch.remove_tree(tree)


def test_a_link_goes_and_what_it_points_to_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "1.0").mkdir(mode=0o755)
    (tmp_path / "1.0" / "file").touch()
    (tmp_path / "stable").symlink_to("1.0")
    switch.remove_tree(tmp_path / "stable")
    assert [path.name for path in tmp_path.iterdir()] == ["1.0"]
    assert (tmp_path / "1.0").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "1.0" / "file").exists()


def test_a_stray_file_or_dangling_link_goes_and_the_folder_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "stray").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    switch.remove_tree(tmp_path / "stray")
    switch.remove_tree(tmp_path / "dangling")
    assert list(tmp_path.iterdir()) == []
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_what_nobody_points_to_is_not_in_use(tmp_path: Path) -> None:
    (tmp_path / "versions" / "1.0").mkdir(parents=True)
    switch.point(tmp_path, "1.0")
    (tmp_path / ".current.next").symlink_to("versions/2.0")
    switch.unpoint(tmp_path)
    switch.unpoint(tmp_path)
    assert switch.pointed(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == ["versions"]
