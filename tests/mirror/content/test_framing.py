"""mirror.content.framing: records are counted as they end, however the bytes of a connection come."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mirror.content.framing import Framing

BODIES = st.lists(st.binary(max_size=40) | st.just(bytes(2**14)), max_size=8)


def record(body: bytes) -> bytes:
    return b"\x17\x03\x03" + len(body).to_bytes(2, "big") + body


def pieces(raw: bytes, cuts: list[int]) -> list[bytes]:
    at = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    return [raw[begin:end] for begin, end in pairwise(at)]


@given(BODIES, st.lists(st.integers(0, 2**17), max_size=20))
def test_after_each_piece_as_many_have_ended_as_are_whole(bodies: list[bytes], cuts: list[int]) -> None:
    ends, raw = [], b""
    for body in bodies:
        raw += record(body)
        ends.append(len(raw))
    framing, came, ended = Framing(), 0, 0
    for piece in pieces(raw, cuts):
        came += len(piece)
        ended += framing.ended(piece)
        assert ended == sum(end <= came for end in ends)


@given(st.lists(st.binary(max_size=100), max_size=20))
def test_whatever_comes_it_goes_on(came: list[bytes]) -> None:
    framing = Framing()
    assert sum(framing.ended(raw) for raw in came) <= len(b"".join(came)) // 5


def test_byte_by_byte() -> None:
    framing = Framing()
    assert [framing.ended(bytes([one])) for one in record(b"abc") + record(b"")] == [0] * 7 + [1] + [0] * 4 + [1]
