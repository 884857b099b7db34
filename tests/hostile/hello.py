"""The first words of TLS, byte by byte (RFC 5246 §7.4.1): what Python's `ssl` would not say."""

import ssl

from tests.hostile.listening import V12, context

_HEADERS = 5 + 4  # of the record, and of the message in it
_RANDOM = 2 + 32  # the version before it


def compressing() -> tuple[bytes, bytes]:
    """A hello of TLS 1.2 that would like DEFLATE (RFC 3749), and the methods that it names."""
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context(version=V12).wrap_bio(came, goes, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        raw = goes.read()
    at = _HEADERS + _RANDOM
    at += 1 + raw[at]  # the session's id
    at += 2 + int.from_bytes(raw[at : at + 2], "big")  # the suites
    assert raw[at : at + 2] == b"\x01\x00"  # one method: none
    body = raw[_HEADERS:at] + b"\x02\x01\x00" + raw[at + 2 :]
    message = raw[5:6] + len(body).to_bytes(3, "big") + body
    return raw[:3] + len(message).to_bytes(2, "big") + message, body[at - _HEADERS + 1 :][:2]


def chosen_compression(raw: bytes) -> int:
    """The way to compress that a server chose (0: none), from its first record of TLS 1.2."""
    assert (raw[0], raw[5]) == (22, 2), raw[:16].hex()
    at = _HEADERS + _RANDOM
    at += 1 + raw[at]
    return raw[at + 2]  # behind the suite
