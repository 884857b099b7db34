"""One value has one spelling, and what is not that spelling is refused."""

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca import strict_json
from ca.errors import JsonError

CAP = 5000

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    sizes: Annotated[tuple[int, ...], msgspec.Meta(max_length=3)]
    note: str | None = None


def refused(raw: bytes, shape: Any = Any, cap: int = CAP) -> str:
    with pytest.raises(JsonError) as error:
        strict_json.decode(raw, shape, max_bytes=cap)
    assert str(error.value)
    return error.value.reason


@pytest.mark.parametrize("raw", [rb'{"\ud800":1}', rb'{"name":"\ud800","sizes":[]}'])
def test_a_lone_surrogate_is_refused_as_name_and_as_value(raw: bytes) -> None:
    assert refused(raw, Shape) == "not-canonical"


@given(values)
def test_what_is_encoded_is_decoded_to_the_same(value: Any) -> None:
    assert strict_json.decode(strict_json.encode(value), Any, max_bytes=1 << 20) == value


@given(st.binary(max_size=60) | values.map(repr).map(str.encode))
def test_bytes_are_refused_by_name_or_are_the_one_spelling_of_their_value(raw: bytes) -> None:
    try:
        value = strict_json.decode(raw, Any, max_bytes=CAP)
    except JsonError:
        return
    assert strict_json.encode(value) == raw


def test_the_canonical_form_is_frozen() -> None:
    value = Shape("ü\n/\x7f", (1, -2))
    raw = '{"name":"ü\\n/\x7f","note":null,"sizes":[1,-2]}'.encode()
    assert strict_json.encode(value) == raw
    assert strict_json.decode(raw, Shape, max_bytes=CAP) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"NaN",
        b"-Infinity",
        b"1.0",
        b"1e400",
        b"-1E2",
        b"1" * 4400,
        b"",
        b"{",
        b'{"a":1}x',
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"'a'",
        b'"\n"',
        b"[1,]",
    ],
)
def test_what_is_not_our_json_is_refused(raw: bytes) -> None:
    assert refused(raw) == "not-json"


@pytest.mark.parametrize(
    "raw",
    [b'{"a":1,"a":1}', b'{"b":{"a":1,"a":2}}', b'[{"":0,"":0}]', b'{"a":1,"\\u0061":2}'],
)
def test_a_key_named_twice_is_refused(raw: bytes) -> None:
    assert refused(raw) == "duplicate-key"


@pytest.mark.parametrize(
    "raw", [b" 1", b"1\n", b'{"b":1,"a":2}', b'{"a": 1}', b'"\\u0061"', b'"\\/"', b"-0", b'"\\ud800"', b'{"\\udfff":1}']
)
def test_another_spelling_of_a_value_is_refused(raw: bytes) -> None:
    assert refused(raw) == "not-canonical"


@pytest.mark.parametrize("depth", [66, 400, 900, 990, 5_000, 100_000])
@pytest.mark.parametrize("pair", [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_refused_and_never_ends_the_program(depth: int, pair: tuple[bytes, bytes]) -> None:
    assert refused(pair[0] * depth + b"1" + pair[1] * depth, cap=1 << 20) == "too-deep"


def test_nesting_is_fine_up_to_the_limit() -> None:
    raw = b"[" * 65 + b"]" * 65
    assert strict_json.encode(strict_json.decode(raw, Any, max_bytes=CAP)) == raw


def test_the_size_is_looked_at_first() -> None:
    assert refused(b"\xff" * 11, cap=10) == "too-large"
    assert refused(b"\xff" * 10, cap=10) == "not-json"


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b'{"name":"a"}',
        b'{"name":1,"sizes":[]}',
        b'{"name":"a","sizes":[true]}',
        b'{"name":"a","sizes":["1"]}',
        b'{"name":"a","sizes":[1,2,3,4]}',
        b'{"name":"a","other":1,"sizes":[]}',
    ],
)
def test_another_shape_is_refused(raw: bytes) -> None:
    assert refused(raw, Shape) == "wrong-shape"


def test_a_default_that_was_left_out_is_not_the_one_spelling() -> None:
    raw = b'{"name":"a","sizes":[]}'
    assert refused(raw, Shape) == "not-canonical"
    assert strict_json.decode(raw, Shape, max_bytes=CAP, canonical=False) == Shape("a", ())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_nothing_is_encoded_that_could_not_be_decoded(value: object) -> None:
    with pytest.raises(ValueError):
        strict_json.encode(value)
