"""mirror.control.pace: one thin snapshot in so many seconds, some saved up, and nothing remembered for long."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.control.pace import SAVED, Pace


def test_some_are_saved_up_and_then_it_is_one_in_so_many_seconds() -> None:
    pace = Pace(60)
    assert [pace.take("a", 0.0) for _ in range(SAVED)] == [0] * SAVED
    assert pace.take("a", 0.0) == 60
    assert pace.take("a", 45.0) == 15
    assert pace.take("b", 45.0) == 0
    assert pace.take("a", 60.0) == 0
    assert pace.take("a", 60.0) == 60
    assert [pace.take("a", 60.0 * SAVED + 60) for _ in range(SAVED)] == [0] * SAVED


def test_what_came_to_nothing_does_not_count() -> None:
    pace = Pace(60)
    for _ in range(10):
        assert pace.take("a", 0.0) == 0
        pace.give_back("a")
    pace.give_back("nobody")


def test_without_a_pace_nothing_is_refused_or_remembered() -> None:
    pace = Pace(0)
    assert [pace.take("a", 0.0) for _ in range(100)] == [0] * 100
    assert len(pace) == 0


def test_who_has_all_saved_up_again_is_forgotten() -> None:
    pace = Pace(60)
    for number in range(1000):
        assert pace.take(str(number), 0.0) == 0
    assert len(pace) == 1000
    for number in range(600):
        pace.take("another", 61.0 + number * 60)
    assert len(pace) <= 2


@given(st.integers(1, 100), st.lists(st.floats(0, 50), max_size=60))
def test_in_no_span_there_are_more_than_saved_up_and_one_in_so_many_seconds(seconds: int, gaps: list[float]) -> None:
    pace, now = Pace(seconds), 0.0
    taken: list[float] = []
    for gap in gaps:
        now += gap
        if not (wait := pace.take("a", now)):
            taken.append(now)
        else:
            assert pace.take("a", now + wait + 0.001) == 0
            now += wait + 0.001
            taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= SAVED + (taken[last] - taken[first]) / seconds + 0.001
