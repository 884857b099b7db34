"""zstd frames as no packer makes them (RFC 8878 §3.1.1), and a child that measures what reading them takes.

A block of type RLE is four bytes that stand for 128 KiB, so a gigabyte of zeros is a frame of 32 KiB.

    python -m tests.hostile.frames PARSER FILE...    one line a file: the reason, and by how many MiB the process grew
"""

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ca import strict_json
from spot_client.wire import index, manifest, pack, sealed
from spot_client.wire.digest import sha256_hex
from spot_client.wire.errors import WireError

GIGABYTE: Final = 2**30
RUN: Final = 128 * 2**10  # most bytes in one block
ANNOUNCED: Final = 2**20  # bytes of content that a sealed document or a block gives itself

_MAGIC: Final = bytes.fromhex("28b52ffd")


def made(
    size: int,
    *,
    declared: int | None = None,
    window_log: int | None = 20,
    dictionary: int | None = None,
    checksum: bool = False,
    reserved: bool = False,
) -> bytes:
    """A frame of `size` zero bytes; with `window_log` None a single segment, whose window is its declared size."""
    flags = (declared is not None) << 6 | (declared is not None) << 7 | (window_log is None) << 5
    flags |= reserved << 3 | checksum << 2 | (dictionary is not None) * 3
    head = bytes([flags])
    if window_log is not None:
        head += bytes([window_log - 10 << 3])
    if dictionary is not None:
        head += dictionary.to_bytes(4, "little")
    if declared is not None:
        head += declared.to_bytes(8, "little")
    return _MAGIC + head + run(size) + (b"\0\0\0\0" if checksum else b"")


def run(size: int) -> bytes:
    """Blocks of `size` zero bytes, the last one marked as the last."""
    whole, rest = divmod(size, RUN)
    lengths = [RUN] * whole + ([rest] if rest or not whole else [])
    heads = [length << 3 | 1 << 1 | (at == len(lengths)) for at, length in enumerate(lengths, start=1)]
    return b"".join(head.to_bytes(3, "little") + b"\0" for head in heads)


def skippable(length: int, content: bytes = b"") -> bytes:
    """A frame that decoders pass over (§3.1.2), which says that it has `length` bytes."""
    return bytes.fromhex("502a4d18") + length.to_bytes(4, "little") + content


def read_index(packed: bytes) -> object:
    return index.decode(packed)


def read_manifest(packed: bytes) -> object:
    """Signed for as it is; its head gives the content the size that the frame would have to keep to."""
    content = {"length": ANNOUNCED, "sha256": sha256_hex(bytes(ANNOUNCED))}
    head = {"content": content, "format": 1, "frame": {"length": len(packed), "sha256": sha256_hex(packed)}}
    line = strict_json.encode({**head, "min_spot": "0.1"}) + b"\n"
    return manifest.decode(line + packed, sealed.Seal(sha256_hex(line), len(line) + len(packed)))


def read_block(packed: bytes) -> object:
    return pack.decode_block(packed, manifest.Block(len(packed), sha256_hex(packed), ANNOUNCED))


PARSERS: Final[dict[str, Callable[[bytes], object]]] = {
    "index": read_index,
    "manifest": read_manifest,
    "block": read_block,
}


def main(parser: str, *files: str) -> None:
    """Read each file; see the module's docstring."""
    before = _peak()
    for file in files:
        packed = Path(file).read_bytes()
        try:
            PARSERS[parser](packed)
            reason = "read"
        except WireError as error:
            reason = error.reason
        sys.stdout.write(f"{reason} {_peak() - before}\n")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**10


if __name__ == "__main__":
    main(*sys.argv[1:])
