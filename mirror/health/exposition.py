"""What the metrics page says: the work of the workers, and whether the mirror is ready, in the words of Prometheus.

Labels take their values from closed sets, so that no worker can put a name of a customer there, and the number of
series stays bounded: what is in none of them is counted as `other`. Pure.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from mirror import metrics
from mirror.counters import BUCKETS, CLOSED, OUTCOMES, Counted, total
from mirror.expiry import Lapse
from mirror.health.status import Cause, Status, not_ready
from spot_client.wire.problem import Reason
from spot_client.wire.routes import Kind

NONE: Final = "-"
OTHER: Final = "other"
ROUTES: Final = frozenset({NONE, *(kind.value for kind in Kind)})
REASONS: Final = frozenset({NONE, *(reason.value for reason in Reason)})

_STATUS = re.compile(r"[1-5][0-9]{2}", re.ASCII)


def page(
    *,
    alive: Sequence[Counted],
    gone: Counted,
    restarts: int,
    status: Status,
    lapses: Iterable[Lapse],
    build: Mapping[str, str],
) -> bytes:
    """The whole page.

    Args:
        alive: what each running worker counted.
        gone: what those counted that have ended, summed, so that no counter goes back.
        restarts: how many workers had to be replaced.
        build: versions by what they are of: `version`, `python`, `openssl`.
    """
    versions = GaugeMetricFamily("spot_mirror_build_info", "What runs.", labels=[*build])
    versions.add_metric([*build.values()], 1)
    return metrics.exposition(
        [versions, *of_status(status, restarts), *of_work(alive, gone), *metrics.of_lapses(lapses)]
    )


def of_status(status: Status, restarts: int) -> list[Metric]:
    """Whether the mirror is ready, what it lacks, and its workers."""
    causes = not_ready(status)
    lacking = GaugeMetricFamily("spot_mirror_not_ready", "What it is not ready for: 1 if it holds.", labels=["cause"])
    for cause in Cause:
        lacking.add_metric([cause.value], int(cause in causes))
    workers = GaugeMetricFamily("spot_mirror_workers", "Workers that serve, and that should.", labels=["state"])
    workers.add_metric(["ready"], status.ready)
    workers.add_metric(["missing"], max(0, status.workers - status.ready))
    return [
        GaugeMetricFamily("spot_mirror_ready", "Whether the mirror is ready for clients.", int(not causes)),
        lacking,
        workers,
        CounterMetricFamily("spot_mirror_worker_restarts", "Workers that ended by themselves.", restarts),
    ]


def of_work(alive: Sequence[Counted], gone: Counted) -> list[Metric]:
    """The work of all workers; what is of this moment, of those that run."""
    here, ever = total(alive), total([*alive, gone])
    return [
        *_connections(here, ever),
        _requests(ever.requests),
        _seconds(ever),
        CounterMetricFamily("spot_mirror_sent_bytes", "Bytes of bodies that were sent.", ever.sent),
        CounterMetricFamily("spot_mirror_received_bytes", "Bytes of bodies that were received.", ever.received),
        GaugeMetricFamily("spot_mirror_event_loop_lag_seconds", "How late the latest event loop is.", here.lag),
        GaugeMetricFamily("spot_mirror_audit_waiting_bytes", "Audit lines not in the file yet.", here.audit_waiting),
        CounterMetricFamily("spot_mirror_audit_lost_lines", "Audit lines that were lost.", ever.audit_lost),
    ]


def _connections(here: Counted, ever: Counted) -> list[Metric]:
    handshakes = CounterMetricFamily("spot_mirror_handshakes", "TLS handshakes by their end.", labels=["outcome"])
    for outcome, count in _known(ever.handshakes, OUTCOMES).items():
        handshakes.add_metric([outcome], count)
    closed = CounterMetricFamily("spot_mirror_closed", "Connections ended early, by why.", labels=["reason"])
    for reason, count in _known(ever.closed, (*CLOSED, OTHER)).items():
        closed.add_metric([reason], count)
    return [
        GaugeMetricFamily("spot_mirror_connections", "Open connections.", here.connections),
        GaugeMetricFamily("spot_mirror_handshaking", "Of these, in their handshake.", here.handshaking),
        handshakes,
        closed,
    ]


def _requests(counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(
        "spot_mirror_requests", "Requests, by what they led to.", labels=["route", "status", "reason"]
    )
    summed: dict[tuple[str, str, str], int] = {}
    for words, count in counts.items():
        labels = _labels(words)
        summed[labels] = summed.get(labels, 0) + count
    for labels, count in sorted(summed.items()):
        family.add_metric(labels, count)
    return family


def _labels(words: str) -> tuple[str, str, str]:
    route, status, reason = [*words.split(" "), "", "", ""][:3]
    return (
        route if route in ROUTES else OTHER,
        status if status == NONE or _STATUS.fullmatch(status) else OTHER,
        reason if reason in REASONS else OTHER,
    )


def _seconds(ever: Counted) -> Metric:
    family = HistogramMetricFamily(
        "spot_mirror_request_seconds", "Seconds from a request's headers to its answer's end.", labels=["route"]
    )
    bounds = [*map(str, BUCKETS), "+Inf"]
    for route in sorted(ever.latency.keys() & ROUTES):
        numbers = accumulate(ever.latency[route])
        family.add_metric([route], [*zip(bounds, numbers, strict=True)], ever.latency_sum.get(route, 0.0))
    return family


def _known(counts: Mapping[str, int], words: Sequence[str]) -> dict[str, int]:
    """The count of every word, also of those that did not happen yet; what is none of them is `other`."""
    known = dict.fromkeys(words, 0)
    for word, count in counts.items():
        known[word if word in known else OTHER] += count
    return known
