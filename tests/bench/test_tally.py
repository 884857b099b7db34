"""An error counts as expected where a fault of its time explains it; what was accepted and is not there, as lost."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.fleet import STATES, State, lost
from bench.tally import Fault, Tally


@pytest.fixture
def tally() -> Tally:
    tally = Tally()
    tally.error("poll", "closed", time.monotonic())
    tally.error("thin-snapshot", "status-503 unavailable", time.monotonic())
    return tally


def fault(ago: float, *explains: str) -> Fault:
    return Fault("killed", time.monotonic() - ago - 1, time.monotonic() - ago, explains, "")


def test_without_a_fault_every_error_is_unexpected(tally: Tally) -> None:
    unexpected = {"poll closed": 1, "thin-snapshot status-503 unavailable": 1}
    assert tally.errors([]) == {"expected": {}, "unexpected": unexpected}


def test_a_fault_explains_only_what_it_names(tally: Tally) -> None:
    found = tally.errors([fault(0, "* closed", "frail *")])
    assert found["expected"] == {"killed": {"poll closed": 1}}
    assert found["unexpected"] == {"thin-snapshot status-503 unavailable": 1}


def test_a_fault_explains_nothing_that_came_long_after(tally: Tally) -> None:
    assert tally.errors([fault(2, "*")])["unexpected"] == {}
    assert tally.errors([fault(20, "*")])["expected"] == {}


def test_answers_are_told_with_their_time() -> None:
    tally = Tally()
    for ago in (0.1, 0.2, 0.3):
        tally.answer("poll", time.monotonic() - ago)
    found = tally.answers()["poll"]
    assert found["answers"] == 3
    assert found["p50_ms"] == pytest.approx(200, abs=20)
    assert found["p99_ms"] == pytest.approx(300, abs=20)


def history(count: int) -> list[State]:
    return [STATES[number % len(STATES)] for number in range(count)]


def test_no_state_is_followed_by_one_like_it() -> None:
    assert all(one != other for one, other in zip(history(9), history(9)[1:], strict=False))


@given(accepted=st.integers(0, 12), missing=st.sets(st.integers(0, 11)), more=st.integers(0, 3))
def test_what_is_not_in_the_history_is_lost(accepted: int, missing: set[int], more: int) -> None:
    sent = history(accepted)
    there = [state for place, state in enumerate(history(accepted + more)) if place not in missing]
    gone = len(missing & set(range(accepted)))
    assert (lost(sent, there) > 0) == (gone > more) or 0 < gone <= more
    assert lost(sent, history(accepted + more)) == 0
    assert lost(sent, []) == accepted
