"""What the README shows runs as shown."""

import ast
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.slow
def test_the_whole_way_by_hand_runs_as_the_readme_shows_it(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 1
    port = str(free_port())
    script = blocks[0].replace("8443", port).replace("spot-mirror init", f"spot-mirror init --listen 127.0.0.1:{port}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPOT_")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-eu", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    spoken = [line for line in done.stdout.splitlines() if line.startswith("Hello")]
    assert spoken == ["Hello 1", "Hello 2"]
    assert "tools/hello is now 1.0." in done.stdout
    assert re.search(r"acme .*tools/hello=1\.0", done.stdout)


def test_the_readme_says_how_many_lines_the_table_of_the_demo_has() -> None:
    played = [
        node
        for path in (ROOT / "demo").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "stage.expect"
    ]
    more = 2  # one of them stands in a loop of three
    assert f"a table of {len(played) + more} lines" in README.read_text()
