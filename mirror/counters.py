"""What a worker counts of its work. It tells the control process once a second, which sums it for metrics. Pure.

No name of a customer, an installation or a product is among it: the words are those of the sets below, and of
`spot_client.wire`.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds that an answer took: upper bounds; one more bucket is beyond the last."""

OUTCOMES: Final = (
    "ok",
    "timeout",
    "no-certificate",
    "unknown-ca",
    "old-version",
    "weak-cipher",
    "long-handshake",
    "not-tls",
    "bad-proxy-header",
    "broken-off",
    "other",
)
"""How a handshake ends."""

CLOSED: Final = (
    "slow-header",
    "slow-body",
    "slow-reader",
    "not-any-more",
    "idle",
    "too-many",
    "too-many-of-address",
    "too-many-of-customer",
    "handshake-limit",
    "handshake-rate",
    "overload",
)
"""Why a connection was ended early."""


class Counted(msgspec.Struct, kw_only=True):
    """What one worker counted since it began; connections, handshaking, lag and audit_waiting are of this moment.

    handshakes: by outcome. requests: by `route status reason`, joined by one space, `-` where there is none, and the
    route `-` for a path that leads nowhere. sent, received: bytes of bodies. latency: by route, how many took so long
    as each of `BUCKETS` says, not cumulative. latency_sum: seconds by route. closed: connections ended early, by
    reason. lag: seconds that the event loop is late. audit_waiting: bytes in the ring of audit lines; audit_lost: lines
    that found no room there.
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
        """A request was answered."""
        key = f"{route} {status} {reason}"
        self.requests[key] = self.requests.get(key, 0) + 1
        numbers = self.latency.get(route)
        if numbers is None:
            numbers = self.latency[route] = [0] * (len(BUCKETS) + 1)
        numbers[bisect_left(BUCKETS, seconds)] += 1
        self.latency_sum[route] = self.latency_sum.get(route, 0.0) + seconds

    def handshake(self, outcome: str) -> None:
        """A handshake ended."""
        self.handshakes[outcome] = self.handshakes.get(outcome, 0) + 1

    def close(self, reason: str) -> None:
        """A connection was ended early."""
        self.closed[reason] = self.closed.get(reason, 0) + 1


def total(counted: Iterable[Counted]) -> Counted:
    """All of them as one; the lag is that of the worst."""
    every = [*counted]
    latency: dict[str, list[int]] = {}
    for one in every:
        for route, numbers in one.latency.items():
            before = latency.get(route, [0] * len(numbers))
            latency[route] = [a + b for a, b in zip(before, numbers, strict=True)]
    return Counted(
        handshakes=_sum(one.handshakes for one in every),
        requests=_sum(one.requests for one in every),
        sent=sum(one.sent for one in every),
        received=sum(one.received for one in every),
        latency=latency,
        latency_sum=_sum_seconds(one.latency_sum for one in every),
        closed=_sum(one.closed for one in every),
        connections=sum(one.connections for one in every),
        handshaking=sum(one.handshaking for one in every),
        lag=max((one.lag for one in every), default=0.0),
        audit_waiting=sum(one.audit_waiting for one in every),
        audit_lost=sum(one.audit_lost for one in every),
    )


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    summed: Counter[str] = Counter()
    for one in counts:
        summed.update(one)
    return dict(summed)


def _sum_seconds(seconds: Iterable[dict[str, float]]) -> dict[str, float]:
    summed: dict[str, float] = {}
    for one in seconds:
        for route, value in one.items():
            summed[route] = summed.get(route, 0.0) + value
    return summed
