"""The pack: a release's content stream, cut into blocks that are fetched, verified and unpacked one at a time. Pure.

Block k of a pack lies at the sum of the lengths of the blocks before it; there is nothing else in the file.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate

import msgspec

from spot_client.wire import frame
from spot_client.wire.digest import Blob, sha256_hex, verify
from spot_client.wire.errors import FormatError
from spot_client.wire.manifest import MAX_BLOCK_SIZE, Block, Manifest


class Span(msgspec.Struct, frozen=True):
    """A block and where it lies: `start` in the pack and `offset` in the content stream, both in bytes."""

    block: Block
    start: int
    offset: int


def encode_block(content: bytes, *, level: int = frame.DEFAULT_LEVEL) -> tuple[bytes, Block]:
    """Compress the content of one block; returns its bytes in the pack and its line in the manifest."""
    packed = frame.compress(content, level=level)
    return packed, Block(length=len(packed), sha256=sha256_hex(packed), size=len(content))


def decode_block(packed: bytes, block: Block) -> bytes:
    """Verify a block's compressed bytes, then unpack them.

    Raises:
        DigestError: not the bytes the manifest names.
        FormatError: signed, but not one frame of the size that the manifest gives.
    """
    verify(packed, Blob(block.length, block.sha256), "A block of the pack")
    content = frame.decompress(packed, max_size=block.size, what="A block of the pack")
    if len(content) != block.size:
        raise FormatError("wrong-size", f"A block holds {len(content)} bytes, and its manifest says {block.size}.")
    return content


def cut(chunks: Iterable[bytes], *, size: int = MAX_BLOCK_SIZE) -> Iterator[bytes]:
    """Cut a stream of content into pieces of `size` bytes, the last one shorter; holds one piece in memory."""
    buffer = bytearray()
    for chunk in chunks:
        rest = memoryview(chunk)
        while len(buffer) + len(rest) >= size:
            taken = size - len(buffer)
            yield bytes(buffer) + bytes(rest[:taken])
            buffer.clear()
            rest = rest[taken:]
        buffer += rest
    if buffer:
        yield bytes(buffer)


def spans(manifest: Manifest) -> tuple[Span, ...]:
    """The blocks of a manifest with their places, in order."""
    starts = accumulate((block.length for block in manifest.blocks), initial=0)
    offsets = accumulate((block.size for block in manifest.blocks), initial=0)
    return tuple(Span(*place) for place in zip(manifest.blocks, starts, offsets, strict=False))
