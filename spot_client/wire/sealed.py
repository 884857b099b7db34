"""A sealed document: one line that names the content twice, compressed and plain, and then the compressed content.

    {"content":{"length":…,"sha256":…},"format":1,"frame":{"length":…,"sha256":…},"min_spot":"0.1"}\n
    (one zstd frame)

The one digest that signed metadata carries is that of the line. So compressed bytes are verified before a decoder sees
them, and whoever has the plain content by other means (a delta, later) can be held to the same single digest: that
keeps 32 bytes a release in the index instead of 64. Pure.
"""

from typing import Final

import msgspec

from spot_client.wire import document, frame
from spot_client.wire.digest import Blob, Length, Sha256, sha256_hex, verify
from spot_client.wire.errors import DigestError, FormatError

MAX_HEAD_BYTES: Final = 512


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed for a sealed document: `head`, the SHA-256 of its first line; `length` of all of it, in bytes."""

    head: Sha256
    length: Length


class _Head(document.Document, frozen=True):
    content: Blob
    frame: Blob


def seal(content: bytes, *, level: int = frame.DEFAULT_LEVEL) -> tuple[bytes, Seal]:
    """Compress `content` and return the sealed bytes and what to sign for them."""
    packed = frame.compress(content, level=level)
    head = _Head(content=_name(content), frame=_name(packed))
    line = document.encode(head) + b"\n"
    return line + packed, Seal(head=sha256_hex(line), length=len(line) + len(packed))


def unseal(raw: bytes, seal: Seal, *, max_size: int, what: str) -> bytes:
    """Verify sealed bytes and return the content; `what` names it in errors.

    Raises:
        DigestError: not the bytes that were signed for.
        FormatError: signed, but not of this format, too new, or over `max_size` bytes of content.
    """
    head, packed = _opened(raw, seal, what)
    if head.content.length > max_size:
        raise FormatError(
            "too-large", f"{what} unpacks to {head.content.length} bytes; at most {max_size} are allowed."
        )
    verify(packed, head.frame, what)
    content = frame.decompress(packed, max_size=head.content.length, what=what)
    verify(content, head.content, what)
    return content


def check(raw: bytes, seal: Seal, *, what: str) -> None:
    """Verify sealed bytes without unpacking them; `what` names them in errors.

    Raises:
        DigestError: not the bytes that were signed for.
        FormatError: signed, but not of this format, or too new.
    """
    head, packed = _opened(raw, seal, what)
    verify(packed, head.frame, what)


def _opened(raw: bytes, seal: Seal, what: str) -> tuple[_Head, memoryview]:
    """The verified head, and what follows it, not verified yet."""
    if len(raw) != seal.length:
        raise DigestError("wrong-length", f"{what} has {len(raw)} bytes, and {seal.length} were signed for.")
    end = raw.find(b"\n", 0, MAX_HEAD_BYTES) + 1
    verify(raw[:end], Blob(end, seal.head), what)
    head = document.decode(raw[: end - 1], _Head, max_bytes=MAX_HEAD_BYTES, what=what)
    return head, memoryview(raw)[end:]


def _name(data: bytes) -> Blob:
    return Blob(length=len(data), sha256=sha256_hex(data))
