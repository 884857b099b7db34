"""mirror.cli.writing: a file for a person, whole or not at all, and never in the place of what is no file."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.cli.writing import written
from mirror.errors import MirrorError
from tests.mirror.cli.desk import new_desk


def link(path: Path) -> None:
    path.symlink_to("target")


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("make", [link, listening, os.mkfifo, Path.mkdir])
def test_what_is_no_regular_file_stays_as_it_is(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "out"
    make(path)
    before = path.lstat()
    with pytest.raises(MirrorError, match=str(path)) as caught, written(path):
        pytest.fail("It was written.")
    assert caught.value.reason == "not-a-file"
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_a_file_is_replaced_and_a_new_one_made(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with written(tmp_path / "out") as stream:
            stream.write(text)
        assert (tmp_path / "out").read_text() == text


@pytest.mark.parametrize("command", ["thin-snapshots", "licence"])
def test_both_exports_refuse_a_device(tmp_path: Path, command: str) -> None:
    assert new_desk(tmp_path).refusal(command, "export", "--out", "/dev/null") == "not-a-file"
    assert Path("/dev/null").is_char_device()
