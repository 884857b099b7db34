"""Measures how the mirror serves, with Apache and nginx beside it: CPU, rates, waiting, memory; on the same TLS.

The real `spot-mirror serve` with one worker, its policy, audit log and metrics on; Debian's Apache and nginx with one
worker each, the same certificates, ciphers and bytes. The load comes from a process of its own (`bench.load`). Rounds
are interleaved, and medians told. bench/README.md says what each number means.
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from bench.machine import machine
from bench.measure import ProgramFailed
from bench.report import aligned
from bench.theatre import Sample, Sizes, Theatre

CASES: Final = ("small", "handshake", "bulk", "idle")
SYSTEMS: Final = ("spot-mirror", "nginx", "apache")
GOALS: Final = {
    "small": "1.5 x apache; then as near to nginx as it goes",
    "handshake": "CPU of 0.9 x apache, 1.2 x nginx at most",
    "bulk": "CPU of 0.9 x nginx at most",
    "idle": "56 KiB a connection at most",
}


def play(theatre: Theatre, cases: Sequence[str], rounds: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """The rows, as medians over all rounds.

    Raises:
        ProgramFailed: something failed, or was not comparable.
    """
    samples: dict[tuple[str, str], list[Sample]] = {(case, system): [] for case in cases for system in SYSTEMS}
    ciphers = set()

    def note(case: str, system: str, found: tuple[Sample, str]) -> None:
        samples[case, system].append(found[0])
        ciphers.add(found[1])

    for number in range(rounds if "idle" in cases else 0):
        for system in _turned(SYSTEMS, number):
            tell(f"round {number + 1} of {rounds}: idle, {system}")
            with ExitStack() as ends:
                note("idle", system, theatre.measure_idle(theatre.start(system, ends)))
    with ExitStack() as ends:
        busy = [case for case in cases if case != "idle"]
        servers = [theatre.start(system, ends) for system in SYSTEMS] if busy else []
        for number in range(rounds):
            for case in busy:
                for server in _turned(servers, number):
                    tell(f"round {number + 1} of {rounds}: {case}, {server.system}")
                    note(case, server.system, theatre.measure(case, server))
    if len(ciphers) > 1:
        raise ProgramFailed(f"the servers chose different ciphers: {', '.join(sorted(ciphers))}")
    return [row(case, system, found) for (case, system), found in samples.items()]


def row(case: str, system: str, rounds: Sequence[Sample]) -> dict[str, Any]:
    """One row of the document: medians of the rounds; what does not apply is null."""

    def median(values: Sequence[float | None], digits: int) -> float | None:
        known = [value for value in values if value is not None]
        return round(statistics.median(known), digits) if known else None

    digits = 3 if case == "bulk" else 1
    idle = case == "idle"
    found = {
        "case": case,
        "system": system,
        "per_cpu_second": None if idle else median([one.work / one.cpu_seconds for one in rounds], digits),
        "wall_rate": None if idle else median([one.work / one.seconds for one in rounds], digits),
        "p99_ms": median([one.p99_ms for one in rounds], 3),
        "rss_mb": median([one.rss_bytes / 1e6 for one in rounds], 1),
    }
    if idle:
        found["connections"] = int(rounds[0].work)
        found["rss_kib_per_connection"] = median([one.rss_kib_per_connection for one in rounds], 1)
        found["pss_kib_per_connection"] = median([one.pss_kib_per_connection for one in rounds], 1)
    elif case == "handshake":
        found["cpu_ms"] = median([one.cpu_seconds / one.work * 1000 for one in rounds], 3)
    return found


def _turned(line: Sequence[Any], number: int) -> list[Any]:
    place = number % len(line) if line else 0
    return [*line[place:], *line[:place]]


def to_table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows for people, with ratios, and the goals beside the mirror's."""
    shown = []
    for one in rows:
        goal = f"{_ratios(one, rows)}; goal: {GOALS[one['case']]}" if one["system"] == "spot-mirror" else ""
        memory = one.get("rss_kib_per_connection")
        names = ("per_cpu_second", "wall_rate", "p99_ms", "rss_mb")
        numbers = ["-" if one[name] is None else f"{one[name]:,}" for name in names]
        shown.append((one["case"], one["system"], *numbers, "-" if memory is None else f"{memory}", goal))
    head = ("case", "system", "a CPU s", "a second", "p99 ms", "RSS MB", "KiB a connection", "spot-mirror's")
    return "\n".join(aligned([head, *shown])) + "\n"


def _ratios(mine: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """Of rates a CPU second (small), of CPU for the same (handshake, bulk), or of memory (idle)."""
    parts = []
    for other in (one for one in rows if one["case"] == mine["case"] and one["system"] != mine["system"]):
        key = "rss_kib_per_connection" if mine["case"] == "idle" else "per_cpu_second"
        ours, theirs = mine[key], other[key]
        over, under = (theirs, ours) if mine["case"] in {"handshake", "bulk"} else (ours, theirs)
        parts.append(f"{over / under:.2f} x {other['system']}" if under else f"{other['system']}: 0")
    return ", ".join(parts)


def main() -> None:
    """Measure, and print a table or JSON; exit with 1 if something fails or an answer is not what it should be."""
    options = _parser().parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sizes = Sizes(options.seconds, options.megabytes * 2**20, options.reads, options.idle, options.tls)
    with tempfile.TemporaryDirectory(prefix="spot-bench-") as folder:
        try:
            _tell("making a mirror, and the files")
            rows = play(Theatre(Path(folder), sizes), options.only or CASES, options.rounds, _tell)
        except ProgramFailed as error:
            sys.exit(f"bench: {error}")
    here = machine()
    _tell(f"{here['cores']} cores of {here['cpu']}, load {here['load']}; {here['versions']}")
    sys.stdout.write(json.dumps(rows, indent=2) + "\n" if options.json else to_table(rows))


def _tell(step: str) -> None:
    sys.stderr.write(f"bench: {step}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.serve", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a JSON array of rows instead of a table")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (default: 5)")
    parser.add_argument("--only", action="append", choices=CASES, help="this case; may be given more than once")
    parser.add_argument("--seconds", type=float, default=3.0, help="of small answers, and of handshakes (default: 3)")
    parser.add_argument("--megabytes", type=int, default=256, help="MiB of the large file (default: 256)")
    parser.add_argument("--reads", type=int, default=8, help="how often the large file is read (default: 8)")
    parser.add_argument(
        "--tls", choices=("1.2", "1.3"), default="1.3", help="its version, except in idle (default: 1.3)"
    )
    parser.add_argument("--idle", type=int, default=2000, help="idle connections (default: 2000)")
    return parser


if __name__ == "__main__":
    main()
