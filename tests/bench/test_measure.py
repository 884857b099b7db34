"""What is measured is the program that was run, and nothing else."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.measure import Cost, ProgramFailed, cpu_seconds, peak_bytes, run

MIB = 2**20
ROOT = Path(__file__).parents[2]
MEASURE = """
import json, os, sys
from pathlib import Path
from bench.measure import run
folder = Path(sys.argv[1])
program = [sys.executable, "-c", sys.argv[2]]
print(json.dumps(run(program, folder=folder, environment=os.environ, log=folder / "log")))
"""


def measured(folder: Path, program: str) -> Cost:
    """What a program costs, measured by a small process: these tests are larger than what they measure."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder), program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return Cost(*json.loads(done.stdout))


def test_cpu_and_memory_of_a_programs_own_children_count(tmp_path: Path) -> None:
    idle = measured(tmp_path, "pass")
    child = (
        f"import time; x = bytearray({300 * MIB}); end = time.process_time() + 0.5\nwhile time.process_time() < end: 0"
    )
    busy = measured(tmp_path, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)")
    assert busy.cpu_seconds >= idle.cpu_seconds + 0.4
    assert 300 * MIB < busy.peak_bytes < 400 * MIB
    assert busy.seconds >= 0.5


def test_a_second_program_starts_from_nothing(tmp_path: Path) -> None:
    first = measured(tmp_path, f"x = bytearray({200 * MIB})")
    second = measured(tmp_path, "pass")
    assert second.peak_bytes < 100 * MIB < 200 * MIB < first.peak_bytes
    assert second.cpu_seconds < 5


def test_a_running_process_tells_its_cpu_and_peak() -> None:
    program = f"x = bytearray({100 * MIB})\nprint(1, flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        before = cpu_seconds(process.pid)
        time.sleep(0.3)
        used, peak = cpu_seconds(process.pid) - before, peak_bytes(process.pid)
        process.kill()
    assert used > 0.01
    assert peak > 100 * MIB


def test_a_program_that_fails_ends_the_measuring_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match=r"ended with 3:\nno more"):
        run(
            [sys.executable, "-c", "print('no more'); raise SystemExit(3)"],
            folder=tmp_path,
            environment=dict(os.environ),
            log=tmp_path / "log",
        )
