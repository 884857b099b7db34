"""The body of a refusal comes from a machine that may be anybody's: it is shown, and can do nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_client.wire import problem
from spot_client.wire.problem import Problem, Reason

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(st.binary(max_size=80) | anything.map(json.dumps).map(str.encode))
def test_what_is_no_refusal_is_none(raw: bytes) -> None:
    assert problem.read_reason(raw) is None


@given(st.text(max_size=20), st.text(max_size=20), anything)
def test_whatever_a_refusal_says_can_be_printed_on_one_line(detail: str, request: str, more: object) -> None:
    body = {"reason": "expired", "detail": detail, "request": request, "more": more}
    told = problem.read_reason(json.dumps(body).encode())
    assert told is None or all(text.isprintable() for text in told)


def test_control_characters_and_broken_text_become_blanks() -> None:
    raw = rb'{"detail":"a\u001b[2Jb\nc\ud800d\u202e","reason":"expired","request":"\u0007x","extra":[1]}'
    assert problem.read_reason(raw) == ("expired", "a [2Jb c d ", " x")


def test_a_name_that_is_no_unicode_text_makes_it_no_refusal() -> None:
    assert problem.read_reason(rb'{"reason":"expired","\ud800":1}') is None


@pytest.mark.parametrize("reason", ["", "Expired", "expired\n", "two words", "x" * 65, None, 1])
def test_a_reason_is_a_word_in_kebab_case(reason: object) -> None:
    assert problem.read_reason(json.dumps({"reason": reason}).encode()) is None


def test_a_body_over_8_kib_is_not_read() -> None:
    body = json.dumps({"reason": "expired"}).encode()
    assert problem.read_reason(body.ljust(problem.MAX_BYTES)) == ("expired", "", "")
    assert problem.read_reason(body.ljust(problem.MAX_BYTES + 1)) is None


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_ours_is_read_as_it_was_written(reason: Reason) -> None:
    body = Problem(reason.value, "Title", 403, "A sentence.", "0a1b", "2026-01-01T00:00:00Z")
    assert problem.read_reason(problem.encode(body)) == (reason.value, "A sentence.", "0a1b")
