"""What a soak saw, by who asked: answers and how long they took, and errors, told apart by the faults of that time."""

import math
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from http.client import HTTPException, RemoteDisconnected
from typing import Any, NamedTuple

from bench.stage import Answer
from spot_client.wire.problem import read_reason

_GRACE_SECONDS = 5.0  # after a fault, until everything goes on as before


class Fault(NamedTuple):
    """What was done to the mirror, from `begun` to `ended` (seconds of the monotonic clock).

    explains: patterns of `ROLE KIND`, of errors that it excuses. said: what was seen of it.
    """

    name: str
    begun: float
    ended: float
    explains: Sequence[str]
    said: str


class _Error(NamedTuple):
    role: str
    kind: str
    begun: float
    ended: float


class Tally:
    """Written by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, list[float]] = {}
        self._errors: list[_Error] = []
        self._limited: Counter[str] = Counter()

    def answer(self, role: str, begun: float) -> None:
        """An answer that is right, to what was asked at `begun`."""
        with self._lock:
            self._seconds.setdefault(role, []).append(time.monotonic() - begun)

    def error(self, role: str, kind: str, begun: float) -> None:
        """Anything else."""
        with self._lock:
            self._errors.append(_Error(role, kind, begun, time.monotonic()))

    def limit(self, role: str, answer: Answer) -> float | None:
        """The seconds to wait, if that is what the mirror says (429); counted apart from errors."""
        wait = answer.headers.get("retry-after", "")
        if answer.status != 429 or not wait.isdecimal():
            return None
        with self._lock:
            self._limited[role] += 1
        return float(wait)

    def limited(self) -> dict[str, int]:
        """By role: how often it was told to wait."""
        with self._lock:
            return dict(self._limited)

    def answers(self) -> dict[str, dict[str, Any]]:
        """By role: how many, and p50 and p99 of their milliseconds."""
        with self._lock:
            return {role: _spread(seconds) for role, seconds in sorted(self._seconds.items())}

    def errors(self, faults: Sequence[Fault]) -> dict[str, Any]:
        """`expected`: counts by fault and error; `unexpected`: counts by error."""
        expected: dict[str, Counter[str]] = {}
        unexpected: Counter[str] = Counter()
        with self._lock:
            for error in self._errors:
                name = f"{error.role} {error.kind}"
                fault = next(_excusing(error, name, faults), None)
                (unexpected if fault is None else expected.setdefault(fault, Counter()))[name] += 1
        return {"expected": {fault: dict(kinds) for fault, kinds in expected.items()}, "unexpected": dict(unexpected)}


def kind_of_failure(error: Exception, *, used: bool) -> str:
    """The kind of an error for which there was no answer; `used`: the connection had carried an answer before."""
    match error:
        case TimeoutError():
            return "timeout"
        case ConnectionRefusedError():
            return "refused"
        case RemoteDisconnected() | ConnectionError() | ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return "closed" if used else "broken-off"
        case HTTPException():
            return "broken-off"
        case _:
            return type(error).__name__.lower()


def kind_of_refusal(answer: Answer) -> str:
    """The kind of an answer that was not the right one."""
    reason = read_reason(answer.body)
    return f"status-{answer.status} {reason[0] if reason else '-'}"


def _excusing(error: _Error, name: str, faults: Sequence[Fault]) -> Iterator[str]:
    for fault in faults:
        meanwhile = fault.begun <= error.ended and error.begun <= fault.ended + _GRACE_SECONDS
        if meanwhile and any(fnmatchcase(name, pattern) for pattern in fault.explains):
            yield fault.name


def _spread(seconds: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return round(ordered[math.ceil(share * len(ordered)) - 1] * 1000, 1)

    return {"answers": len(ordered), "p50_ms": at(0.5), "p99_ms": at(0.99)}
