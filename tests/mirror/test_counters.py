"""mirror.counters: what workers counted, as one."""

from mirror.counters import BUCKETS, Counted, total
from tests.mirror.health.rig import busy


def test_of_no_workers_nothing_is_counted() -> None:
    assert total([]) == Counted()


def test_counts_are_added_and_the_lag_is_that_of_the_worst() -> None:
    one = busy()
    both = total([one, Counted(lag=1.5, handshakes={"ok": 1}, latency={"pack": [0] * len(BUCKETS) + [4]})])
    assert both.handshakes["ok"] == one.handshakes["ok"] + 1
    assert both.latency["pack"] == [*one.latency["pack"][:-1], one.latency["pack"][-1] + 4]
    assert both.lag == 1.5
    assert (both.sent, both.connections, both.audit_lost) == (one.sent, one.connections, one.audit_lost)
    assert total([one]) == one


def test_what_is_summed_stays_as_it_was() -> None:
    one = busy()
    total([one, one])
    assert one == busy()
