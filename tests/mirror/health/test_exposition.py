"""mirror.health.exposition: what the workers counted, as Prometheus reads it, with labels from closed sets only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from mirror.counters import BUCKETS, CLOSED, OUTCOMES, Counted, total
from mirror.health.exposition import OTHER, REASONS, ROUTES, page
from mirror.health.status import Cause, Status
from tests.mirror.health.rig import BUILD, GOOD, busy, but, lapses, whole_page

NAMES = ("acme", "sdk", "0123456789abcdef0123456789abcdef")
"""A customer, a product, an installation: what may never stand in a label."""
CLOSED_SETS = {
    "outcome": {*OUTCOMES},
    "route": {*ROUTES, OTHER},
    "reason": {*REASONS, *CLOSED, OTHER},
    "state": {"ready", "missing"},
    "cause": {cause.value for cause in Cause},
    "name": {"root", "targets", "snapshot", "timestamp", "halts", "house", "products", "server", "01"},
    "kind": {"catalogue", "server-certificate", "issuing-ca", "revocation-list"},
}

words = st.sampled_from([*NAMES, *OUTCOMES, *CLOSED, "200", "-", "metadata", "x" * 70, '"}\n', ""])
counts = st.dictionaries(words, st.integers(0, 9))
anything = st.builds(
    Counted,
    handshakes=counts,
    requests=st.dictionaries(st.lists(words, max_size=5).map(" ".join), st.integers(0, 9)),
    closed=counts,
    latency=st.dictionaries(words, st.just([1] * (len(BUCKETS) + 1))),
    latency_sum=st.dictionaries(words, st.floats(0, 9)),
)


def families(raw: bytes) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(raw.decode())}


def read(raw: bytes) -> dict[tuple[str, ...], float]:
    """The samples, by name and the values of their labels, which stand in the order of the labels' names."""
    found = [one for family in families(raw).values() for one in family.samples]
    values = {(one.name, *(value for _, value in sorted(one.labels.items()))): one.value for one in found}
    assert len(values) == len(found), "a sample stands there twice: Prometheus takes none"
    return values


def of(
    *, alive: tuple[Counted, ...] = (), gone: Counted | None = None, status: Status = GOOD
) -> dict[tuple[str, ...], float]:
    return read(page(alive=alive, gone=gone or Counted(), restarts=0, status=status, lapses=[], build=BUILD))


def test_what_all_workers_counted_is_summed_and_nothing_goes_back_when_one_ends() -> None:
    one, other = (Counted(sent=10, requests={"pack 200 -": 2}, connections=3, lag=lag) for lag in (0.5, 0.1))
    both, after = of(alive=(one, other)), of(alive=(other,), gone=one)
    for found in (both, after):
        assert found["spot_mirror_sent_bytes_total",] == 20
        assert found["spot_mirror_requests_total", "-", "pack", "200"] == 4
    assert (both["spot_mirror_connections",], after["spot_mirror_connections",]) == (6, 3)
    assert (both["spot_mirror_event_loop_lag_seconds",], after["spot_mirror_event_loop_lag_seconds",]) == (0.5, 0.1)


def test_seconds_are_a_histogram_that_adds_up() -> None:
    slow = [0] * len(BUCKETS) + [1]
    quick = [2, 1] + [0] * (len(BUCKETS) - 1)
    found = of(
        alive=(Counted(latency={"pack": slow}, latency_sum={"pack": 30.0}),),
        gone=Counted(latency={"pack": quick}, latency_sum={"pack": 0.004}),
    )
    assert found["spot_mirror_request_seconds_bucket", "0.001", "pack"] == 2
    assert found["spot_mirror_request_seconds_bucket", "0.0025", "pack"] == 3
    assert found["spot_mirror_request_seconds_bucket", "10.0", "pack"] == 3
    assert found["spot_mirror_request_seconds_bucket", "+Inf", "pack"] == 4
    assert found["spot_mirror_request_seconds_count", "pack"] == 4
    assert found["spot_mirror_request_seconds_sum", "pack"] == pytest.approx(30.004)


def test_what_has_not_happened_yet_is_zero_and_not_missing() -> None:
    found = of()
    assert {found["spot_mirror_handshakes_total", outcome] for outcome in OUTCOMES} == {0}
    assert {found["spot_mirror_closed_total", reason] for reason in CLOSED} == {0}
    assert {found["spot_mirror_not_ready", cause.value] for cause in Cause} == {0}
    assert found["spot_mirror_worker_restarts_total",] == 0


def test_whether_it_is_ready_and_why_not() -> None:
    assert of()["spot_mirror_ready",] == 1
    found = of(status=but(ready=0, store_answers=False))
    assert found["spot_mirror_ready",] == 0
    assert {cause for cause in Cause if found["spot_mirror_not_ready", cause.value]} == {
        Cause.NO_WORKER,
        Cause.STORE_FAULT,
    }
    assert (found["spot_mirror_workers", "ready"], found["spot_mirror_workers", "missing"]) == (0, 2)


def test_every_metric_is_explained_and_begins_alike() -> None:
    for name, family in families(whole_page()).items():
        assert name.startswith("spot_mirror_")
        assert family.documentation.endswith("."), name


@given(anything)
def test_no_label_ever_says_what_is_not_in_a_closed_set(counted: Counted) -> None:
    raw = page(alive=[counted], gone=busy(), restarts=0, status=GOOD, lapses=lapses(), build=BUILD)
    for name in NAMES:
        assert name.encode() not in raw
    for family in families(raw).values():
        for sample in family.samples:
            for label, value in sample.labels.items():
                if label in CLOSED_SETS:
                    assert value in CLOSED_SETS[label], (sample.name, label)
                elif label == "status":
                    assert value in {"-", OTHER} or (len(value) == 3 and value.isdigit())
                else:
                    assert label in {"le", *BUILD}, (sample.name, label)


@given(st.lists(anything, max_size=3))
def test_nothing_counted_is_lost_on_the_way(every: list[Counted]) -> None:
    found = of(alive=tuple(every))

    def shown(name: str) -> float:
        return sum(value for (metric, *_), value in found.items() if metric == name)

    whole = total(every)
    assert shown("spot_mirror_handshakes_total") == sum(whole.handshakes.values())
    assert shown("spot_mirror_requests_total") == sum(whole.requests.values())
    assert shown("spot_mirror_closed_total") == sum(whole.closed.values())
