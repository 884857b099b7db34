"""A file is replaced whole or not at all, and what is made is for its owner only."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spot_client import durable
from tests.mirror.publishing.rig import small_disk


def test_a_file_is_replaced_and_for_its_owner_only(tmp_path: Path) -> None:
    durable.write(tmp_path / "file", b"old")
    (tmp_path / "file").chmod(0o644)
    durable.write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    durable.write(tmp_path / "public", b"x", mode=0o644)
    assert (tmp_path / "public").stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "public"]


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"stays")
    (tmp_path / "file").symlink_to("target")
    durable.write(tmp_path / "file", b"new")
    assert (tmp_path / "target").read_bytes() == b"stays"
    assert not (tmp_path / "file").is_symlink()


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 * 2**10) as disk:
        durable.write(disk / "file", b"old")
        with pytest.raises(OSError, match="No space left"):
            durable.write(disk / "file", bytes(2**20))
        assert (disk / "file").read_bytes() == b"old"
        assert [path.name for path in disk.iterdir()] == ["file"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """A process that is killed while it writes over and over leaves one of the contents."""
    file = tmp_path / "file"
    program = (
        "import sys, pathlib; from spot_client import durable\n"
        "number = 0\n"
        "while True:\n"
        "    durable.write(pathlib.Path(sys.argv[1]), bytes([number % 256]) * 100_000); number += 1\n"
        "    if number == 3: print('on the way', flush=True)\n"
    )
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            for _ in range(50):
                assert len(set(file.read_bytes())) == 1
            process.kill()
        assert len(file.read_bytes()) == 100_000
        assert len(set(file.read_bytes())) == 1


def test_folders_are_made_for_their_owner_only_and_those_there_are_stay(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    durable.make_private(tmp_path / "a" / "b")
    durable.make_private(tmp_path / "a" / "b")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755, "other users run what is installed below it"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_file_where_a_folder_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match="a"):
        durable.make_private(tmp_path / "a" / "b")


def test_removing_twice_is_fine(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    durable.remove(tmp_path / "file")
    durable.remove(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_tree_is_synced_where_there_is_no_syncfs_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"x")
    (tmp_path / "folder" / "link").symlink_to("nowhere")
    durable.sync_tree(tmp_path)
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    monkeypatch.setattr(os, "fsync", fsync)
    durable.sync_tree(tmp_path)
    assert set(synced) == {str(tmp_path), str(tmp_path / "folder"), str(tmp_path / "folder" / "file")}
