"""A model of many installations that come at once: who is served when, who is shed, who comes again. Pure.

Each connection goes to one of the workers, by chance, as SO_REUSEPORT does. A worker takes one after another, each for
as long as its handshake and requests cost. One that has as many waiting as may be without a proved certificate sheds
the next. Whoever is shed comes again as SPOT does (`spot_client.fetch.rest`), and after its last attempt with its next
run.
"""

import heapq
from collections import deque
from random import Random

import msgspec

from bench.capacity import MEASURED, Costs, poll
from spot_client.fetch import rest


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """Who comes: so many `clients` in `over` seconds, at any moment of them, each with so many `requests`.

    every: seconds until the next run of one whose run failed. window: seconds after which whoever was not served is
    lost. rtt: seconds to the mirror and back.
    """

    clients: int
    over: float
    requests: int = 1
    every: float = 3600.0
    window: float = 7200.0
    rtt: float = 0.05


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of them. p50_ms, p99_ms: from the connection to the answer, of those that were served.

    served_at_once: in their first run. shed: connections that were closed. last: seconds until the last was served.
    busy: of the workers' time until then, the part in which they worked.
    """

    clients: int
    served: int
    served_at_once: int
    lost: int
    shed: int
    p50_ms: float
    p99_ms: float
    last: float
    busy: float


class _Worker:
    """One worker: when it will have nothing to do, and when those that wait will be done."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.free = 0.0
        self.worked = 0.0
        self.waiting: deque[float] = deque()

    def work(self, now: float, seconds: float) -> float:
        self.free = max(now, self.free) + seconds
        self.worked += seconds
        return self.free

    def is_full(self, now: float) -> bool:
        while self.waiting and self.waiting[0] <= now:
            self.waiting.popleft()
        return len(self.waiting) >= self.room


def simulate(crowd: Crowd, random: Random, *, workers: int, handshakes: int, costs: Costs = MEASURED) -> Outcome:
    """Let them come. `handshakes`: connections of the machine without a proved certificate at the same time."""
    crew = [_Worker(-(-handshakes // workers)) for _ in range(workers)]
    ahead = [(random.uniform(0, crowd.over), client, 1) for client in range(crowd.clients)]
    heapq.heapify(ahead)
    took: list[float] = []
    shed = at_once = 0
    last = 0.0
    while ahead:
        now, client, attempt = heapq.heappop(ahead)
        worker = random.choice(crew)
        if worker.is_full(now):
            shed += 1
            worker.work(now, costs.shed)
            again = now + _wait(crowd, attempt, random.random())
            if again <= crowd.window:
                heapq.heappush(ahead, (again, client, attempt + 1))
            continue
        done = worker.work(now, poll(costs, crowd.requests))
        worker.waiting.append(done)
        took.append(done - now + (2 + crowd.requests) * crowd.rtt)  # TCP, TLS, and each request
        at_once += attempt <= rest.ATTEMPTS_BUSY
        last = max(last, done)
    took.sort()
    return Outcome(
        clients=crowd.clients,
        served=len(took),
        served_at_once=at_once,
        lost=crowd.clients - len(took),
        shed=shed,
        p50_ms=round(percentile(took, 0.5) * 1000, 1),
        p99_ms=round(percentile(took, 0.99) * 1000, 1),
        last=round(last, 1),
        busy=round(sum(worker.worked for worker in crew) / workers / max(last, crowd.over), 3),
    )


def percentile(ordered: list[float], part: float) -> float:
    """The value below which that part of the sorted values lies; 0 of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


def _wait(crowd: Crowd, attempt: int, spread: float) -> float:
    """Seconds until whoever was shed comes again."""
    within = (attempt - 1) % rest.ATTEMPTS_BUSY + 1
    return crowd.every if within == rest.ATTEMPTS_BUSY else rest.pause(within, spread)
