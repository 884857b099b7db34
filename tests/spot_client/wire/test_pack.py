"""Blocks against a naive model of them: a list of bytes."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_client.wire import frame, pack
from spot_client.wire.digest import sha256_hex
from spot_client.wire.errors import DigestError, FormatError
from spot_client.wire.manifest import Block, Manifest

sizes = st.lists(st.integers(1, 9), max_size=6)


def manifest_of(block_sizes: list[int]) -> Manifest:
    """Blocks of these sizes; the k-th has k + 1 bytes in the pack."""
    blocks = tuple(Block(number + 1, "0" * 64, size) for number, size in enumerate(block_sizes))
    return Manifest(product="a", component="b", version="1", platform="any", entries=(), blocks=blocks)


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 25))
def test_a_stream_is_cut_into_equal_pieces_and_a_rest(chunks: list[bytes], size: int) -> None:
    stream = b"".join(chunks)
    assert list(pack.cut(chunks, size=size)) == [stream[at : at + size] for at in range(0, len(stream), size)]


def test_cutting_holds_one_piece_and_reads_no_further_ahead() -> None:
    read: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(10):
            read.append(number)
            yield b"1234"

    pieces = pack.cut(chunks(), size=8)
    assert next(pieces) == b"12341234"
    assert read == [0, 1]


@given(sizes)
def test_blocks_lie_one_after_another_in_pack_and_stream(block_sizes: list[int]) -> None:
    spans = pack.spans(manifest_of(block_sizes))
    assert [span.offset for span in spans] == [sum(block_sizes[:number]) for number in range(len(block_sizes))]
    assert [span.start for span in spans] == [sum(range(1, number + 1)) for number in range(len(block_sizes))]
    assert [span.block.size for span in spans] == block_sizes


@given(st.binary(min_size=1, max_size=200))
def test_a_block_is_unpacked_to_what_was_packed(content: bytes) -> None:
    packed, block = pack.encode_block(content, level=1)
    assert (block.length, block.sha256, block.size) == (len(packed), sha256_hex(packed), len(content))
    assert pack.decode_block(packed, block) == content


def test_a_block_is_verified_before_it_is_unpacked() -> None:
    packed, block = pack.encode_block(b"content", level=1)
    for changed, reason in ((packed + b"\0", "wrong-length"), (b"\0" + packed[1:], "wrong-digest")):
        with pytest.raises(DigestError) as error:
            pack.decode_block(changed, block)
        assert error.value.reason == reason


@pytest.mark.parametrize(("size", "reason"), [(6, "too-large"), (8, "wrong-size")])
def test_a_block_of_another_size_than_was_signed_is_refused(size: int, reason: str) -> None:
    packed = frame.compress(b"content", level=1)
    with pytest.raises(FormatError) as error:
        pack.decode_block(packed, Block(len(packed), sha256_hex(packed), size))
    assert error.value.reason == reason
