"""What all workers counted since control began: the living ones, and those that are gone. Pure.

A worker counts from its own beginning. What one that ended had told last is kept, so that no total ever falls.
"""

from collections.abc import Hashable

import msgspec

from mirror.counters import BUCKETS, Counted, total


class Totals:
    """By worker, whatever names it."""

    def __init__(self) -> None:
        self._gone = Counted()
        self._living: dict[Hashable, Counted] = {}

    def note(self, worker: Hashable, counted: Counted) -> bool:
        """What a worker told last; False if it is not of the form that it should have, and was passed over."""
        if any(len(counts) != len(BUCKETS) + 1 for counts in counted.latency.values()):
            return False
        self._living[worker] = counted
        return True

    def gone(self, worker: Hashable) -> None:
        """The worker has ended: what it counted stays, what it had at that moment does not."""
        last = self._living.pop(worker, Counted())
        over = msgspec.structs.replace(last, connections=0, handshaking=0, lag=0.0, audit_waiting=0)
        self._gone = total((self._gone, over))

    @property
    def living(self) -> list[Counted]:
        """What each worker that runs told last."""
        return [*self._living.values()]

    @property
    def gone_before(self) -> Counted:
        """What those counted that have ended."""
        return self._gone

    def sum(self) -> Counted:
        """All of them together."""
        return total((self._gone, *self._living.values()))
