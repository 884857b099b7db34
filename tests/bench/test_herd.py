"""A small herd on real TLS: the shape of what comes out, and that nobody is lost."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_small_herd_is_served_whole() -> None:
    command = [sys.executable, "-m", "bench.herd", "--json", "--no-model", "--clients", "40", "--over", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    real = json.loads(done.stdout)["real"]
    assert (real["served"], real["lost"], real["later_runs"]) == (40, 0, 0)
    assert real["met"]["200"] == 40
    assert 0 < real["p50_ms"] <= real["p99_ms"]
