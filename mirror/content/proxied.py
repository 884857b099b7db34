"""What a balancer says before TLS: whose connection it passes on.

PROXY protocol, version 2, as haproxy's proxy-protocol.txt (§2.2) has it.

Read only from networks that are configured as balancers; nobody else may say where it comes from. So the header is
required there, and everything that is not exactly one is refused: version 1, what was not TCP, an address that the
balancer does not know. What it adds (TLVs) must have a length that fits and is otherwise passed over, its checksum,
too: TCP has one, and an address that is wrong would only be counted and logged wrongly. From everybody else a header is
refused by a name of its own: it is mostly that of a balancer that was forgotten in the configuration.

Pure.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import Final

import msgspec

MAX_HEADER: Final = 536
"""Longest header that is read, in bytes: the smallest segment that every TCP carries, so that it comes in one."""

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_VERSION_1 = b"PROXY "  # §2.1
_FIXED = 16  # signature, version and command, family, length
_LOCAL, _PROXY = 0x20, 0x21  # version 2 with either command
_LENGTHS = {0x11: 12, 0x21: 36}  # addresses and ports of TCP over IPv4 and over IPv6
_TLV_HEAD = 3


class Proxied(msgspec.Struct, frozen=True):
    """A header that is whole. `address`: the true caller's; None where the balancer speaks for itself (it looks whether
    the mirror lives). `consumed`: the header's length in bytes; what follows is TLS.
    """

    address: str | None
    consumed: int


class BadHeader(Exception):
    """It is no header that is accepted, whatever comes: `reason` for the audit line, in kebab case."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_header(buffer: bytes) -> Proxied | None:
    """The header at the beginning of what a balancer sent; None as long as more of it has to come.

    Raises:
        BadHeader: reason `not-proxied` (another signature), `proxy-version-1` (that one's), `proxy-version`,
            `proxy-command`, `proxy-family`, `proxy-length` or `proxy-tlv`; at the first byte that tells.
    """
    _check_start(buffer)
    if len(buffer) < _FIXED:
        return None
    end = _FIXED + int.from_bytes(buffer[14:_FIXED])
    if end > MAX_HEADER:
        raise BadHeader("proxy-length")
    if buffer[12] == _LOCAL:  # what a balancer adds to that has no meaning, its family neither
        return Proxied(None, end) if len(buffer) >= end else None
    addresses = _FIXED + _LENGTHS[buffer[13]]
    if end < addresses:
        raise BadHeader("proxy-length")
    if len(buffer) < end:
        return None
    _check_tlvs(buffer[addresses:end])
    return Proxied(_source(buffer[_FIXED:addresses]), end)


def refuse_header(first: bytes) -> None:
    """What came first from somebody who is no balancer: no header is among it.

    Raises:
        BadHeader: reason `unexpected-proxy-header`, of either version.
    """
    if first.startswith((_SIGNATURE, _VERSION_1)):
        raise BadHeader("unexpected-proxy-header")


def _check_start(buffer: bytes) -> None:
    """Whether a header can begin so, with what has come of its first 14 bytes."""
    if buffer.startswith(_VERSION_1):
        raise BadHeader("proxy-version-1")
    if not (_SIGNATURE.startswith(buffer[: len(_SIGNATURE)]) or _VERSION_1.startswith(buffer)):
        raise BadHeader("not-proxied")
    if len(buffer) > 12 and buffer[12] >> 4 != 2:
        raise BadHeader("proxy-version")
    if len(buffer) > 12 and buffer[12] not in (_LOCAL, _PROXY):
        raise BadHeader("proxy-command")
    if len(buffer) > 13 and buffer[12] == _PROXY and buffer[13] not in _LENGTHS:
        raise BadHeader("proxy-family")


def _source(block: bytes) -> str:
    """The source address, which stands first."""
    return str(IPv4Address(block[:4]) if len(block) == _LENGTHS[0x11] else IPv6Address(block[:16]))


def _check_tlvs(rest: bytes) -> None:
    while rest:
        after = _TLV_HEAD + int.from_bytes(rest[1:_TLV_HEAD])
        if len(rest) < after:
            raise BadHeader("proxy-tlv")
        rest = rest[after:]
