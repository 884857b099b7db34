"""What a worker counts, since it began. Plain numbers: control adds those of all workers."""

from bisect import bisect_left
from typing import Final

import msgspec

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper ends of the buckets of `latency`, in seconds; there is one more beyond."""


class Counted(msgspec.Struct):
    """Counts, and with `connections`, `handshaking`, `lag` and `audit_waiting` what is so at the moment.

    handshakes: by outcome. requests: by "route status reason", `-` for none. sent, received: bytes of bodies. latency:
    by route, requests by bucket (not cumulative); latency_sum: their seconds. closed: connections ended early, by
    reason. lag: seconds that the event loop is late. audit_waiting: bytes.
    """

    handshakes: dict[str, int] = {}
    requests: dict[str, int] = {}
    sent: int = 0
    received: int = 0
    latency: dict[str, list[int]] = {}
    latency_sum: dict[str, float] = {}
    closed: dict[str, int] = {}
    connections: int = 0
    handshaking: int = 0
    lag: float = 0.0
    audit_waiting: int = 0
    audit_lost: int = 0

    def request(self, route: str, status: int, reason: str, seconds: float) -> None:
        """A request ended."""
        key = f"{route} {status} {reason}"
        self.requests[key] = self.requests.get(key, 0) + 1
        buckets = self.latency.get(route)
        if buckets is None:
            buckets = self.latency[route] = [0] * (len(BUCKETS) + 1)
        buckets[bisect_left(BUCKETS, seconds)] += 1
        self.latency_sum[route] = self.latency_sum.get(route, 0.0) + seconds

    def handshake(self, outcome: str) -> None:
        """A handshake ended."""
        self.handshakes[outcome] = self.handshakes.get(outcome, 0) + 1

    def close(self, reason: str) -> None:
        """A connection was ended before its time."""
        self.closed[reason] = self.closed.get(reason, 0) + 1
