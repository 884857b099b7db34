"""A mirror whose state tests choose, and a worker that has counted everything there is to count."""

from datetime import UTC, datetime, timedelta
from typing import TextIO

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

from mirror.content.problems import TABLE
from mirror.counters import BUCKETS, CLOSED, OUTCOMES, Counted
from mirror.expiry import Lapse, of_catalogue, of_issuer, of_list, of_server
from mirror.health.exposition import page
from mirror.health.status import Status
from spot_client.wire.routes import Kind

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BUILD = {"version": "1.0", "python": "3.11.7", "openssl": "3.0.17"}

GOOD = Status(
    now=NOW,
    workers=2,
    ready=2,
    draining=False,
    catalogue_until=NOW + DAY,
    lists_until=NOW + DAY,
    store_answers=True,
    losing_audit=False,
    memory_behind=False,
)


def but(**changes: object) -> Status:
    """All is well, but for this."""
    return msgspec.structs.replace(GOOD, **changes)


def busy() -> Counted:
    """A worker that has met everything."""
    routes = ("-", *(kind.value for kind in Kind))
    requests = {f"{route} 200 -": 3 for route in routes}
    requests |= {f"metadata {line.status} {reason.value}": 1 for reason, line in TABLE.items()}
    return Counted(
        handshakes=dict.fromkeys(OUTCOMES, 2),
        requests=requests,
        sent=5000,
        received=70,
        latency={route: [1] * (len(BUCKETS) + 1) for route in routes},
        latency_sum=dict.fromkeys(routes, 20.5),
        closed=dict.fromkeys(CLOSED, 1),
        connections=7,
        handshaking=2,
        lag=0.004,
        audit_waiting=900,
        audit_lost=1,
    )


def log_to(stream: TextIO) -> FilteringBoundLogger:
    """The program's log, as lines of JSON."""
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
    )
    return log


def lapses() -> list[Lapse]:
    """One of every kind."""
    found = of_catalogue({"root": NOW + 30 * DAY, "snapshot": NOW + DAY, "sdk": NOW + DAY}, lambda _role: 90 * DAY)
    found += [of_server(NOW, NOW + 3 * DAY), of_issuer(b"\x01", NOW, NOW + DAY), of_list(b"\x01", NOW, NOW + DAY, DAY)]
    return found


def whole_page(status: Status = GOOD) -> bytes:
    """The metrics page of such a mirror."""
    return page(alive=[busy(), busy()], gone=busy(), restarts=1, status=status, lapses=lapses(), build=BUILD)
