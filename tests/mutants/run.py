"""Mutation testing where trust is decided: mutmut changes the code, and the tests must notice.

    python -m tests.mutants.run [FILE...]

What survives must stand in docs/mutants.md with a reason, and what stands there must survive; else this ends with 1.
It works on a copy of the source, file by file, on two cores: half a minute to some minutes a file.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from tests.docs.pages import ROOT
from tests.mutants.page import PAGE, Mutant, accepted, plain

FILES: Final = {
    "spot_client/decide/choose.py": (
        "tests/spot_client/decide/test_choose*.py",
        "tests/spot_client/decide/test_site.py",
    ),
    "spot_client/decide/plan.py": ("tests/spot_client/decide/test_plan*.py",),
    "mirror/content/policy.py": ("tests/mirror/content/test_policy*.py",),
    "spot_client/fetch/catalogue.py": tuple(
        f"tests/spot_client/fetch/test_{name}.py" for name in ("catalogue", "plain", "poll", "rules")
    ),
}
"""The files, and the tests that hold each to its word."""

_SETTINGS = """
[tool.mutmut]
source_paths = ["ca/", "mirror/", "spot_client/"]
only_mutate = ["{file}"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist"]
pytest_add_cli_args_test_selection = [{tests}]
"""
_NOTICED = {"killed", "timeout", "caught by type check"}  # a test that never ends is as red as one that fails


def survivors(file: str) -> tuple[int, set[Mutant]]:
    """How many changes were tried, and those that no test notices. Raises ValueError: mutmut could not run."""
    tests = sorted(str(path.relative_to(ROOT)) for pattern in FILES[file] for path in ROOT.glob(pattern))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("ca", "mirror", "spot_client", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        settings = _SETTINGS.format(file=file, tests=", ".join(f'"{test}"' for test in tests))
        (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + settings)
        _mutmut(folder, "run", "--max-children", "2")
        tried = re.findall(r"^ +(\S+): (.+)$", _mutmut(folder, "results", "--all", "true"), re.MULTILINE)
        alive = [name for name, status in tried if status not in _NOTICED]
        return len(tried), {Mutant(file, plain(_mutmut(folder, "show", name))) for name in alive}


def _mutmut(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"mutmut {command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def main(files: Sequence[str]) -> int:
    """Compare what survives with the page; 0 if they are the same."""
    reasons = dict(accepted(PAGE.read_text(encoding="utf-8")))
    wrong = 0
    for file in files or FILES:
        tried, found = survivors(file)
        known = {mutant for mutant in reasons if mutant.file == file}
        click.echo(f"{file}: {len(found)} of {tried} survive, {len(found & known)} of them expected")
        for what, mutants in (("survives without a reason", found - known), ("is noticed now", known - found)):
            wrong += len(mutants)
            for mutant in sorted(mutants):
                click.echo(f"\n{what}:\n{mutant.diff}")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (ValueError, KeyError) as error:
        sys.exit(f"make mutants: {error}")
