"""A tiny store is measured in the same way as a large one. No number of seconds is looked at."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import growth

ROOT = Path(__file__).parents[2]


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.growth", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    done = bench("--json", "--scale", "0.02")
    assert done.returncode == 0, done.stderr
    measured: list[dict[str, Any]] = json.loads(done.stdout)
    return measured


@pytest.mark.slow
def test_a_row_tells_how_much_there_is_and_what_it_costs(rows: list[dict[str, Any]]) -> None:
    (row,) = rows
    names = ("scale", "customers", "installations", "releases", "thin_snapshots")
    assert [row[name] for name in names] == [0.02, 20, 200, 500, 2000]
    assert row["decision_p99_us"] >= row["decision_p50_us"] > 0
    assert row["rss_mib"] >= row["pss_mib"] > 10
    for name in ("start_up_s", "change_visible_ms", "mint_ms", "thin_snapshot_ms", "store_bytes", "memory_bytes"):
        assert row[name] > 0


@pytest.mark.slow
def test_for_people_the_same_is_a_table_with_the_goals(rows: list[dict[str, Any]]) -> None:
    lines = growth.to_table(rows).splitlines()
    assert lines[0].split() == ["0.02", "%", "goal"]
    assert next(line for line in lines if line.startswith("start_up_s")).endswith(growth.GOALS["start_up_s"])


def test_all_of_it_is_what_was_promised() -> None:
    size = growth.ALL.at(100)
    assert size == growth.ALL
    releases = size.products * size.components * size.releases
    assert (size.customers, size.installations, releases, size.thin_snapshots) == (
        100_000,
        1_000_000,
        100_000,
        10_000_000,
    )


@pytest.mark.parametrize("scale", ["0", "101", "1,-1", "many"])
def test_a_scale_that_cannot_be_is_refused(scale: str) -> None:
    assert bench("--scale", scale).returncode == 2
