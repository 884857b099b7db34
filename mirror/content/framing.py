"""Where the records of TLS end in a stream of bytes (RFC 8446 §5.1, and RFC 5246 §6.2.1, which is the same).

OpenSSL cannot be asked what it has not looked at yet.

Pure.
"""

from typing import Final

_HEADER: Final = 5  # bytes: a type, a version of two, and the length of what follows


class Framing:
    """Of one direction of one connection. It believes every length: whether there can be such a record is not its."""

    __slots__ = ("_header", "_rest")

    def __init__(self) -> None:
        self._header = b""  # the begin of one
        self._rest = 0  # bytes of a record that are still to come

    def ended(self, raw: bytes) -> int:
        """How many records end in these bytes, which come next."""
        if not self._rest and not self._header and len(raw) - _HEADER == int.from_bytes(raw[3:_HEADER]):
            return 1  # the most common case, and a fifth of the others' time
        raw = self._header + raw
        at, length = self._rest, len(raw)
        count = 1 if 0 < at <= length else 0
        while at + _HEADER <= length:
            at += _HEADER + int.from_bytes(raw[at + 3 : at + _HEADER])
            if at <= length:
                count += 1
        self._header, self._rest = raw[at:], max(0, at - length)
        return count
