"""Measures how soon a revoked client is refused, whatever it is doing: from the list that says so to the refusal.

The real `spot-mirror serve` with its default limits and a worker a core, and the real `spot-ca revoke`. A certificate
is issued, used in every situation at once, and revoked; again and again. bench/README.md says what each number means.
Exit code 1: it was not refused, or a program failed.
"""

import argparse
import json
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any, Final

from cryptography import x509

from bench.measure import ProgramFailed
from bench.refused import SITUATIONS, Party
from bench.report import aligned
from bench.scene import Mirror
from bench.stage import Stage
from ca.tls import client_context, read_pins

GOAL_SECONDS: Final = 1.0
_LARGE_BYTES: Final = 256 * 2**20  # more than is read of it before it is cut


def play(folder: Path, times: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """The rows.

    Raises:
        ProgramFailed: a program failed, or somebody was not refused.
    """
    tell("making a mirror")
    stage = Stage(folder)
    stage.make(_LARGE_BYTES)
    stage.configure(workers="auto", limits={})
    seconds: dict[str, list[float]] = {name: [] for name in SITUATIONS}
    commands: dict[str, list[float]] = {name: [] for name in SITUATIONS}
    with Mirror(stage.programs) as mirror, ThreadPoolExecutor(len(SITUATIONS)) as pool:
        for number in range(times):
            if number % 10 == 0:
                tell(f"{number} of {times}")
            party = _party(stage, mirror.url, f"spare-{number}")
            all_served = Barrier(len(SITUATIONS) + 1, timeout=30)
            watched = {name: pool.submit(_watched, watch, party, all_served) for name, watch in SITUATIONS.items()}
            _wait(all_served, watched.values())
            begun = time.time()
            stage.programs.run("spot-ca", "revoke", f"{party.serial:x}")
            signed = (folder / "ca" / "crl" / "issuing.crl").stat().st_mtime
            for name, refused in watched.items():
                moment = refused.result()
                seconds[name].append(max(0.0, moment - signed))
                commands[name].append(moment - begun)
    return [_row(name, seconds[name], commands[name]) for name in SITUATIONS]


def _watched(watch: Callable[[Party, Barrier], float], party: Party, all_served: Barrier) -> float:
    try:
        return watch(party, all_served)
    except BaseException:
        all_served.abort()  # nobody needs to wait for it
        raise


def _wait(all_served: Barrier, watched: Iterable[Future[float]]) -> None:
    """Returns once everybody was served."""
    try:
        all_served.wait()
    except BrokenBarrierError:
        for one in watched:
            problem = one.exception()
            if problem is not None and not isinstance(problem, BrokenBarrierError):
                raise ProgramFailed(f"somebody was not served: {problem}") from problem
        raise ProgramFailed("somebody was not served in time") from None


def _party(stage: Stage, url: str, folder: str) -> Party:
    """A new certificate of acme."""
    stage.programs.run("spot-ca", "issue", "client", "acme", "--out", folder)
    certificate = stage.folder / folder / "acme.crt"
    serial = x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number
    pins = read_pins(stage.pin.read_bytes())

    def context(version: ssl.TLSVersion) -> ssl.SSLContext:
        made = client_context(certificate=certificate, key=certificate.with_suffix(".key"), pins=pins, tls12=True)
        made.minimum_version = made.maximum_version = version
        return made

    return Party(url, serial, context)


def _row(name: str, seconds: Sequence[float], commands: Sequence[float]) -> dict[str, Any]:
    return {
        "situation": name,
        "n": len(seconds),
        "p50": round(statistics.median(seconds), 3),
        "p99": round(_p99(seconds), 3),
        "command_p50": round(statistics.median(commands), 3),
        "command_p99": round(_p99(commands), 3),
    }


def _p99(values: Sequence[float]) -> float:
    """The smallest value that 99 of a hundred do not exceed."""
    return sorted(values)[-(-len(values) * 99 // 100) - 1]


def to_table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows for people."""
    head = ("situation", "n", "p50 s", "p99 s", "p50 from the command", "p99 from the command")
    lines = aligned([head, *(tuple(str(value) for value in row.values()) for row in rows)])
    return "\n".join([*lines, f"goal: p99 of {GOAL_SECONDS} s at most"]) + "\n"


def main() -> None:
    """Run, and print a table or JSON."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="spot-bench-") as folder:
        try:
            rows = play(Path(folder), options.times, _tell)
        except ProgramFailed as error:
            sys.exit(f"bench: {error}")
    sys.stdout.write(json.dumps(rows, indent=2) + "\n" if options.json else to_table(rows))


def _tell(step: str) -> None:
    sys.stderr.write(f"bench: {step}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.revocation", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a JSON array of rows instead of a table")
    parser.add_argument("--times", type=int, default=100, help="how many certificates are revoked (default: 100)")
    return parser


if __name__ == "__main__":
    main()
