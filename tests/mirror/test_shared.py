"""mirror.shared: a folder in memory that is this user's alone, or else one in the data folder."""

import stat
from pathlib import Path

import pytest

from mirror.shared import shared_folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    (tmp_path / "memory").mkdir()
    return tmp_path / "memory"


def test_it_is_made_once_and_its_owners_alone(data: Path, memory: Path) -> None:
    folder = shared_folder(data, memory)
    assert folder.parent == memory
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert shared_folder(data, memory) == folder


def test_each_data_folder_has_its_own_whatever_it_is_called_by(data: Path, memory: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(data)
    assert shared_folder(tmp_path / "other", memory) != shared_folder(data, memory)
    assert shared_folder(tmp_path / "link", memory) == shared_folder(data, memory)


def test_without_such_memory_it_lies_in_the_data_folder(data: Path, tmp_path: Path) -> None:
    assert shared_folder(data, tmp_path / "missing") == data / "shared"


@pytest.mark.parametrize("trap", ["link", "file", "open"])
def test_what_somebody_else_put_there_is_not_used(data: Path, memory: Path, trap: str) -> None:
    folder = shared_folder(data, memory)
    folder.rmdir()
    match trap:
        case "link":
            (memory / "elsewhere").mkdir(mode=0o700)
            folder.symlink_to(memory / "elsewhere")
        case "file":
            folder.touch(mode=0o700)
        case _:
            folder.mkdir()
            folder.chmod(0o755)
    assert shared_folder(data, memory) == data / "shared"


def test_a_data_folder_with_such_a_trap_is_refused(data: Path, tmp_path: Path) -> None:
    (data / "shared").symlink_to(tmp_path)
    with pytest.raises(OSError, match="not a folder of this user alone"):
        shared_folder(data, tmp_path / "missing")
