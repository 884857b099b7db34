"""A small catalogue is measured in the same steps as a large one, and a component of 200 releases has the size it may.

No number of seconds is looked at.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import catalogue, large
from spot_client.wire import index, manifest

ROOT = Path(__file__).parents[2]
STEPS = ["first", "further-here", "further-elsewhere", "poll", "publish", "approve", "news-elsewhere"]
STEPS += ["publish", "approve", "news"]


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.catalogue", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    done = bench("--json", "--products", "2", "--components", "2", "--releases", "5")
    assert done.returncode == 0, done.stderr
    assert "bench: making the catalogue" in done.stderr
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


@pytest.mark.slow
def test_every_step_is_measured_on_both_sides(document: dict[str, Any]) -> None:
    assert document["size"] == {"products": 2, "components": 2, "releases": 5}
    assert document["mirror_peak_bytes"] > 2**20
    assert [line["step"] for line in document["steps"]] == STEPS
    for line in document["steps"]:
        assert line["cost"]["peak_bytes"] > 2**20
        assert (line["requests"] is None) == (line["step"] in {"publish", "approve"})
    by_step = {line["step"]: line for line in document["steps"]}
    assert by_step["poll"]["requests"] < by_step["first"]["requests"]
    for line in document["steps"]:
        if line["requests"]:
            assert line["wire_bytes"] > line["catalogue_bytes"]


@pytest.mark.slow
def test_for_people_the_same_is_a_table_with_the_goals(document: dict[str, Any]) -> None:
    lines = catalogue.to_table(document).splitlines()
    assert lines[0].startswith("20 releases: 2 products, 2 components each, 5 releases in each")
    assert [line.split()[0] for line in lines[-len(STEPS) :]] == STEPS
    assert next(line for line in lines if line.startswith("first")).endswith(catalogue.GOALS["first"])


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--products", "1"), "there can be 2 to 100"), (("--releases", "0"), "there can be 1 to 2000")],
)
def test_sizes_that_cannot_be_are_refused(options: tuple[str, ...], said: str) -> None:
    done = bench(*options)
    assert done.returncode == 2
    assert said in done.stderr


def test_an_index_of_200_releases_is_15_kib_at_most(tmp_path: Path) -> None:
    offered = large.make_index(tmp_path, "p07", "c03", 200)
    packed = index.encode(offered)
    assert index.decode(packed) == offered
    assert len(offered.releases) == 200
    assert len(packed) <= 15 * 2**10


def test_the_releases_that_are_asked_for_are_real_ones(tmp_path: Path) -> None:
    offered = large.make_index(tmp_path, "p00", "c00", 3)
    newest = offered.releases[-1]
    raw = (tmp_path / f"releases/p00/c00/{newest.version}/any/manifest").read_bytes()
    assert manifest.decode(raw, newest.manifest).version == newest.version
    assert not (tmp_path / "releases/p00/c00" / offered.releases[0].version).exists()
