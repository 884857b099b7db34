"""Disables each guard of the table in turn, in a copy of the source, and shows that the tests of its attacks go red.

    python -m tests.hostile.catalogue.disable [WORD...]

Only guards whose line has one of the words, where any are given. Ends with 1 if a test stays green without its guard.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

import click
import tuf

from tests.hostile.catalogue import attacks, guards
from tests.hostile.catalogue.guards import NOTHING, Guard

ROOT: Final = Path(__file__).resolve().parents[3]
SOURCE: Final = ("ca", "mirror", "spot_client", "tests", "pyproject.toml")
_NAMES = {guard: name for name, guard in vars(guards).items() if isinstance(guard, Guard)}
_AT_ONCE = 2
_SECONDS = 120  # a guard that is gone may let an attack go on without an end


class Shown(NamedTuple):
    """What the tests of a guard did without it: names of those that were red, and of those that were not."""

    guard: Guard
    red: tuple[str, ...]
    other: tuple[str, ...]


def source_of(guard: Guard, root: Path) -> Path:
    """The file that a guard stands in: of this repository in `root`, or of python-tuf as it is installed."""
    return Path(tuf.__file__).parents[1] / guard.file if guard.file.startswith("tuf/") else root / guard.file


def without(guard: Guard, text: str) -> str:
    """The text of a guard's file without it. Raises ValueError: what is to be replaced is not there exactly once."""
    if guard.change is None or text.count(guard.change[0]) != 1:
        raise ValueError(f"{guard.name}: its text is not in the file exactly once; bring guards.py up to date.")
    return text.replace(*guard.change)


def tests_by_guard() -> dict[Guard, list[str]]:
    """The attacks that each guard stops, by name."""
    found: dict[Guard, list[str]] = {}
    for attack in attacks.ALL:
        if attack.guard is not NOTHING:
            found.setdefault(attack.guard, []).append(attack.name)
    return found


def copy_source(folder: Path) -> Path:
    """A copy of all that takes part, python-tuf too."""
    leave = shutil.ignore_patterns("__pycache__")
    for name in SOURCE:
        place = ROOT / name
        (shutil.copytree(place, folder / name, ignore=leave) if place.is_dir() else shutil.copy(place, folder / name))
    shutil.copytree(Path(tuf.__file__).parent, folder / "tuf", ignore=leave)
    return folder


def failed(folder: Path, names: Iterable[str]) -> frozenset[str]:
    """The attacks whose test fails in a copy, by an assertion: one that cannot even be set up is not among them."""
    file = "tests/hostile/catalogue/test_attacks.py"
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(
        [*command, *(f"{file}::test_attack[{name}]" for name in names)],
        cwd=folder, env=environment, capture_output=True, timeout=_SECONDS, check=False,
    )  # fmt: skip
    cases = ET.parse(report).iter("testcase")  # noqa: S314  (pytest wrote it)
    found = {case.attrib["name"]: case.find("failure") for case in cases}
    red = {name for name, failure in found.items() if failure is not None and _asserts(failure)}
    return frozenset(name.removeprefix("test_attack[").removesuffix("]") for name in red)


def _asserts(failure: ET.Element) -> bool:
    return failure.attrib.get("message", "").startswith(("AssertionError", "assert "))


@contextmanager
def _disabled(guard: Guard, folder: Path) -> Iterator[None]:
    path = folder / guard.file
    whole = path.read_text(encoding="utf-8")
    path.write_text(without(guard, whole), encoding="utf-8")
    try:
        with _disabled(guard.behind, folder) if guard.behind else nullcontext():
            yield
    finally:
        path.write_text(whole, encoding="utf-8")


def show(chosen: dict[Guard, list[str]]) -> Iterator[Shown]:
    """Disable one guard after another, two at a time.

    Raises:
        ValueError: a guard is not where the list says, or tests fail with all guards in place.
    """
    with tempfile.TemporaryDirectory() as place:
        free: SimpleQueue[Path] = SimpleQueue()
        for number in range(_AT_ONCE):
            free.put(copy_source(Path(place) / str(number)))

        def run(guard: Guard | None, names: Sequence[str]) -> frozenset[str]:
            folder = free.get()
            try:
                if guard is None:
                    return failed(folder, names)
                with _disabled(guard, folder):
                    return failed(folder, names)
            finally:
                free.put(folder)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            whole = pool.submit(run, None, [name for names in chosen.values() for name in names])
            runs = {guard: pool.submit(run, guard, names) for guard, names in chosen.items()}
            if whole.result():
                raise ValueError(f"These fail with all guards in place: {', '.join(sorted(whole.result()))}.")
            for guard, names in chosen.items():
                red = runs[guard].result()
                yield Shown(guard, tuple(sorted(red)), tuple(sorted(set(names) - red)))


def main(words: Sequence[str]) -> int:
    """Show it as a table; 0 if every guard has its tests."""
    chosen = {
        guard: names
        for guard, names in tests_by_guard().items()
        if not words or any(word in f"{_NAMES[guard]} {guard.file} {guard.function} {names}" for word in words)
    }
    green = 0
    for shown in show(chosen):
        green += bool(shown.other)
        word = "NOT RED" if shown.other else "red"
        tests = f"{len(shown.red)} of {len(shown.red) + len(shown.other)}"
        click.echo(f"{word:8} {tests:9} {_NAMES[shown.guard]:20} {shown.guard.file}, {shown.guard.function}")
        for name in shown.other:
            click.echo(f"{'':18} stays green: {name}")
    click.echo(f"{len(chosen)} guards disabled, one at a time; {green} of them without a red test.")
    return 1 if green else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ValueError as error:
        sys.exit(f"make guards: {error}")
