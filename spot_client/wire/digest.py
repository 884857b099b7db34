"""SHA-256, and blobs named by their length and digest. Pure."""

import hashlib
import hmac
import re
from typing import Annotated, Final

import msgspec

from spot_client.wire.errors import DigestError

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""A SHA-256 digest as 64 lower-case hexadecimal digits."""

Length = Annotated[int, msgspec.Meta(ge=0, le=2**50)]
"""A number of bytes."""

SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Blob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes by name: `length` in bytes, `sha256` of them."""

    length: Length
    sha256: Sha256


def sha256_hex(data: bytes | memoryview) -> str:
    """The SHA-256 of `data`, as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def verify(data: bytes | memoryview, blob: Blob, what: str) -> None:
    """Check that `data` are the bytes that `blob` names; `what` names them in the error.

    Raises:
        DigestError: reason `wrong-length` or `wrong-digest`.
    """
    if len(data) != blob.length:
        raise DigestError("wrong-length", f"{what} has {len(data)} bytes, and {blob.length} were signed for.")
    if not hmac.compare_digest(sha256_hex(data), blob.sha256):
        raise DigestError("wrong-digest", f"{what} is not what was signed: its SHA-256 differs.")
