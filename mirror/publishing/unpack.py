"""A compressed archive → the archive itself, in a file that has no name and so is gone with the process.

A release is read twice and not in the archive's order, which compressed bytes do not allow, and it does not fit into
memory. So it is unpacked once, onto the disk, and stopped where there is more than `Limits` allow, or more than an
honest archive of its size could hold; a decoder that asks for more than 128 MiB of memory is refused.
"""

import bz2
import gzip
import lzma
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

from mirror.blobs import make_folder
from mirror.errors import SourceError
from mirror.publishing import folders, tree
from mirror.publishing.limits import Limits
from mirror.publishing.tree import Progress

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_WINDOW_LOG: Final = 27  # 128 MiB: what the zstd command reads without being told to; `zstd --ultra -22` uses as much
_MEMORY: Final = 2 ** (_WINDOW_LOG + 1)  # bytes; xz counts the decoder itself, too, which needs 65 MiB after `xz -9`


class _Decoder(Protocol):
    """What bz2, lzma and zstd have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


def _zstd() -> _Decoder:
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
    return zstd.ZstdDecompressor(options=options)


def _xz() -> _Decoder:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)


_DECODERS: Final[dict[str, Callable[[], _Decoder]]] = {"bzip2": bz2.BZ2Decompressor, "xz": _xz, "zstd": _zstd}


@contextmanager
def unpacked(source: Path, method: str, scratch: Path, limits: Limits, progress: Progress) -> Iterator[IO[bytes]]:
    """The content of `source`, compressed by `method`, in a new file without a name in the folder `scratch`.

    Raises:
        SourceError: reason `unreadable`, `bad-archive`, `bomb`, `too-large` or `needs-memory`.
        OSError: the file in `scratch` cannot be written.
    """
    make_folder(scratch)
    with tempfile.TemporaryFile(dir=scratch) as target:
        written = 0
        for piece, done, size in _pieces(source, method):
            written += len(piece)
            limits.check_tar(written)
            limits.check_unpacked(source, size, written)
            target.write(piece)
            progress("unpacking", done, size)
        target.flush()
        yield target


def _pieces(source: Path, method: str) -> Iterator[tuple[bytes, int, int]]:
    """What `source` unpacks to, in pieces of `CHUNK` at most; with each how much of it was read, and its length."""
    try:
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for piece in _gzip(file) if method == "gzip" else _streams(file, _DECODERS[method]):
                yield piece, file.tell(), size
    except (EOFError, ValueError, zlib.error, lzma.LZMAError, zstd.ZstdError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise folders.unreadable(source, error) from error
        if "memory" in str(error).lower():  # liblzma's and libzstd's words; they have no code of their own for it
            hint = "Make it anew with a smaller window, such as that of 'xz -9' or 'zstd -19'."
            raise SourceError(
                "needs-memory", f"{source} takes more than 128 MiB of memory to unpack. {hint}"
            ) from error
        raise SourceError(
            "bad-archive", f"{source} is damaged, or not compressed by {method}. Make it anew."
        ) from error


def _gzip(file: IO[bytes]) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
        while piece := unpacked.read(tree.CHUNK):
            yield piece


def _streams(file: IO[bytes], new: Callable[[], _Decoder]) -> Iterator[bytes]:
    """One stream after another, as parallel compressors write them; anything else after a stream is an error."""
    decoder: _Decoder | None = None
    data = file.read(tree.CHUNK)
    while data or (decoder and not decoder.needs_input):
        decoder = decoder or new()
        piece = decoder.decompress(data, tree.CHUNK)
        if piece:
            yield piece
        data = b""
        if decoder.eof:
            data, decoder = decoder.unused_data or file.read(tree.CHUNK), None
        elif decoder.needs_input:
            data = file.read(tree.CHUNK)
    if decoder:
        raise EOFError("the stream is cut short")
