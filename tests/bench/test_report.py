"""Many rounds become a median, and what it lies between."""

from pathlib import Path

from bench.measure import Cost
from bench.report import component, to_table
from bench.scene import STEPS, Job, Sample


def played(seconds: float) -> tuple[dict[str, Sample], int]:
    cost = Cost(seconds, seconds / 2, 64 * 2**20)
    silent = {step: Sample(cost) for step in STEPS[:2]}
    return silent | {step: Sample(cost, 2, 1024, 0.001) for step in STEPS[2:]}, 2**20


def test_the_median_of_all_rounds_is_told_with_the_least_and_the_most(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * 10)
    job = Job("sdk/tool", "any", ("1.0", "1.1"), (tmp_path, tmp_path / "source"))
    part = component(job, [played(seconds) for seconds in (9.0, 1.0, 2.0)])
    assert part["source_bytes"] == [10, 10]
    poll = part["steps"][-1]
    assert poll["seconds"] == {"median": 2.0, "min": 1.0, "max": 9.0}
    assert poll["requests"] == {"median": 2, "min": 2, "max": 2}
    assert part["steps"][0]["requests"] is None
    machine = {"cores": 2, "cpu": "a CPU", "memory_bytes": 2**30, "load": 0.0, "versions": {"Python": "3"}}
    lines = to_table({"rounds": 3, "machine": machine, "components": [part]}).splitlines()
    cells = lines[-1].split()
    assert cells == ["poll", "2.00", "(1.00..9.00)", "1.00", "(0.50..4.50)", "64", "2", "1.0", "0.001"]
