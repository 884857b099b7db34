"""`catalogue-timer`: the real process that holds the online keys."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mirror import catalogue
from tests.hostile.needs import need, need_root
from tests.mirror.cli.shell import PASSPHRASE, Shell
from tests.mirror.cli.vendor import approve, carry, make_keys, person

PROGRAM = str(Path(sys.executable).parent / "spot-mirror")


@contextmanager
def timer(shell: Shell) -> Iterator[subprocess.Popen[bytes]]:
    """The timer at work; what it says goes to `timer.log`."""
    environment = {**os.environ, "SPOT_MIRROR_PASSPHRASE": PASSPHRASE, "PYTHONUNBUFFERED": "1"}
    with (shell.folder / "timer.log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, "catalogue-timer"], cwd=shell.folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            until(lambda: " ready: snapshot, timestamp" in said(shell))
            yield process
        finally:
            process.kill()
            process.wait()


def said(shell: Shell) -> str:
    return (shell.folder / "timer.log").read_text()


def until(holds: Callable[[], bool], seconds: int = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def version(shell: Shell, role: str) -> int:
    return catalogue.load(shell.folder / "data/catalogue").current.get(role, 0)


def release(shell: Shell, number: str) -> None:
    shell.done("publish", "sdk/tool", number, "source", *person(shell, "alice"))
    approve(shell, "bob")


def test_what_two_signed_is_visible_within_seconds_and_the_log_says_so(vendor: Shell) -> None:
    with timer(vendor) as process:
        release(vendor, "1.0")
        until(lambda: version(vendor, "sdk") == 1, 15)
        until(lambda: "sdk/tool 1.0 (any): new" in said(vendor))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
    assert said(vendor).endswith(" stopped\n")


def test_a_damaged_file_of_what_waits_is_told_once_and_the_timer_goes_on(vendor: Shell) -> None:
    with timer(vendor):
        staged = vendor.folder / "data/publishing/staged.json"
        staged.write_text("{}")
        until(lambda: "bad-staged: " in said(vendor))
        time.sleep(5)  # two turns and more
        assert said(vendor).count("bad-staged: ") == 1
        staged.unlink()
        release(vendor, "1.0")
        until(lambda: version(vendor, "sdk") == 1)


def test_it_takes_up_new_keys_by_itself(vendor: Shell) -> None:
    with timer(vendor):
        make_keys(vendor, "dave")
        vendor.done("keys", "add", "stick-dave/dave.pub")
        vendor.done("keys", "replace", "bob", "dave")
        carry(vendor, "root-1", "root-2")
        approve(vendor, "alice")
        approve(vendor, "dave")
        until(lambda: version(vendor, "root") == 2)
        assert "other-keys" not in said(vendor)


def test_what_one_signed_stays_invisible(vendor: Shell) -> None:
    with timer(vendor):
        vendor.done("publish", "sdk/tool", "1.0", "source", *person(vendor, "alice"))
        time.sleep(5)  # two turns and more
        assert version(vendor, "sdk") == 0


def test_once_takes_one_turn_and_says_what_it_did(vendor: Shell) -> None:
    assert "nothing to do" in vendor.done("catalogue-timer", "--once").out
    release(vendor, "1.0")
    assert "version 2: new: sdk; sdk/tool 1.0 (any): new" in vendor.done("catalogue-timer", "--once").out


def test_without_its_keys_it_does_not_begin(vendor: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = vendor.folder / "stick-bob/passphrase"
    assert vendor("catalogue-timer", "--once", "--passphrase-file", str(wrong)).code == 4
    (vendor.folder / "online-keys/timestamp.pem").unlink()
    assert vendor("catalogue-timer", "--once").code == 8
    (vendor.folder / "online-keys").rename(vendor.folder / "away")
    assert vendor("catalogue-timer", "--once").code == 8


def test_it_does_not_need_the_names_of_people(vendor: Shell) -> None:
    (vendor.folder / "keys/keys.json").write_text("{}")
    vendor.done("catalogue-timer", "--once")


def test_it_goes_on_with_the_keys_that_it_has_where_they_cannot_be_read_again(vendor: Shell) -> None:
    with timer(vendor):
        (vendor.folder / "online-keys/keys.json").write_text("{}")
        until(lambda: " bad-keys: " in said(vendor))
        release(vendor, "1.0")
        until(lambda: version(vendor, "sdk") == 1)
        assert said(vendor).count(" bad-keys: ") == 1


def test_there_is_one_timer_at_a_time(vendor: Shell) -> None:
    with timer(vendor):
        second = vendor("catalogue-timer")
        assert second.code == 7
        assert "is running the timer with" in second.err
        vendor.done("catalogue-timer", "--once")


def test_it_makes_no_data_folder_where_that_is_lost(vendor: Shell) -> None:
    (vendor.folder / "data").rename(vendor.folder / "lost")
    result = vendor("catalogue-timer", "--once")
    assert (result.code, "'spot-mirror restore' lays out a backup" in result.err) == (8, True)
    assert not (vendor.folder / "data").exists()


UNIT = Path(__file__).parents[3] / "deploy/spot-mirror-timer.service"

CONFINED = """\
mount --rbind "$1" "$1"
mount -o remount,bind,ro "$1"
for path in $2; do
    mount --bind "$path" "$path"
    mount -o remount,bind,rw "$path"
done
cd "$1"
"$3" catalogue-timer --once || exit
for folder in online-keys keys data; do ! touch "$folder/new" || exit; done
"""


def test_its_unit_lets_it_write_what_it_has_to_and_no_more(vendor: Shell) -> None:
    need_root()
    need("mount namespaces", here=subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0)
    (line,) = re.findall(r"^ReadWritePaths=(.*)$", UNIT.read_text(), re.MULTILINE)
    paths = [str(vendor.folder) + word.removeprefix("/var/lib/spot-mirror") for word in line.split() if word[0] != "-"]
    release(vendor, "1.0")
    command = ["unshare", "-m", "sh", "-c", CONFINED, "confined", str(vendor.folder), " ".join(paths), PROGRAM]
    environment = {**os.environ, "SPOT_MIRROR_PASSPHRASE": PASSPHRASE}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "sdk/tool 1.0 (any): new" in done.stdout
    assert version(vendor, "sdk") == 1
