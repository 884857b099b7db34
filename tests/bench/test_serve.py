"""All three servers are measured in every case: a small run of the real thing. No number is asserted."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bench import serve
from bench.measure import ProgramFailed
from bench.rivals import find
from bench.serve import CASES, GOALS, SYSTEMS
from bench.stage import SMALL
from bench.theatre import Sample, Sizes, Theatre
from tests.hostile.needs import need

ROOT = Path(__file__).parents[2]
COLUMNS = {"case", "system", "per_cpu_second", "wall_rate", "p99_ms", "rss_mb"}
MORE = {"idle": {"connections", "rss_kib_per_connection", "pss_kib_per_connection"}, "handshake": {"cpu_ms"}}


def here(program: str) -> bool:
    try:
        return bool(find(program))
    except ProgramFailed:
        return False


@pytest.fixture
def theatre() -> Iterator[Theatre]:
    for program in ("nginx", "apache2"):
        need(program, here=here(program))
    with TemporaryDirectory() as folder:  # pytest's own are closed to the user that Apache serves as
        yield Theatre(Path(folder), Sizes(seconds=0.2, large_bytes=2**20, reads=4, idle=80))


@pytest.mark.slow
def test_every_server_is_measured_in_every_case(theatre: Theatre) -> None:
    told: list[str] = []
    rows = serve.play(theatre, CASES, 1, told.append)
    assert [(row["case"], row["system"]) for row in rows] == [(case, system) for case in CASES for system in SYSTEMS]
    assert len(told) == len(rows)
    for row in rows:
        assert row.keys() == COLUMNS | MORE.get(row["case"], set())
        assert row["rss_mb"] > 1
        if row["case"] != "idle":
            assert min(row["per_cpu_second"], row["wall_rate"], row["p99_ms"]) > 0
    lines = serve.to_table(rows).splitlines()
    assert len(lines) == 1 + len(rows)
    assert [line.rpartition("goal: ")[2] for line in lines if "goal: " in line] == list(GOALS.values())
    (theatre._www / SMALL[1:]).write_bytes(b"not what the mirror has")
    with ExitStack() as ends:
        server = theatre.start("spot-mirror", ends)
        with pytest.raises(ProgramFailed, match=r"do not count \(small of spot-mirror\): \{'other-content'"):
            theatre.measure("small", server)


def test_rows_are_medians_of_all_rounds() -> None:
    samples = [Sample(100.0, cpu, 2.0, 1.0, 5_000_000) for cpu in (1.0, 0.5, 4.0)]
    found = serve.row("handshake", "nginx", samples)
    assert found == {
        "case": "handshake",
        "system": "nginx",
        "per_cpu_second": 100.0,
        "wall_rate": 50.0,
        "p99_ms": 1.0,
        "rss_mb": 5.0,
        "cpu_ms": 10.0,
    }
    idle = serve.row("idle", "nginx", [Sample(2000.0, 0.0, 0.0, None, 1, 23.04, 20.0)])
    assert (idle["per_cpu_second"], idle["p99_ms"], idle["rss_kib_per_connection"]) == (None, None, 23.0)


def test_what_is_not_installed_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(ProgramFailed, match="there is no frontend: 'apt-get install nginx-light apache2-bin'"):
        find("frontend")


def test_a_case_that_does_not_exist_is_refused() -> None:
    command = [sys.executable, "-m", "bench.serve", "--only", "large"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "invalid choice: 'large'" in done.stderr
