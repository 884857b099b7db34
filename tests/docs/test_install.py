"""`make install`: an interpreter that the mirror's own user cannot run is refused before anything is fetched."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.hostile.needs import need_root


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A copy of this interpreter, as far as it is needed to start, in a folder that is ours alone."""
    folder = tmp_path / "closed"
    (folder / "bin").mkdir(parents=True)
    folder.chmod(0o700)
    shutil.copy(Path(sys.executable).resolve(), folder / "bin" / "python3")
    (folder / "lib").symlink_to(Path(sys.base_prefix) / "lib")
    return folder


def test_an_interpreter_that_others_cannot_reach_is_refused_with_the_next_step(tmp_path: Path, closed: Path) -> None:
    need_root()
    done = subprocess.run(
        ["sh", "tools/install_to.sh", str(tmp_path / "there")],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(closed / "bin" / "python3")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "make install PYTHON=/usr/bin/python3" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "fetching" not in done.stdout
    assert not (tmp_path / "there").exists()
