"""mirror.counters: what workers counted, as one."""

import re
from pathlib import Path

import mirror.content
from mirror.counters import BUCKETS, CLOSED, Counted, total
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


def test_every_reason_to_end_a_connection_has_a_name_of_its_own_in_the_metrics() -> None:
    (folder,) = mirror.content.__path__
    code = "".join(path.read_text() for path in sorted(Path(folder).glob("*.py")))
    given = set(re.findall(r'counted\.close\("([a-z-]+)"', code))
    assert {"slow-reader", "not-any-more"} <= given <= set(CLOSED)
