"""What only a terminal is asked and shown."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.spot_client.desk import Desk
from tests.spot_client.installation import TOOL

SPOT = Path(sys.executable).parent / "spot"


def on_a_terminal(desk: Desk, answer: bytes, *command: str) -> tuple[int, str]:
    """Run a command whose standard input is a terminal, at which `answer` is typed: exit code and standard error."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer)
        done = subprocess.run(
            [SPOT, "--root", desk.root, *command], stdin=theirs, capture_output=True, text=True, check=False, timeout=60
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stderr


@pytest.mark.slow
def test_a_terminal_is_asked_before_something_is_removed(enrolled: Desk) -> None:
    desk = enrolled
    desk.says("install", TOOL)
    code, err = on_a_terminal(desk, b"n\n", "uninstall", TOOL, "--purge")
    assert (code, err) == (
        6,
        f"Remove {TOOL} 1.0 and its state and saved configuration? [y/N]: spot: Nothing was changed.\n",
    )
    assert (desk.root / TOOL / "current/run").exists()
    assert on_a_terminal(desk, b"y\n", "uninstall", TOOL)[0] == 0
    assert not (desk.root / TOOL).exists()
    (desk.root / TOOL / "state").mkdir(parents=True)
    code, err = on_a_terminal(desk, b"n\n", "uninstall", TOOL, "--purge")
    question = f"Remove what is left of {TOOL}, its state and saved configuration? [y/N]: "
    assert (code, err) == (6, f"{question}spot: Nothing was changed.\n")
    assert on_a_terminal(desk, b"y\n", "uninstall", TOOL, "--purge")[0] == 0
    assert not (desk.root / TOOL).exists()


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--yes", "--json"])
def test_nobody_is_asked_who_has_said_so(enrolled: Desk, option: str) -> None:
    enrolled.says("install", TOOL)
    assert on_a_terminal(enrolled, b"", "uninstall", TOOL, option) == (0, "")
    assert not (enrolled.root / TOOL).exists()


@pytest.mark.slow
def test_a_locale_without_utf_8_is_refused_with_the_way_out(desk: Desk) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [str(SPOT), "--root", str(desk.root), "status", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 8
    assert json.loads(done.stdout)["error"]["reason"] == "not-utf-8"
    assert "LC_ALL=C.UTF-8" in done.stderr


@pytest.mark.slow
def test_an_option_of_all_commands_in_the_wrong_place_is_told_where_it_belongs(desk: Desk) -> None:
    done = subprocess.run(
        [SPOT, "status", "--root", desk.root], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "'--root' stands before the command: spot --root ... status" in done.stderr
