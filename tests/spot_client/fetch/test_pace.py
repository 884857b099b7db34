"""How long a mirror can hold SPOT, by the numbers alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_client.fetch.pace import MAX_HEAD, BrokenOff, Pace, Patience, Slower, TooLate, TooMuch, TooSlow

PATIENCE = Patience(gap=30, window=60, rate=100)


def held(pace: Pace, *, every: float, count: int, size: int) -> float:
    """Seconds that a mirror holds SPOT which gives `count` bytes at a time, up to `size`; None bytes are waited for."""
    waited, left = 0.0, size
    while left > 0:
        came = min(count, left) if every <= pace.wait else 0
        seconds = min(every, pace.wait)
        waited += seconds
        try:
            pace.took(came, seconds)
        except TooSlow:
            return waited
        left -= came
    return waited


def test_a_drip_feed_is_given_up_at_the_end_of_the_first_window() -> None:
    assert held(PATIENCE.for_body, every=20, count=1, size=10**9) == 60


def test_a_head_that_comes_byte_by_byte_is_given_up_after_the_gap() -> None:
    assert held(PATIENCE.for_head, every=1, count=1, size=10**9) == 30


def test_a_head_without_an_end_is_given_up_however_fast_it_comes() -> None:
    pace = PATIENCE.for_head
    pace.took(MAX_HEAD, 0)
    with pytest.raises(TooMuch):
        pace.took(1, 0)


def test_an_end_within_a_head_is_a_break_and_before_it_or_in_a_body_none_of_its_business() -> None:
    head, body = PATIENCE.for_head, PATIENCE.for_body
    head.ended()
    for pace in (head, body):
        pace.took(1, 0)
    with pytest.raises(BrokenOff):
        head.ended()
    body.ended()


def test_a_thin_line_above_the_least_rate_may_take_hours() -> None:
    assert held(PATIENCE.for_body, every=1, count=101, size=10_000_000) > 27 * 3600


def test_a_burst_that_is_followed_by_a_drip_feed_is_given_up_a_window_later() -> None:
    pace = PATIENCE.for_body
    pace.took(10**6, 60)
    assert held(pace, every=20, count=1, size=10**9) == 60


def test_what_spot_does_between_two_reads_does_not_count() -> None:
    pace = PATIENCE.for_body
    for _ in range(10_000):
        pace.took(1, 0)
    assert pace.wait == 30


def test_silence_is_counted_across_the_end_of_a_window() -> None:
    pace = PATIENCE.for_body
    pace.took(10**6, 50)
    pace.took(0, 10)
    assert (pace.is_silent, pace.wait) == (False, 20)
    pace.took(0, 20)
    assert pace.is_silent
    pace.took(1, 0)
    assert (pace.is_silent, pace.wait) == (False, 30)


def test_silence_is_a_timeout_and_not_a_slow_answer() -> None:
    pace = Patience(gap=60, window=10, rate=100).for_body
    assert pace.wait == 60
    pace.took(0, 60)


def test_there_is_always_some_time_to_wait() -> None:
    """A timeout of 0 would mean not to wait at all, and that is another kind of socket."""
    pace = PATIENCE.for_body
    pace.took(1, 59.9999999)
    assert 0 < pace.wait <= 0.001


@given(
    steps=st.lists(st.tuples(st.integers(0, 20_000), st.floats(0, 30)), max_size=200),
    size=st.integers(1, 200_000),
)
def test_no_answer_takes_longer_than_its_size_allows(steps: list[tuple[int, float]], size: int) -> None:
    """The bound that the module names, whatever a mirror does; silence is cut off by the socket's own timeout."""
    pace, came, waited = PATIENCE.for_body, 0, 0.0
    for count, seconds in steps:
        took = min(seconds, pace.wait)
        if came >= size or (count == 0 and took >= PATIENCE.gap):
            break
        waited += took
        came += min(count, size - came)
        try:
            pace.took(min(count, size - came) or count, took)
        except TooSlow:
            break
    assert waited <= PATIENCE.gap + PATIENCE.window * (1 + size / (PATIENCE.rate * PATIENCE.window)) + 1


@pytest.mark.parametrize("seconds", [0.0, 1.0, 59.0])
def test_before_a_window_is_over_nothing_is_judged(seconds: float) -> None:
    PATIENCE.for_body.took(0, seconds)


def test_what_a_window_brought_is_told_to_the_judge_of_that_answer_who_may_leave_the_mirror() -> None:
    told: list[float] = []

    def is_left(rate: float) -> bool:
        told.append(rate)
        return rate < 200

    patience = Patience(gap=30, window=60, rate=100, judge=lambda: is_left)
    pace = patience.for_body
    pace.took(60 * 500, 60)
    with pytest.raises(Slower):
        pace.took(60 * 150, 60)
    assert told == [500, 150]
    patience.for_head.took(1, 20)
    assert len(told) == 2


@pytest.mark.parametrize("part", ["for_head", "for_body"])
def test_no_part_of_an_answer_goes_on_after_the_time_for_the_whole_run(part: str) -> None:
    left = 10.0
    pace: Pace = getattr(Patience(gap=30, left=lambda: left), part)
    assert pace.wait == 10
    pace.took(10**5, 0)
    left = 0.0
    assert 0 < pace.wait <= 0.001
    with pytest.raises(TooLate):
        pace.took(10**5, 0)
