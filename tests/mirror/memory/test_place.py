"""mirror.memory.place: a folder of our own, gone when its process is, and never anybody else's."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mirror.errors import MemoryFault
from mirror.memory import place
from mirror.memory.read import Reader

HOLD = """
import pathlib, sys
from mirror.memory import place
taken = place.take(*map(pathlib.Path, sys.argv[1:]))
print("held", flush=True)
sys.stdin.read()
"""


def take(folder: Path) -> place.Place:
    return place.take(folder, shared=folder / "no-memory")


def test_it_is_ours_alone_and_goes_when_it_is_let_go(tmp_path: Path) -> None:
    taken = take(tmp_path / "memory")
    opened = place.open_to_fill(taken.folder)
    assert taken.folder.parent == tmp_path / "memory"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (taken.folder, *taken.folder.iterdir())] == [
        0o700,
        0o600,
        0o600,
    ]
    opened.environment.close()
    taken.remove()
    assert list((tmp_path / "memory").iterdir()) == []


@pytest.mark.skipif(not place._is_roomy_memory(place.SHARED), reason="there is no room on /dev/shm")
def test_it_lies_in_shared_memory_where_there_is_room(tmp_path: Path) -> None:
    taken = place.take(tmp_path / "memory")
    assert taken.folder.parent == place.SHARED
    assert not (tmp_path / "memory").exists()
    taken.remove()
    assert not taken.folder.exists()


def test_a_folder_that_is_no_memory_is_not_taken_for_it(tmp_path: Path) -> None:
    assert not place._is_roomy_memory(tmp_path)
    assert not place._is_roomy_memory(tmp_path / "missing")


@pytest.mark.slow
def test_what_a_killed_process_left_is_removed_and_what_another_holds_is_not(tmp_path: Path) -> None:
    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, str(tmp_path), str(tmp_path / "no-memory")]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    killed = start()
    (left,) = tmp_path.iterdir()
    killed.kill()
    killed.communicate()
    assert left.exists()
    alive = start()
    (held,) = tmp_path.iterdir()
    assert held != left
    taken = take(tmp_path)
    assert set(tmp_path.iterdir()) == {held, taken.folder}
    taken.remove()
    alive.kill()
    alive.communicate()


def test_what_is_not_of_our_making_is_let_be(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "kept").touch()
    memory = tmp_path / "memory"
    memory.mkdir()
    (memory / "spot-mirror-memory-link").symlink_to(elsewhere)
    (memory / "spot-mirror-memory-file").touch()
    (memory / "spot-mirror-memory-open").mkdir()
    (memory / "spot-mirror-memory-open").chmod(0o755)
    (memory / "other").mkdir(mode=0o700)
    before = sorted(memory.iterdir())
    take(memory).remove()
    assert sorted(memory.iterdir()) == before
    assert (elsewhere / "kept").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MemoryFault) as caught:
        take(tmp_path / "file")
    assert caught.value.reason == "memory-unusable"


def test_a_memory_that_is_missing_or_was_never_filled_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MemoryFault) as caught:
        place.open_to_read(tmp_path / "missing")
    assert caught.value.reason == "memory-unusable"
    taken = take(tmp_path)
    opened = place.open_to_fill(taken.folder)
    with pytest.raises(MemoryFault) as caught:
        Reader(opened).view()
    assert caught.value.reason == "memory-unusable"
    opened.environment.close()
    taken.remove()


def test_a_file_that_is_no_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"no memory at all" * 1000)
    with pytest.raises(MemoryFault) as caught:
        place.open_to_read(tmp_path)
    assert caught.value.reason == "memory-unusable"
