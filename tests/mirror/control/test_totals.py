"""mirror.control.totals: what workers counted, together; no total falls when one ends."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.control.totals import Totals
from mirror.counters import BUCKETS, Counted


def counted(number: int) -> Counted:
    return Counted(
        handshakes={"ok": number},
        requests={"pack 200 -": number},
        sent=number,
        latency={"pack": [number] * (len(BUCKETS) + 1)},
        latency_sum={"pack": float(number)},
        connections=number,
        lag=number / 10,
    )


def test_the_living_and_the_dead_are_summed_but_what_is_of_this_moment_is_of_the_living() -> None:
    totals = Totals()
    assert totals.sum() == Counted()
    for worker, number in ((1, 5), (2, 7), (1, 6)):
        assert totals.note(worker, counted(number))
    totals.gone(1)
    totals.gone(3)
    assert totals.note(4, counted(1))
    found = totals.sum()
    assert (found.sent, found.requests, found.handshakes) == (14, {"pack 200 -": 14}, {"ok": 14})
    assert found.latency == {"pack": [14] * 13}
    assert (found.connections, found.lag) == (8, 0.7)


def test_what_is_of_another_form_is_passed_over() -> None:
    totals = Totals()
    totals.note(1, counted(3))
    assert not totals.note(1, Counted(sent=99, latency={"pack": [1]}))
    assert totals.sum() == counted(3)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5) | st.none()), max_size=40))
def test_no_total_ever_falls(steps: list[tuple[int, int | None]]) -> None:
    totals, sent, before = Totals(), dict.fromkeys(range(4), 0), 0
    for worker, more in steps:
        if more is None:
            totals.gone(worker)
            sent[worker] = 0
        else:
            sent[worker] += more
            totals.note(worker, Counted(sent=sent[worker]))
        now = totals.sum().sent
        assert now >= before
        before = now
