"""What the parts of the check come by beside their findings, for the parts after them and for metrics."""

from datetime import datetime

import msgspec

from mirror.expiry import Lapse


class Noted(msgspec.Struct, frozen=True):
    """`moments`: what is dated here, and of when, UTC. `lapses`: what ends. The parts add to both."""

    moments: list[tuple[str, datetime]] = msgspec.field(default_factory=list)
    lapses: list[Lapse] = msgspec.field(default_factory=list)
