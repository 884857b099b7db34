"""A frame is whole, alone, and never larger than was announced, however it was made."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_client.wire import frame
from spot_client.wire.errors import FormatError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONTENT = b"a plain sentence, said twice. " * 40
FRAME = frame.compress(CONTENT, level=3)
SKIPPABLE = bytes.fromhex("502a4d18") + (4).to_bytes(4, "little") + b"skip"  # RFC 8878 §3.1.2


def reason(packed: bytes, max_size: int = len(CONTENT)) -> str:
    with pytest.raises(FormatError) as error:
        frame.decompress(packed, max_size=max_size, what="The frame")
    return error.value.reason


@given(st.binary(max_size=300), st.integers(1, 300), st.sampled_from([1, 3, 19]))
def test_what_is_packed_is_unpacked_to_the_same(piece: bytes, times: int, level: int) -> None:
    content = piece * times
    packed = frame.compress(content, level=level)
    assert frame.decompress(packed, max_size=len(content), what="The frame") == content
    assert frame.decompress(memoryview(packed), max_size=len(content) + 1, what="The frame") == content


@given(st.integers(0, len(FRAME) - 1))
def test_a_frame_that_is_cut_short_is_refused(length: int) -> None:
    assert reason(FRAME[:length]) == "bad-frame"


@pytest.mark.parametrize("more", [b"\0", FRAME, SKIPPABLE, frame.compress(b"", level=1)])
def test_a_frame_followed_by_anything_is_refused(more: bytes) -> None:
    assert reason(FRAME + more, 2 * len(CONTENT)) == "bad-frame"


def test_a_frame_that_a_decoder_would_skip_hides_nothing() -> None:
    assert reason(SKIPPABLE + FRAME) == "bad-frame"


@given(st.integers(0, len(CONTENT) - 1))
def test_a_frame_of_more_than_was_announced_is_refused(announced: int) -> None:
    assert reason(FRAME, announced) == "too-large"


@given(st.data())
def test_a_damaged_frame_is_refused_by_name_or_stays_within_its_size(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(FRAME) - 1))
    damaged = FRAME[:at] + data.draw(st.binary(min_size=1, max_size=4)) + FRAME[at + 1 :]
    try:
        content = frame.decompress(damaged, max_size=len(CONTENT), what="The frame")
    except FormatError:
        return
    assert len(content) <= len(CONTENT)


def streamed(content: bytes, window_log: int) -> bytes:
    """A frame that does not tell its size, with a window of `window_log` bits."""
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: window_log})
    return packer.compress(content) + packer.flush()


def test_a_window_larger_than_a_block_is_refused_before_memory_is_taken_for_it() -> None:
    assert zstd.decompress(streamed(CONTENT, 27)) == CONTENT
    assert reason(streamed(CONTENT, 25)) == "bad-frame"
    assert reason(streamed(CONTENT, 27)) == "bad-frame"
    assert frame.decompress(streamed(CONTENT, 24), max_size=len(CONTENT), what="The frame") == CONTENT


def test_a_frame_that_needs_a_dictionary_is_refused() -> None:
    dictionary = zstd.ZstdDict(CONTENT, is_raw=True)
    other = zstd.compress(CONTENT[7:], level=3, zstd_dict=dictionary.as_prefix)
    with pytest.raises(FormatError):
        frame.decompress(other, max_size=len(CONTENT), what="The frame")


BOMB = """
import resource, sys
if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd
from spot_client.wire import frame
from spot_client.wire.errors import FormatError

packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 24})
zeros = bytes(2**20)
bomb = b"".join([*(packer.compress(zeros) for _ in range(2**10)), packer.flush()])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    frame.decompress(bomb, max_size=int(sys.argv[1]), what="The frame")
except FormatError as error:
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(error.reason, len(bomb), (after - before) // 2**10)
"""


@pytest.mark.slow
@pytest.mark.parametrize("max_size", [1000, 16 * 2**20])
def test_a_frame_of_a_gigabyte_takes_no_more_memory_than_what_was_announced(max_size: int) -> None:
    command = [sys.executable, "-c", BOMB, str(max_size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    reason, packed, mebibytes = done.stdout.split()
    assert reason == "too-large"
    assert int(packed) < 2**20
    assert int(mebibytes) < 64 + max_size // 2**20 * 2
