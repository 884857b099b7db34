"""Whether this mirror is ready for clients, and if not, why: what `/readyz` answers and metrics tell. Pure."""

from datetime import datetime
from enum import Enum
from typing import Final

import msgspec


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The mirror at one moment, `now`, as the control process knows it. Moments in UTC.

    workers: how many there should be. ready: how many of them serve. catalogue_until: when the first statement of the
    catalogue lapses; None: there is none that could be read. lists_until: until when every revocation list counts,
    its grace included; None: one is missing. store_answers: whether the last try did. losing_audit: whether audit
    lines were lost in the last minute. memory_behind: whether something changed that could not be taken over.
    """

    now: datetime
    workers: int
    ready: int
    draining: bool
    catalogue_until: datetime | None
    lists_until: datetime | None
    store_answers: bool
    losing_audit: bool
    memory_behind: bool


class Cause(Enum):
    """Why clients are better served elsewhere."""

    DRAINING = "draining"
    NO_WORKER = "no-worker"
    CATALOGUE_LAPSED = "catalogue-lapsed"
    REVOCATION_UNKNOWN = "revocation-unknown"
    STORE_FAULT = "store-fault"
    AUDIT_LOST = "audit-lost"
    MEMORY_BEHIND = "memory-behind"


SENTENCES: Final = {
    Cause.DRAINING: "The mirror is stopping: running downloads end, nothing new is taken.",
    Cause.NO_WORKER: "No worker serves: they start, or end as soon as they have started; the log says why.",
    Cause.CATALOGUE_LAPSED: "The catalogue has lapsed, or cannot be read: see that 'spot-mirror catalogue-timer' runs.",
    Cause.REVOCATION_UNKNOWN: "A revocation list is missing, or beyond its grace: run 'spot-ca crl', bring it here.",
    Cause.STORE_FAULT: "The store does not answer: 'spot-mirror check' says why.",
    Cause.AUDIT_LOST: "Audit lines are being lost: the disk is full, or too slow.",
    Cause.MEMORY_BEHIND: "What changed cannot be taken over, revocations perhaps among it: restart the mirror.",
}


def not_ready(status: Status) -> tuple[Cause, ...]:
    """Everything for which the mirror is not ready; empty if it is."""
    found = {
        Cause.DRAINING: status.draining,
        Cause.NO_WORKER: status.ready < 1,
        Cause.CATALOGUE_LAPSED: _is_over(status.catalogue_until, status.now),
        Cause.REVOCATION_UNKNOWN: _is_over(status.lists_until, status.now),
        Cause.STORE_FAULT: not status.store_answers,
        Cause.AUDIT_LOST: status.losing_audit,
        Cause.MEMORY_BEHIND: status.memory_behind,
    }
    return tuple(cause for cause, holds in found.items() if holds)


def _is_over(end: datetime | None, now: datetime) -> bool:
    return end is None or end <= now
