"""A program whose extra is not installed says so in one sentence; a process of its own, as the script starts it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.source import ROOT


def start(script: str, *missing: str, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """What the script of that name in pyproject.toml does where some distributions are not there."""
    module, _, function = scripts()[script].partition(":")
    hidden = "".join(f"sys.modules[{name!r}] = None; " for name in missing)
    program = f"import sys; {hidden}from {module} import {function}; sys.exit({function}())"
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def scripts() -> dict[str, str]:
    found: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "extra", "missing", "words"),
    [
        ("spot-ca", "ca", "sqlite_utils", ("--help",)),
        ("spot-mirror", "mirror", "sqlite_utils", ("--help",)),
        ("spot-mirror", "mirror", "pathspec", ("--help",)),
        ("spot-mirror", "mirror", "aiohttp", ("serve", "--config", "{config}")),
    ],
)
def test_what_is_not_installed_is_named_with_the_way_to_it(
    script: str, extra: str, missing: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    config = tmp_path / "mirror.toml"
    config.write_text('realm = "build.example.com"\n')
    done = start(script, missing, words=tuple(word.format(config=config) for word in words))
    sentence = (
        f"{script} needs {missing}, which is not installed: name the extra behind the wheel's file, as in "
        f"pip install 'spot_mirror-VERSION-py3-none-any.whl[{extra}]'.\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)


@pytest.mark.slow
@pytest.mark.parametrize("script", ["spot", "spot-ca", "spot-mirror"])
def test_a_script_starts_where_all_is_installed(script: str) -> None:
    done = start(script, words=("--version",))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_module_of_ours_that_is_missing_is_a_bug_and_stays_one() -> None:
    done = start("spot-ca", "ca.listing", words=("--help",))
    assert "Traceback" in done.stderr
