"""Ctrl-C, in a real process: it ends soon, says how things stand, and what was fetched is kept."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.spot_client.desk import TWO, Desk
from tests.spot_client.fetch.server import Asked, Behave
from tests.spot_client.installation import TOOL, read_tree

SPOT = Path(sys.executable).parent / "spot"
SOON = 20  # seconds, on a machine with much else to do; a mirror counts as silent only after 30


class Stall:
    """A mirror that falls silent at some requests, until it is told to go on."""

    def __init__(self, behave: Behave, *, word: str, after: int = 0) -> None:
        self._behave, self._word, self._left = behave, word, after
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, asked: Asked) -> bytes | Iterator[bytes]:
        if asked.path.endswith(self._word):
            self._left -= 1
            if self._left < 0:
                self.reached.set()
                self.go_on.wait(60)
        return self._behave(asked)


def interrupt(desk: Desk, stall: Stall, *command: str) -> tuple[int, str]:
    """Send SIGINT to a command once the mirror has fallen silent: exit code and standard error."""
    desk.server.behave = stall
    process = subprocess.Popen(
        [SPOT, "--root", desk.root, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert stall.reached.wait(SOON)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=SOON)
    finally:
        process.kill()
        stall.go_on.set()
        desk.server.behave = desk.behave
    return process.returncode, err


@pytest.mark.slow
def test_an_update_that_is_stopped_leaves_the_old_version_and_keeps_what_came_in(enrolled: Desk) -> None:
    desk = enrolled
    desk.says("install", TOOL)
    before = read_tree(desk.root / TOOL / "current")
    desk.vendor.publish({**TWO, "more": bytes(range(256)) * 4}, "2.0")
    desk.says("check")
    code, err = interrupt(desk, Stall(desk.behave, word="/pack", after=3), "update")
    assert code == 130
    assert err == (
        "spot: Stopped. Every component is whole, at its old or its new version ('spot status' tells which). "
        "What was fetched is kept: the same command goes on from there.\n"
    )
    assert read_tree(desk.root / TOOL / "current") == before
    kept = sum(path.stat().st_size for path in (desk.root / ".spot/cache/blocks").iterdir())
    assert kept > 0
    left = desk.reads("check")[0]["fetch_bytes"]
    desk.server.asked.clear()
    assert f"{TOOL} is now 2.0." in desk.says("update")
    ranges = [
        asked.headers["range"].removeprefix("bytes=").split("-")
        for asked in desk.server.asked
        if "range" in asked.headers
    ]
    assert sum(int(last) - int(first) + 1 for first, last in ranges) == left


@pytest.mark.slow
def test_a_check_that_is_stopped_changed_nothing(enrolled: Desk) -> None:
    code, err = interrupt(enrolled, Stall(enrolled.behave, word="/timestamp.json"), "check", TOOL)
    assert (code, err) == (130, "spot: Stopped. Nothing was changed.\n")
