"""zstd frames with a known size (RFC 8878): one whole frame in, no more bytes out than were announced.

The decoder is bounded before it starts: its window by `_WINDOW_LOG`, its output by the size that signed metadata gave.
Callers verify a frame's digest first; nothing here is a trust decision. Pure.
"""

import sys
from typing import Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from spot_client.wire.errors import FormatError

DEFAULT_LEVEL: Final = 19
"""zstd level for what is compressed once and fetched many times."""

_WINDOW_LOG = 24  # 16 MiB: a block is seen whole, and a decoder never allocates more


def compress(content: bytes, *, level: int = DEFAULT_LEVEL) -> bytes:
    """One frame holding `content`, with its size in the header."""
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: level,
        zstd.CompressionParameter.window_log: _WINDOW_LOG,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
        zstd.CompressionParameter.content_size_flag: 1,
    }
    return zstd.compress(content, options=options)


def decompress(frame: bytes | memoryview, *, max_size: int, what: str) -> bytes:
    """The content of exactly one frame, at most `max_size` bytes; `what` names it in errors.

    Raises:
        FormatError: reason `bad-frame` (damaged, truncated, or followed by other bytes) or `too-large`.
    """
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
    decoder = zstd.ZstdDecompressor(options=options)
    try:
        content = decoder.decompress(frame, max_length=max_size + 1)
    except zstd.ZstdError as error:
        raise FormatError("bad-frame", f"{what} cannot be unpacked: {error}.") from error
    if len(content) > max_size:
        raise FormatError("too-large", f"{what} unpacks to more than the {max_size} bytes allowed.")
    if not decoder.eof or decoder.unused_data:
        raise FormatError("bad-frame", f"{what} is not one whole zstd frame.")
    return content
