"""One round on a tiny component: the shape of what comes out, and that the numbers belong to what was done."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.scene import STEPS

ROOT = Path(__file__).parents[2]


def bench(*options: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.main_job", *map(str, options)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def sources(folder: Path) -> list[str | Path]:
    words: list[str | Path] = ["--component", "sdk/tool"]
    for version in ("1.0", "1.1"):
        (folder / version).mkdir()
        (folder / version / "same.txt").write_text("the same in both\n" * 100)
        (folder / version / "tool.sh").write_text(f"echo {version}\n")
        words += [version, folder / version]
    return words


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = bench("--json", "--rounds", "1", "--level", "1", *sources(tmp_path_factory.mktemp("sources")))
    assert done.returncode == 0, done.stderr
    assert f"round 1 of 1, sdk/tool: {STEPS[-1]}" in done.stderr
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


@pytest.mark.slow
def test_a_round_measures_every_step_of_the_main_job(document: dict[str, Any]) -> None:
    assert document.keys() == {"format", "rounds", "machine", "components"}
    assert (document["format"], document["rounds"]) == (1, 1)
    assert {"Python", "OpenSSL", "spot-mirror"} <= document["machine"]["versions"].keys()
    (part,) = document["components"]
    assert (part["component"], part["versions"]) == ("sdk/tool", ["1.0", "1.1"])
    assert part["source_bytes"] == [1709, 1709]
    assert [step["step"] for step in part["steps"]] == list(STEPS)
    for step in part["steps"]:
        assert 0 < step["cpu_seconds"]["median"] == step["cpu_seconds"]["min"] == step["cpu_seconds"]["max"]
        assert step["peak_bytes"]["median"] > 2**20
    by_name = {step["step"]: step for step in part["steps"]}
    assert by_name["publish"]["requests"] is by_name["publish-next"]["mirror_cpu_seconds"] is None
    assert by_name["install"]["requests"]["median"] > by_name["poll"]["requests"]["median"] > 0
    assert by_name["install"]["wire_bytes"]["median"] > by_name["poll"]["wire_bytes"]["median"] == 0  # 304: no body
    assert by_name["poll"]["mirror_cpu_seconds"]["median"] > 0


@pytest.mark.slow
def test_for_people_the_same_is_a_table(document: dict[str, Any]) -> None:
    lines = report.to_table(document).splitlines()
    assert "sdk/tool 1.0 -> 1.1" in lines[-len(STEPS) - 2]
    assert [line.split()[0] for line in lines[-len(STEPS) :]] == list(STEPS)
    assert lines[-1].split()[4] == f"{document['components'][0]['steps'][-1]['requests']['median']}"


@pytest.mark.slow
def test_a_program_that_fails_ends_it_with_what_it_said(tmp_path: Path) -> None:
    words = sources(tmp_path)
    (tmp_path / "1.0" / "out").symlink_to("/etc/passwd")
    done = bench("--rounds", "1", "--level", "1", *words)
    assert done.returncode == 1
    assert "bench: 'spot-mirror publish sdk/tool 1.0" in done.stderr.replace(f"{Path(sys.executable).parent}/", "")
    assert "stay inside" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rounds", "0"), "1 to 1000 rounds"),
        (("--component", "sdk/tool", "1.0", "/nowhere", "1.1", "/nowhere"), "there is no /nowhere"),
    ],
)
def test_what_cannot_be_measured_is_said_at_once(options: tuple[str, ...], said: str) -> None:
    done = bench(*options)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
