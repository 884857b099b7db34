"""A short soak of the real mirror: every fault comes once, everything is counted, and nothing is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import soak
from bench.faults import Faults
from bench.processes import family, kill
from bench.stage import Stage
from bench.tally import Tally

ROOT = Path(__file__).parents[2]
ROLES = {"catalogue", "frail", "handshake", "manifest", "poll", "range", "slow-reader", "thin-snapshot"}
FAULTS = ["worker-killed", "records-locked", "crl-replaced", "licence-changed", "hangup", "blob-deleted"]


@pytest.mark.slow
def test_every_fault_comes_and_nothing_is_lost() -> None:
    command = [sys.executable, "-m", "bench.soak", "--json", "--minutes", "0.1", "--installations", "10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    assert document["errors"]["unexpected"] == {}
    assert done.returncode == 0, done.stderr
    assert [fault["fault"] for fault in document["faults"]][: len(FAULTS)] == FAULTS
    assert document["answers"].keys() == ROLES
    assert document["memory"]["start"]["pss_mb"] > 10
    sent = document["thin_snapshots"]
    assert sent["installations"] == 10
    assert 0 < sent["accepted"] <= sent["stored"] <= sent["sent"]
    assert sent["lost"] == 0
    lines = soak.to_table(document)
    assert "0 lost (goal: 0)" in lines
    assert all(fault in lines for fault in FAULTS)


RESTARTING = """import subprocess, sys
while True:
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "worker"])
    print("ready", flush=True)
    worker.wait()
"""


def test_a_worker_is_killed_and_the_next_one_awaited(tmp_path: Path) -> None:
    tally = Tally()
    with subprocess.Popen([sys.executable, "-c", RESTARTING], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first = family(process.pid)[1]
        faults = Faults(Stage(tmp_path), process.pid, "https://127.0.0.1:1", tally, 0.1)
        faults.kill()
        assert first not in family(process.pid)
        assert len(family(process.pid)) == 2
        for pid in family(process.pid):
            kill(pid)
    (fault,) = faults.done
    assert fault.said.startswith("another one after 0.")
    tally.error("poll", "closed", fault.begun)
    tally.error("poll", "other-content", fault.begun)
    assert tally.errors(faults.done) == {
        "expected": {"worker-killed": {"poll closed": 1}},
        "unexpected": {"poll other-content": 1},
    }


def test_something_lost_or_not_explained_fails_the_soak() -> None:
    def code(lost: int, unexpected: dict[str, int]) -> int:
        return soak._code({"thin_snapshots": {"lost": lost}, "errors": {"unexpected": unexpected}})

    assert (code(0, {}), code(1, {}), code(0, {"poll closed": 1})) == (0, 1, 1)
