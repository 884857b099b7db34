"""Lock files lie where the process that serves may write, too: they lead nobody to another file."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mirror.errors import Busy
from mirror.locks import locked

SWAPPING = """
import os, sys
lock, prey = sys.argv[1:]
print("swapping", flush=True)
while True:
    os.symlink(prey, lock + ".link")
    os.rename(lock + ".link", lock)
    open(lock + ".file", "w").close()
    os.rename(lock + ".file", lock)
"""


def test_it_names_its_holder_and_nothing_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "folder/lock"
    with locked(path, "busy"):
        path.write_text("123456789")
    with locked(path, "busy"):
        assert path.read_text() == str(os.getpid())
        with pytest.raises(Busy, match=f"Process {os.getpid()} is busy here"), locked(path, "busy"):
            pass


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_in_its_place_changes_nothing_elsewhere(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    prey, path = tmp_path / "key.pem", tmp_path / "lock"
    prey.write_text("a key")
    link(prey, path)
    with pytest.raises(OSError, match=r"links"), locked(path, "busy"):
        pass
    assert prey.read_text() == "a key"


def test_a_link_that_comes_at_any_moment_changes_nothing_elsewhere(tmp_path: Path) -> None:
    prey, path = tmp_path / "key.pem", tmp_path / "lock"
    prey.write_text("a key")
    command = [sys.executable, "-c", SWAPPING, str(path), str(prey)]
    held, end = 0, time.monotonic() + 3
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as swapping:
        assert swapping.stdout is not None
        assert swapping.stdout.readline() == "swapping\n"
        try:
            while time.monotonic() < end and prey.read_text() == "a key":
                with suppress(OSError, Busy), locked(path, "busy"):
                    held += 1
        finally:
            swapping.kill()
    assert prey.read_text() == "a key"
    assert held > 0


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    os.mkfifo(path)
    with pytest.raises(OSError, match="ordinary"), locked(path, "busy"):
        pass
