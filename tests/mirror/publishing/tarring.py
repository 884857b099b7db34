"""Tar archives made header by header, so that they can be what no honest program writes."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from backports import zstd

END: Final = bytes(1024)

PACKERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "tar": lambda raw: raw,
    "tar.gz": lambda raw: gzip.compress(raw, 9),
    "tgz": lambda raw: gzip.compress(raw, 9),
    "tar.bz2": bz2.compress,
    "tar.xz": lambda raw: lzma.compress(raw, preset=0),
    "tar.zst": zstd.compress,
}
"""How each kind of archive is packed, by what its name ends in."""


def header(name: str, *, kind: bytes = tarfile.REGTYPE, size: int = 0, mode: int = 0o644, link: str = "") -> bytes:
    """One header block (GNU format), with a checksum that fits."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = kind, mode, link
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def padded(content: bytes) -> bytes:
    """Content, filled up to whole blocks."""
    return content + bytes(-len(content) % 512)


def member(
    name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, link: str = ""
) -> bytes:
    """A header and its content."""
    return header(name, kind=kind, size=len(content), mode=mode, link=link) + padded(content)


def patched(block: bytes, start: int, field: bytes) -> bytes:
    """A header block with other bytes from `start` on, and the checksum made to fit again."""
    raw = bytearray(block)
    raw[start : start + len(field)] = field
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    return bytes(raw)


def pax(records: Iterable[tuple[str, str | bytes]], kind: bytes = tarfile.XHDTYPE) -> bytes:
    """An extended header."""
    lines = [
        record(key.encode() + b"=" + (value if isinstance(value, bytes) else value.encode())) for key, value in records
    ]
    return member("PaxHeader", b"".join(lines), kind=kind)


def record(text: bytes) -> bytes:
    """One line of an extended header: its own length in front."""
    length = len(text) + 2
    while len(b"%d %s\n" % (length, text)) != length:
        length += 1
    return b"%d %s\n" % (length, text)


def honest(files: dict[str, bytes]) -> bytes:
    """What Python's own tarfile makes of these files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def write(folder: Path, raw: bytes, ending: str = "tar") -> Path:
    """The archive `raw`, packed as its name says."""
    path = folder / f"x.{ending}"
    path.write_bytes(PACKERS[ending](raw))
    return path
