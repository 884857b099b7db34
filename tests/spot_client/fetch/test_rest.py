"""How long a mirror is left alone: never shorter than it asked for, and no two installations alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_client.fetch.rest import MAX_TOLD, obeyed, pause, told

spread = st.floats(0, 1)


@given(st.sampled_from([429, 503]), st.integers(0, 999_999_999))
def test_whole_seconds_are_obeyed_up_to_an_hour(status: int, seconds: int) -> None:
    assert told(status, {"Retry-After": str(seconds)}) == min(seconds, MAX_TOLD)


@given(st.sampled_from([429, 503]), st.text(max_size=40))
def test_nothing_else_is(status: int, said: str) -> None:
    found = told(status, {"Retry-After": said})
    assert found is None or (said.isascii() and said.isdecimal() and 0 <= found <= MAX_TOLD)


@pytest.mark.parametrize("status", [200, 301, 403, 404, 500, 502, 504])
def test_other_answers_do_not_ask_to_be_left_alone(status: int) -> None:
    assert told(status, {"Retry-After": "5"}) is None
    assert told(503, {}) is None


@given(st.floats(0, MAX_TOLD), spread)
def test_nobody_comes_earlier_than_told_nor_much_later(seconds: float, by: float) -> None:
    assert seconds <= obeyed(seconds, by) <= 1.5 * seconds


@given(st.integers(1, 1000), spread)
def test_pauses_grow_and_end(attempt: int, by: float) -> None:
    assert 0.5 <= pause(attempt, by) <= 16
    assert pause(attempt, 1) - pause(attempt, 0) >= 1
    assert pause(attempt + 1, by) >= pause(attempt, by)
