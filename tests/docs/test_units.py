"""The units, the page for ops and its alerts say the same of the check and its metrics."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT
from tests.e2e.world import BIN, World

UNIT = (ROOT / "deploy/spot-mirror-check.service").read_text()
TIMER = (ROOT / "deploy/spot-mirror-check.timer").read_text()
PAGE = (DOCS / "ops.md").read_text()


def line(unit: str, key: str) -> str:
    (found,) = re.findall(rf"^#?{key}=(.*)$", unit, re.MULTILINE)
    return str(found)


def options() -> list[str]:
    """The words that the unit adds once the line of its metrics counts."""
    return shlex.split(line(UNIT, "Environment"))[0].removeprefix("METRICS=").split()


def test_the_unit_may_write_the_file_that_the_page_names() -> None:
    _, path = options()
    assert path in PAGE
    assert str(Path(path).parent) in line(UNIT, "ReadWritePaths").replace("-/", "/").split()
    (command,) = re.findall(r"^(sed -i .* /etc/systemd/system/spot-mirror-check.service)$", PAGE, re.MULTILINE)
    edited = subprocess.run(["sed", shlex.split(command)[2]], input=UNIT, capture_output=True, text=True, check=True)
    assert f'\nEnvironment="METRICS=--metrics {path}"\n' in edited.stdout


def test_the_alert_waits_for_more_than_two_checks() -> None:
    (minutes,) = re.findall(r"^\*:0/(\d+)$", line(TIMER, "OnCalendar"))
    (seconds,) = re.findall(r"spot_mirror_check_timestamp_seconds > (\d+)", PAGE)
    assert int(seconds) > 2 * 60 * int(minutes)


@pytest.mark.slow
def test_the_unit_s_command_writes_metrics(world: World, tmp_path: Path) -> None:
    written = tmp_path / "spot-mirror.prom"
    words = line(UNIT, "ExecStart").replace("$METRICS", " ".join(options())).split()
    words[0] = str(BIN / "spot-mirror")
    words[words.index("--config") + 1] = str(world.folder / "mirror.toml")
    words[words.index("--metrics") + 1] = str(written)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 9}, done.stderr
    assert b"spot_mirror_check_timestamp_seconds" in written.read_bytes()
