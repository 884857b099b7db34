"""Measures the main job: publish, first install, update, poll; the real programs, as processes of their own.

Needs Linux, and a network for the first run: the demo's wheels are fetched from the package index once. Nothing is
asserted about the numbers. bench/README.md says what each one means.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from bench import report
from bench.machine import machine
from bench.measure import ProgramFailed
from bench.scene import Job, Scene
from demo import wheels

_HERE = Path(__file__).parent.parent
_MAX_ROUNDS = 1000


def main() -> None:
    """Measure, and print a table or JSON; exit with 1 if one of the programs fails."""
    options = _parser().parse_args()
    jobs = [_own(*words) for words in options.component] or _demo_jobs()
    here = machine()
    try:
        parts = [_measure(job, options.rounds, options.level) for job in jobs]
    except ProgramFailed as error:
        sys.exit(f"bench: {error}")
    document = {"format": 1, "rounds": options.rounds, "machine": here, "components": parts}
    sys.stdout.write(report.to_json(document) if options.json else report.to_table(document))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.main_job", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--rounds", type=_rounds, default=3, help="how often everything is done (default: 3)")
    parser.add_argument("--level", type=int, help="zstd level of publish (default: that of spot-mirror)")
    parser.add_argument(
        "--component",
        nargs=5,
        action="append",
        default=[],
        metavar=("COMPONENT", "OLD", "OLD-SOURCE", "NEW", "NEW-SOURCE"),
        help="measure this instead of the demo's two: PRODUCT/COMPONENT, and two versions with their folders or files",
    )
    return parser


def _rounds(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MAX_ROUNDS:
        raise argparse.ArgumentTypeError(f"there can be 1 to {_MAX_ROUNDS} rounds")
    return number


def _own(component: str, old: str, old_source: str, new: str, new_source: str) -> Job:
    sources = (Path(old_source).absolute(), Path(new_source).absolute())
    for source in sources:
        if not source.exists():
            sys.exit(f"bench: there is no {source}: name a folder or file that can be published.")
    return Job(component, "any", (old, new), sources)


def _demo_jobs() -> list[Job]:
    first, second = (wheels.fetch(name, _HERE / ".cache" / "wheels") for name in ("first", "second"))
    jobs = []
    for component, platform_name in wheels.COMPONENTS.items():
        sources = tuple(found[component.partition("/")[2]] for found in (first, second))
        versions = tuple(source.name.split("-")[1] for source in sources)
        jobs.append(Job(component, platform_name, (versions[0], versions[1]), (sources[0], sources[1])))
    return jobs


def _measure(job: Job, rounds: int, level: int | None) -> dict[str, Any]:
    results = []
    for number in range(1, rounds + 1):
        with tempfile.TemporaryDirectory(prefix="spot-bench-") as folder:
            scene = Scene(Path(folder), job, level=level)
            results.append(scene.play(partial(_tell, job.component, f"{number} of {rounds}")))
    return report.component(job, results)


def _tell(component: str, number: str, step: str) -> None:
    sys.stderr.write(f"bench: round {number}, {component}: {step}\n")


if __name__ == "__main__":
    main()
