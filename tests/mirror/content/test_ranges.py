"""mirror.content.ranges: RFC 9110 §13 and §14, strict."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.content.ranges import (
    MAX_HEADER,
    MAX_RANGE_HEADER,
    MAX_RANGES,
    NotModified,
    Part,
    Parts,
    Unsatisfiable,
    Wanted,
    Whole,
    heads,
    wanted,
)

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
    "bytes=,0-1,": Part(0, 2),
    "bytes=0-1,3-4": Parts((Part(0, 2), Part(3, 5))),
    "bytes=3-4,0-1": Parts((Part(3, 5), Part(0, 2))),
    "bytes=0-1,\t-1": Parts((Part(0, 2), Part(9, 10))),
    "bytes=0-0 , ,, 2-2": Parts((Part(0, 1), Part(2, 3))),
    "bytes=0-0,2-2,99-": Parts((Part(0, 1), Part(2, 3))),
    "bytes=0-0,-0": Part(0, 1),
    "bytes=4-6,0-1,2-3": Part(0, 7),
    "bytes=8-,0-1,-3": Parts((Part(7, 10), Part(0, 2))),
    "bytes=0-5,3-9": Part(0, 10),
    "bytes=0-1,0-1": Part(0, 2),
    "bytes=10-,11-,-0": Unsatisfiable(),
    "bytes=0-1,5-4": Whole(),
    "bytes=0-1,-": Whole(),
    "bytes=0-1,x": Whole(),
    "bytes=0-1;3-4": Whole(),
    "bytes=,": Whole(),
    "bytes=": Whole(),
    "bytes= 0-1": Whole(),
    "bytes=0-0," + ",".join(["0-"] * (MAX_RANGES - 1)): Part(0, 10),
    "bytes=0-0," + ",".join(["0-"] * MAX_RANGES): Whole(),
    "bytes=0-0" + "," * (MAX_RANGE_HEADER - 9): Part(0, 1),
    "bytes=0-0" + "," * (MAX_RANGE_HEADER - 8): Whole(),
    "bytes = 0-1": Whole(),
    "bytes=0 - 1": Whole(),
    "bytes=+1-2": Whole(),
    "bytes=0x1-2": Whole(),
    "bytes=\u0661-\u0662": Whole(),
    "bytes=1-2\n": Whole(),
    "items=0-1": Whole(),
    "bytes=" + "9" * 16 + "-": Whole(),
    "bytes=" + "9" * 2000 + "-": Whole(),
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


RANGE = st.from_regex(re.compile(r"[0-9]{0,2}-[0-9]{0,2}", re.ASCII), fullmatch=True)


def naive(spec: str, length: int) -> set[int] | None:
    """The positions that a well-formed list of ranges names, one by one; None if one of them is no range."""
    named: set[int] = set()
    for first, _, last in (element.partition("-") for element in spec.removeprefix("bytes=").split(",")):
        if (not first and not last) or (first and last and int(last) < int(first)):
            return None
        if first:
            named |= {place for place in range(length) if int(first) <= place <= int(last or length)}
        else:
            named |= {place for place in range(length) if place >= length - int(last)}
    return named


@given(
    spec=st.lists(RANGE, min_size=1, max_size=12).map(lambda ranges: "bytes=" + ",".join(ranges)),
    length=st.integers(1, 60),
)
def test_the_parts_are_every_byte_asked_for_once(spec: str, length: int) -> None:
    answer, named = wanted(TAG, length, spec=spec), naive(spec, length)
    match answer:
        case Part() as part:
            assert set(range(part.start, part.stop)) == named
        case Parts(parts):
            places = [place for part in parts for place in range(part.start, part.stop)]
            assert set(places) == named
            assert len(places) == len(set(places))
            ordered = sorted(parts, key=lambda part: part.start)
            assert all(one.stop < other.start for one, other in pairwise(ordered))
        case Unsatisfiable():
            assert named == set()
        case _:
            assert named is None


@given(
    spec=st.text(max_size=40)
    | st.lists(RANGE | st.text("0123456789- ,\t", max_size=8), max_size=20).map(
        lambda ranges: "bytes=" + ",".join(ranges)
    )
)
def test_whatever_the_header_says_parts_lie_inside_the_file(spec: str) -> None:
    answer = wanted(TAG, 10, spec=spec)
    parts = answer.parts if isinstance(answer, Parts) else (answer,) if isinstance(answer, Part) else ()
    assert all(0 <= part.start < part.stop <= 10 for part in parts)
    assert parts or isinstance(answer, Whole | Unsatisfiable)


def test_a_thousand_ranges_that_overlap_are_the_whole_file() -> None:
    spec = "bytes=" + ",".join(f"{start}-" for start in range(1000))
    assert wanted(TAG, 10**6, spec=spec) == Whole()


def test_parts_stand_between_boundaries_with_their_place() -> None:
    assert heads((Part(0, 2), Part(5, 7)), 10, "text/plain", "B") == (
        b"--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n",
        b"\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-6/10\r\n\r\n",
        b"\r\n--B--\r\n",
    )
