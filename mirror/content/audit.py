"""The audit: one JSON line a request, in the order in which a worker's requests ended.

A line tells who asked for what, and what came of it; a denial's private detail stands here and nowhere else. No
address, unless the configuration says so. A worker puts its lines into a ring of shared memory, which outlives it;
`mirror.control.collector` moves them into the file.
"""

from pathlib import Path
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from mirror.content.exchange import Exchange
from mirror.ring import RingWriter

_MAX_METHOD: Final = 16  # characters of a method that a line repeats


class Line(msgspec.Struct, omit_defaults=True):
    """One request; what is not known is left out, but never `bytes` and `ms`: their defaults are none that occur.

    `time`: UTC, when it came; `bytes`: of the body really written; `ms`: until its last byte; `name`: who it is, if
    not a customer.
    """

    time: str
    request: str
    method: str
    address: str | None = None
    customer: str | None = None
    installation: str | None = None
    name: str | None = None
    role: str | None = None
    serial: str | None = None
    route: str | None = None
    product: str | None = None
    component: str | None = None
    version: str | None = None
    platform: str | None = None
    file: str | None = None
    status: int = 0
    reason: str | None = None
    detail: str | None = None
    bytes: int = -1
    ms: float = -1.0


def line_of(exchange: Exchange, seconds: float) -> Line:
    """What is said of an exchange that took so long."""
    caller, route, request = exchange.caller, exchange.route, exchange.request
    line = Line(
        time=f"{exchange.moment.text}.{exchange.now.microsecond // 1000:03}Z",
        request=exchange.id,
        method=request.method[:_MAX_METHOD] if request is not None else "",
        address=exchange.address,
        customer=caller.customer,
        installation=exchange.installation or caller.installation,
        name=caller.name,
        role=caller.role,
        serial=caller.serial,
        status=exchange.answer.status,
        reason=exchange.reason,
        detail=exchange.detail,
        bytes=exchange.sent,
        ms=round(seconds * 1000, 3),
    )
    if route is not None:
        line.route = route.kind.value
        line.product, line.component, line.file = route.product, route.component, route.file
        line.version, line.platform = route.version, route.platform
    return line


class Audit:
    """A worker's lines. When the ring is full, lines are lost and counted, and that is logged once; requests go on."""

    def __init__(self, ring: Path, log: FilteringBoundLogger) -> None:
        """Make the ring. Raises OSError: it cannot be made, or is there already."""
        self._ring = RingWriter(ring)
        self._log = log
        self._encoder = msgspec.json.Encoder()
        self._full = False
        self.lost = 0
        """Lines that found no room."""

    def write(self, line: Line) -> None:
        """Put a line where no death of this process can take it away."""
        if self._ring.append(self._encoder.encode(line)):
            self._full = False
            return
        self.lost += 1
        if not self._full:
            self._log.error("audit lines are being lost", problem="they are not taken out of the ring fast enough")
        self._full = True

    @property
    def waiting(self) -> int:
        """Bytes of lines that are not in the file yet."""
        return self._ring.waiting

    def close(self) -> None:
        """Let go of the ring; what is in it will still be moved into the file."""
        self._ring.close()
