"""Whom a slow mirror is left for: whoever may be twice as fast, and not over and over."""

import pytest

from spot_client.fetch.speeds import BORNE, Speeds

ENOUGH = 1000.0


class Clock:
    """Seconds, as they are set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def two(clock: Clock) -> Speeds:
    return Speeds(["one", "two"], enough=ENOUGH, clock=clock)


def test_the_only_mirror_is_never_left(clock: Clock) -> None:
    assert not Speeds(["one"], enough=ENOUGH, clock=clock).of("one")(1)


def test_one_that_is_fast_enough_is_never_left(two: Speeds) -> None:
    assert not two.of("one")(ENOUGH)


def test_a_slow_one_is_left_for_one_that_was_not_measured(two: Speeds) -> None:
    assert two.of("one")(ENOUGH - 1)


@pytest.mark.parametrize(("rate", "left"), [(51, False), (50, False), (49, True)])
def test_it_is_left_for_one_that_was_more_than_twice_as_fast(two: Speeds, rate: float, left: bool) -> None:
    two.of("two")(100)
    assert two.of("one")(rate) is left


def test_over_a_thin_line_the_second_one_keeps_what_it_has(two: Speeds) -> None:
    assert two.of("one")(100)
    second = two.of("two")
    assert not any(second(rate) for rate in (90, 110, 60, 100))


def test_all_downloads_that_had_begun_leave_a_slow_one_together(two: Speeds) -> None:
    downloads = [two.of("one") for _ in range(4)]
    assert all(is_left(100) for is_left in downloads)


def test_one_that_is_asked_again_is_borne_for_a_while_because_no_other_did_better(two: Speeds, clock: Clock) -> None:
    assert two.of("one")(100)
    again = two.of("one")
    clock.now = BORNE - 1
    assert not again(100)
    clock.now = BORNE
    assert again(100)


def test_what_was_measured_long_ago_says_nothing_any_more(two: Speeds, clock: Clock) -> None:
    two.of("two")(10)
    clock.now = BORNE - 1
    assert not two.of("one")(10)
    clock.now = BORNE
    assert two.of("one")(10)
