"""Loads a mirror for some minutes while things fail, and counts errors, memory, and thin snapshots that were lost.

The real `spot-mirror serve` with its default limits. Errors that a fault explains are told apart from others. A thin
snapshot is lost if it was accepted (2xx) and is not in the records afterwards. bench/README.md says what each number
means. Exit code 1: one was lost, something failed that no fault explains, or a program ended.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

from bench import processes
from bench.crowd import Crowd, look
from bench.faults import Faults
from bench.fleet import ROLE, Fleet, lost, stored
from bench.machine import machine
from bench.measure import ProgramFailed
from bench.report import aligned
from bench.scene import Mirror
from bench.stage import Stage
from bench.tally import Tally

WARM_SHARE: Final = 0.35  # of the time: every fault once, then memory is looked at for the first time
_QUIET_SHARE = 0.1  # at the end, and before that first look: no faults
_LARGE_BYTES = 32 * 2**20
_MAX_LOCK_SECONDS = 12.0  # longer than the mirror waits for the lock


class Gauge:
    """Memory of the mirror, once a second; as a context manager."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen: list[tuple[float, processes.Memory]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def between(self, begun: float, ended: float) -> dict[str, float]:
        """Medians of that time, in MB."""
        found = [memory for moment, memory in self._seen if begun <= moment <= ended]
        found = found or [memory for _, memory in self._seen[-1:]]
        names = ("rss_mb", "pss_mb", "own_mb")
        return {
            name: round(statistics.median(column) / 1e6, 1)
            for name, column in zip(names, zip(*found, strict=True), strict=True)
        }

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            self._seen.append((time.monotonic(), processes.memory(self._pid)))


def play(folder: Path, seconds: float, installations: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """The whole soak; the document without `machine`.

    Raises:
        ProgramFailed: a program failed, the mirror among them.
    """
    tell("making a mirror")
    stage, tally = Stage(folder), Tally()
    stage.make(_LARGE_BYTES)
    stage.configure(workers="auto", limits={})
    fleet = Fleet(tally)
    with Mirror(stage.programs) as mirror:
        faults = Faults(stage, mirror.pid, mirror.url, tally, min(_MAX_LOCK_SECONDS, seconds / 10))
        with stage.caller(mirror.url) as caller:
            known = look(caller)
            tell(f"minting {installations} installations")
            fleet.mint(caller, installations)
        begun = time.monotonic()
        with Gauge(mirror.pid) as gauge, Crowd(stage, mirror.url, known, fleet, tally) as crowd:
            warm = _injected(faults, begun, seconds, tell)
            ended = time.monotonic()
        if mirror.ended:
            raise ProgramFailed(f"the mirror ended:\n{(folder / 'serve.log').read_text(errors='replace')[-2000:]}")
        window = max(5.0, (ended - begun) * 0.05)
        start, end = gauge.between(warm, warm + window), gauge.between(ended - window, ended)
    tell("reading the records")
    limited = tally.limited()
    return {
        "format": 1,
        "seconds": round(ended - begun, 1),
        "answers": tally.answers(),
        "garbage": crowd.garbage,
        "errors": tally.errors(faults.done),
        "memory": {"start": start, "end": end, "growth_percent": _growth(start, end)},
        "thin_snapshots": _thin_snapshots(fleet, stored(stage.programs), limited.get(ROLE, 0)),
        "limited": limited,
        "faults": [
            {"fault": fault.name, "at_seconds": round(fault.begun - begun, 1), "said": fault.said}
            for fault in faults.done
        ],
    }


def _injected(faults: Faults, begun: float, seconds: float, tell: Callable[[str], None]) -> float:
    """All faults once while it warms up, then all but killing in turn until shortly before the end; when it was warm.

    Workers that are new have less memory, and would hide what others gain or seem to gain themselves: none is killed
    but at first, and each of the two looks at memory finds workers that have served for a while.
    """

    def rest(until: float) -> None:
        time.sleep(max(0.0, until - time.monotonic()))

    every, busy = faults.all(), seconds * (WARM_SHARE - _QUIET_SHARE)
    for place, fault in enumerate(every):
        rest(begun + busy * place / len(every))
        tell(f"{time.monotonic() - begun:.0f} s: {fault.__name__}")
        fault()
    # What control takes for a configuration that comes and one that goes, it takes for some reloads anew.
    while time.monotonic() + 3 < begun + busy:
        faults.hang_up()
        rest(time.monotonic() + seconds * 0.005)
    rest(begun + seconds * WARM_SHARE)
    warm, place = time.monotonic(), 0
    pause = max(seconds * 0.02, 6.0)
    while time.monotonic() + 2 * pause < begun + seconds * (1 - _QUIET_SHARE):
        time.sleep(pause)
        fault = every[1 + place % (len(every) - 1)]
        tell(f"{time.monotonic() - begun:.0f} s: {fault.__name__}")
        fault()
        place += 1
    rest(begun + seconds)
    return warm


def _growth(start: dict[str, float], end: dict[str, float]) -> float:
    return round((end["pss_mb"] / start["pss_mb"] - 1) * 100, 1)


def _thin_snapshots(fleet: Fleet, history: dict[str, Any], limited: int) -> dict[str, int]:
    accepted = fleet.accepted
    return {
        "installations": len(accepted),
        "sent": fleet.sent,
        "limited": limited,
        "accepted": sum(map(len, accepted.values())),
        "stored": sum(map(len, history.values())),
        "lost": sum(lost(states, history.get(minted, [])) for minted, states in accepted.items()),
    }


def to_table(document: dict[str, Any]) -> str:
    """The document for people."""
    memory, sent, errors = document["memory"], document["thin_snapshots"], document["errors"]
    rows = [("role", "answers", "p50 ms", "p99 ms")]
    rows += [
        (role, f"{one['answers']:,}", str(one["p50_ms"]), str(one["p99_ms"]))
        for role, one in document["answers"].items()
    ]
    faults = [("at s", "fault", "seen")]
    faults += [(f"{one['at_seconds']:.0f}", one["fault"], one["said"]) for one in document["faults"]]
    told = [("errors", "because of", "how many")]
    told += [(kind, fault, str(n)) for fault, kinds in errors["expected"].items() for kind, n in kinds.items()]
    told += [(f"{role} told to wait", "a limit", str(n)) for role, n in document["limited"].items()]
    told += [(kind, "NOTHING KNOWN", str(n)) for kind, n in errors["unexpected"].items()]
    lines = [
        f"{document['seconds']:.0f} s; {document['garbage']} connections of garbage",
        (
            f"memory (PSS, all processes): {memory['start']['pss_mb']} MB, at the end {memory['end']['pss_mb']} MB: "
            f"{memory['growth_percent']:+} % (goal: 5 % at most)"
        ),
        f"thin snapshots: {', '.join(f'{number} {name}' for name, number in sent.items())} (goal: 0)",
    ]
    for table in (rows, faults, told):
        lines += ["", *aligned(table)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run, and print a table or JSON."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="spot-bench-") as folder:
        try:
            document = play(Path(folder), options.minutes * 60, options.installations, _tell)
        except ProgramFailed as error:
            sys.exit(f"bench: {error}")
    document["machine"] = machine()
    sys.stdout.write(json.dumps(document, indent=2) + "\n" if options.json else to_table(document))
    sys.exit(_code(document))


def _code(document: dict[str, Any]) -> int:
    return 1 if document["thin_snapshots"]["lost"] or document["errors"]["unexpected"] else 0


def _tell(step: str) -> None:
    sys.stderr.write(f"bench: {step}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10); every fault comes once")
    parser.add_argument("--installations", type=int, default=300, help="that send thin snapshots (default: 300)")
    return parser


if __name__ == "__main__":
    main()
