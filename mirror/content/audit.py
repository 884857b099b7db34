"""The audit: one JSON line a request, in the order in which a worker's requests ended.

A line tells who asked for what, and what came of it; a denial's private detail stands here and nowhere else. No
address, unless the configuration says so. A worker puts its lines into a ring of shared memory, which outlives it;
`mirror.control.collector` moves them into the file.
"""

from pathlib import Path

import msgspec
from structlog.typing import FilteringBoundLogger

from mirror.ring import RingWriter


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
