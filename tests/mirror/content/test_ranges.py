"""mirror.content.ranges: RFC 9110 §13 and §14, strict."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.content.ranges import MAX_HEADER, NotModified, Part, Unsatisfiable, Wanted, Whole, wanted

TAG = '"abc"'

RANGES: dict[str, Wanted] = {
    "bytes=0-0": Part(0, 1),
    "bytes=0-9": Part(0, 10),
    "bytes=5-": Part(5, 10),
    "bytes=9-9": Part(9, 10),
    "bytes=3-99999": Part(3, 10),
    "bytes=-3": Part(7, 10),
    "bytes=-99": Part(0, 10),
    "BYTES=1-2": Part(1, 3),
    "bytes=10-": Unsatisfiable(),
    "bytes=10-20": Unsatisfiable(),
    "bytes=-0": Unsatisfiable(),
    "bytes=5-4": Whole(),
    "bytes=-": Whole(),
    "bytes=0-1,3-4": Whole(),
    "bytes=0-1, -1": Whole(),
    "bytes = 0-1": Whole(),
    "bytes=0 - 1": Whole(),
    "bytes=+1-2": Whole(),
    "bytes=0x1-2": Whole(),
    "bytes=\u0661-\u0662": Whole(),
    "bytes=1-2\n": Whole(),
    "items=0-1": Whole(),
    "bytes=" + "9" * 16 + "-": Whole(),
    "bytes=" + "0" * MAX_HEADER + "-1": Whole(),
    "": Whole(),
}


@pytest.mark.parametrize(("spec", "answer"), RANGES.items())
def test_a_range_of_ten_bytes(spec: str, answer: Wanted) -> None:
    assert wanted(TAG, 10, spec=spec) == answer


@pytest.mark.parametrize(
    ("spec", "answer"), [("bytes=0-", Unsatisfiable()), ("bytes=-1", Whole()), ("bytes=-0", Unsatisfiable())]
)
def test_a_range_of_an_empty_file(spec: str, answer: Wanted) -> None:
    assert wanted(TAG, 0, spec=spec) == answer


@pytest.mark.parametrize(
    ("if_range", "answer"),
    [
        (TAG, Part(0, 1)),
        (None, Part(0, 1)),
        ('"other"', Whole()),
        (f"W/{TAG}", Whole()),  # §13.1.5: strong comparison
        ("abc", Whole()),
        ("Sun, 22 Nov 2026 17:00:00 GMT", Whole()),
        ("", Whole()),
    ],
)
def test_if_range_gives_the_part_only_of_the_same_file(if_range: str | None, answer: Wanted) -> None:
    assert wanted(TAG, 10, spec="bytes=0-0", if_range=if_range) == answer


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (TAG, True),
        (f"W/{TAG}", True),
        (f'"x", {TAG}', True),
        (f'"x",{TAG} ,\t"y"', True),
        ("*", True),
        ('"x"', False),
        ("abc", False),
        (f"{TAG} junk", False),
        (f'"x,{TAG}', False),
        (f"w/{TAG}", False),
        ("", False),
        (f"{TAG}," * MAX_HEADER, False),
    ],
)
def test_if_none_match_names_the_file_or_is_passed_over(header: str, known: bool) -> None:
    assert (wanted(TAG, 10, if_none_match=header) == NotModified()) is known


def test_if_none_match_comes_before_ranges() -> None:
    assert wanted(TAG, 10, if_none_match=TAG, spec="bytes=99-") == NotModified()


@given(first=st.integers(0, 300), last=st.integers(0, 300) | st.none(), length=st.integers(0, 200))
def test_a_part_is_exactly_the_bytes_asked_for_that_exist(first: int, last: int | None, length: int) -> None:
    content = bytes(index % 251 for index in range(length))
    answer = wanted(TAG, length, spec=f"bytes={first}-{'' if last is None else last}")
    asked = content[first : length if last is None else last + 1]
    match answer:
        case Part(start, stop):
            assert content[start:stop] == asked
            assert asked
        case Unsatisfiable():
            assert first >= length
        case _:
            assert last is not None
            assert last < first


@given(spec=st.text(max_size=40) | st.from_regex(re.compile(r"bytes=[0-9]*-[0-9]*"), fullmatch=True))
def test_whatever_the_header_says_a_part_lies_inside_the_file(spec: str) -> None:
    answer = wanted(TAG, 10, spec=spec)
    if isinstance(answer, Part):
        assert 0 <= answer.start < answer.stop <= 10
    else:
        assert isinstance(answer, Whole | Unsatisfiable)
