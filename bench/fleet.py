"""Installations of a soak that send thin snapshots, and what became of these.

Each goes through states of which no two neighbours are alike, so the mirror's history has a line for every accepted
change. One whose answer did not come is sent again until there is one, as SPOT does; then both may have been stored,
but that is one line. Who is told to wait (429), waits.
"""

import heapq
import json
import threading
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

from bench.measure import ProgramFailed
from bench.scene import Programs
from bench.stage import Caller
from bench.tally import Tally, kind_of_failure, kind_of_refusal
from spot_client.wire import thin_snapshot

State = Mapping[str, str]
"""Version by component."""

ROLE = "thin-snapshot"
STATES: Sequence[State] = ({"sdk/small": "1.0"}, {"sdk/large": "1.0"}, {"sdk/large": "1.0", "sdk/small": "1.0"})
_PERIOD_SECONDS = 15.0
_AGAIN_SECONDS = 2.0  # lines of history are told apart by the second from which they hold


class Fleet:
    """Installations of acme, minted by the mirror."""

    def __init__(self, tally: Tally) -> None:
        self.sent = 0
        self.accepted: dict[str, list[State]] = {}
        self._tally = tally
        self._lock = threading.Lock()
        self._due: list[tuple[float, str]] = []
        self._moments: dict[str, float] = {}

    def mint(self, caller: Caller, number: int) -> None:
        """Have so many minted, each with its first thin snapshot due at a moment of its own.

        Raises:
            ProgramFailed: the mirror did not.
        """
        for place in range(number):
            answer = caller.ask("POST", "/installations", {"Content-Length": "0"})
            if answer.status != 201:
                raise ProgramFailed(f"the mirror mints no installation: {kind_of_refusal(answer)}")
            minted = json.loads(answer.body)["installation"]
            self.accepted[minted] = []
            self._moments[minted] = time.monotonic() + place * _PERIOD_SECONDS / number
            heapq.heappush(self._due, (self._moments[minted], minted))

    def send(self, caller: Caller) -> None:
        """Send the thin snapshot of whoever is due, if anybody is."""
        with self._lock:
            if not self._due or self._due[0][0] > time.monotonic():
                return
            _, minted = heapq.heappop(self._due)
            self.sent += 1
        pause = self._put(caller, minted)
        now = time.monotonic()
        if pause is None:  # its own moment again: what waited for a fault must not come together ever after
            pause = _PERIOD_SECONDS - (now - self._moments[minted]) % _PERIOD_SECONDS
            pause += _PERIOD_SECONDS if pause < _AGAIN_SECONDS else 0
        with self._lock:
            heapq.heappush(self._due, (now + pause, minted))

    def _put(self, caller: Caller, minted: str) -> float | None:
        """One try; the seconds until this installation's next, if that is not at its usual moment."""
        begun, state = time.monotonic(), STATES[len(self.accepted[minted]) % len(STATES)]
        used = caller.used
        headers = {"Content-Type": "application/json"}
        try:
            answer = caller.ask("PUT", f"/installations/{minted}/thin-snapshot", headers, thin_snapshot.encode(state))
        except (OSError, HTTPException) as error:
            self._tally.error(ROLE, kind_of_failure(error, used=used), begun)
            return _AGAIN_SECONDS
        if (wait := self._tally.limit(ROLE, answer)) is not None:
            return wait
        if answer.status != 204:
            self._tally.error(ROLE, kind_of_refusal(answer), begun)
            return _AGAIN_SECONDS
        self.accepted[minted].append(state)
        self._tally.answer(ROLE, begun)
        return None


def stored(programs: Programs) -> dict[str, list[State]]:
    """What the mirror's records hold, oldest first, by installation; from `thin-snapshots export`.

    Raises:
        ProgramFailed: the records cannot be read.
    """
    out = programs.folder / "history.json"
    programs.run("spot-mirror", "thin-snapshots", "export", "--format", "json", "--history", "--out", str(out))
    rows = json.loads(Path(out).read_text(encoding="utf-8"))
    found: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows:
        lines = found.setdefault(row["installation"], {})
        if row["component"]:
            lines.setdefault(row["from"], {})[row["component"]] = row["version"]
    return {minted: [lines[moment] for moment in sorted(lines)] for minted, lines in found.items()}


def lost(accepted: Sequence[State], history: Sequence[State]) -> int:
    """How many of the accepted are not in the history in their order (those beyond a longest common subsequence)."""
    longest = [0] * (len(history) + 1)
    for state in accepted:
        before = 0
        for place, line in enumerate(history):
            here = longest[place + 1]
            longest[place + 1] = before + 1 if line == state else max(here, longest[place])
            before = here
    return len(accepted) - longest[-1]
