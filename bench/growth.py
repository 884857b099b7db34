"""Measures how a mirror's costs grow with what it holds: the same store at 1 %, 10 % and 100 %.

All of it is 100,000 customers, 1,000,000 installations, 100,000 releases and 10,000,000 lines of thin snapshots.
`bench.filled` and `bench.large` make it; the real mirror starts on it; `bench.decided` asks and changes. Nothing is
asserted about the numbers; goals stand beside them. Each row of the JSON array:

    scale               percent
    customers, installations, releases, thin_snapshots
    made_s              how long it took to make all that
    start_up_s          from the start of `spot-mirror serve` to its line `ready on …`, to 0.3 s
    decision_p50_us, decision_p99_us   a policy decision, each for another of 20,000 installations
    decision_p99_first_us   the same, when the process had not met those pages of the memory before
    change_visible_ms   from a granted licence to a state that has it, if it is looked for at once
    mint_ms             a new installation, stored, and known to requests
    thin_snapshot_ms    a thin snapshot, stored
    rss_mib, pss_mib    of all processes of the mirror once it is ready; pages that they share count once in the second
    memory_bytes        of the memory that they share, which is in both
    store_bytes         of the file of records
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.measure import ProgramFailed, run
from bench.report import aligned
from bench.scene import Mirror, Programs

GOALS: Final = {"start_up_s": "10 s", "decision_p99_us": "10 µs", "pss_mib": "1024 MiB", "change_visible_ms": "250 ms"}


class Size(NamedTuple):
    """How much there is of everything."""

    customers: int
    installations: int
    products: int
    components: int
    releases: int
    thin_snapshots: int

    def at(self, percent: float) -> "Size":
        """A part of it. Products and components stay as many: what grows is what is in them."""
        share = {name: max(1, round(getattr(self, name) * percent / 100)) for name in _GROWING}
        return self._replace(**share)


_GROWING: Final = ("customers", "installations", "releases", "thin_snapshots")
ALL: Final = Size(100_000, 1_000_000, 50, 10, 200, 10_000_000)


def main() -> None:
    """Measure, and print a table or JSON; exit with 1 if one of the programs fails."""
    options = _parser().parse_args()
    rows = []
    for percent in options.scale:
        with tempfile.TemporaryDirectory(prefix="spot-bench-") as folder:
            try:
                rows.append(measure(Programs(Path(folder)), percent, _tell))
            except ProgramFailed as error:
                sys.exit(f"bench: {error}")
    sys.stdout.write(json.dumps(rows, indent=2) + "\n" if options.json else to_table(rows))


def measure(programs: Programs, percent: float, tell: Callable[[str], None]) -> dict[str, Any]:
    """One row.

    Raises:
        ProgramFailed: one of the programs failed.
    """
    size, begun = ALL.at(percent), time.monotonic()
    tell(f"{percent:g} %: making it")
    programs.make()
    _run(programs, "bench.large", size.products, size.components, size.releases)
    _run(programs, "bench.filled", size.customers, size.installations, size.thin_snapshots)
    made, begun = time.monotonic() - begun, time.monotonic()
    tell(f"{percent:g} %: starting the mirror")
    with Mirror(programs) as mirror:
        ready = time.monotonic() - begun
        processes = list(_family(mirror.pid))
        memory = {"rss_mib": _mib(processes, "Rss"), "pss_mib": _mib(processes, "Pss")}
    tell(f"{percent:g} %: asking and changing")
    answers = programs.folder / "answers.json"
    _run(programs, "bench.decided", answers)
    return {
        "scale": percent,
        "customers": size.customers,
        "installations": size.installations,
        "releases": size.products * size.components * size.releases,
        "thin_snapshots": size.thin_snapshots,
        "made_s": round(made, 1),
        "start_up_s": round(ready, 1),
        **json.loads(answers.read_text()),
        **memory,
        "store_bytes": (programs.folder / "data/records.sqlite").stat().st_size,
    }


def to_table(rows: Iterable[dict[str, Any]]) -> str:
    """The rows for people: one column a scale."""
    columns = list(rows)
    names = list(columns[0])
    table = [("", *(f"{row['scale']:g} %" for row in columns), "goal")]
    table += [(name, *(f"{row[name]:,}" for row in columns), GOALS.get(name, "-")) for name in names[1:]]
    return "\n".join(aligned(table)) + "\n"


def _run(programs: Programs, module: str, *words: object) -> None:
    """Run a program of this bench on the mirror."""
    command = [sys.executable, "-m", module, *map(str, words)]
    run(command, folder=Path(__file__).parents[1], environment=programs.environment, log=programs.folder / "log")


def _family(pid: int) -> Iterable[int]:
    """A process and all that it started."""
    yield pid
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in thread.read_text().split():
            yield from _family(int(child))


def _mib(processes: Iterable[int], what: str) -> int:
    pages = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in processes]
    found = [re.search(rf"^{what}:\s+([0-9]+) kB$", text, re.MULTILINE) for text in pages]
    return round(sum(int(one[1]) for one in found if one) / 1024)


def _tell(step: str) -> None:
    sys.stderr.write(f"bench: {step}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print a JSON array instead of a table")
    text = "percent, several by commas (default: 1,10,100)"
    parser.add_argument("--scale", type=_scales, default=[1.0, 10.0, 100.0], help=text)
    return parser


def _scales(text: str) -> list[float]:
    scales = [float(word) for word in text.split(",")]
    if not all(0.001 <= scale <= 100 for scale in scales):
        raise argparse.ArgumentTypeError("a scale is 0.001 to 100 percent")
    return scales


if __name__ == "__main__":
    main()
