"""What the parts of the check come by beside their findings, for the parts after them and for metrics."""

from datetime import datetime

import msgspec

from mirror.checking.scrub import Scrubbed
from mirror.expiry import Lapse


class Licences(msgspec.Struct, frozen=True):
    """How many licences there are, each counted once, and when the next of those in force ends, UTC.

    ending: in force, and over within 30 days. coming: they begin later.
    """

    in_force: int
    ending: int
    coming: int
    over: int
    next_end: datetime | None


class Noted(msgspec.Struct, frozen=True):
    """What the parts add to.

    `moments`: what is dated here, and of when, UTC. `lapses`: what ends. `published`: when each release on offer was,
    UTC. `scrubs`: what the last scrub came to, if there was one. `licences`: one entry, if the records can be read.
    """

    moments: list[tuple[str, datetime]] = msgspec.field(default_factory=list)
    lapses: list[Lapse] = msgspec.field(default_factory=list)
    published: list[datetime] = msgspec.field(default_factory=list)
    scrubs: list[Scrubbed] = msgspec.field(default_factory=list)
    licences: list[Licences] = msgspec.field(default_factory=list)
