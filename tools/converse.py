"""Conversations with a mirror in which the client's certificate, or the proof of it, is wrong: one thing in each.

Needs tlslite-ng (the library of tlsfuzzer), and nothing of this repository; docs/judges.md says how it is run. Ends
with 1 if a conversation ends in another way than it should.

    python tools/converse.py PORT CLIENT.crt CLIENT.key [1.2] [1.3]
"""

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import AlertDescription
from tlslite.errors import TLSAbruptCloseError, TLSRemoteAlert
from tlslite.messages import Certificate, CertificateVerify, Finished

ASK = b"GET /licences HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
VERSIONS = {"1.2": (3, 3), "1.3": (3, 4)}
Change = Callable[[Any, Callable[[Any], bytearray]], bytearray]


def signed(change: Callable[[bytearray], bytes]) -> Change:
    """Another signature."""

    def write(message: Any, original: Callable[[Any], bytearray]) -> bytearray:
        message.signature = bytearray(change(bytearray(message.signature)))
        return original(message)

    return write


def by(first: int, second: int) -> Change:
    """Another algorithm than the signature's."""

    def write(message: Any, original: Callable[[Any], bytearray]) -> bytearray:
        message.signatureAlgorithm = (first, second)
        return original(message)

    return write


def spoilt(change: Callable[[bytearray], bytearray]) -> Change:
    """Another message: its body, with the right length before it."""

    def write(message: Any, original: Callable[[Any], bytearray]) -> bytearray:
        raw = original(message)
        body = change(raw[4:])
        return raw[:1] + bytearray(len(body).to_bytes(3, "big")) + body

    return write


def flipped(raw: bytearray) -> bytearray:
    """One bit in the middle is another one."""
    raw[len(raw) // 2] ^= 1
    return raw


UNLIKE = {"illegal_parameter", "handshake_failure", "decrypt_error"}
SHAPE = {"decode_error"}
SPOILT = {"bad_certificate", "certificate_unknown", "decode_error", "decrypt_error", "unknown_ca"}
CONVERSATIONS: list[tuple[str, Any, Change, set[str]]] = [
    ("signature: a bit", CertificateVerify, signed(flipped), {"decrypt_error"}),
    ("signature: none", CertificateVerify, signed(lambda _: b""), {"decrypt_error"}),
    ("signature: a byte less", CertificateVerify, signed(lambda raw: raw[:-1]), {"decrypt_error"}),
    ("signature: a byte more", CertificateVerify, signed(lambda raw: raw + b"\0"), {"decrypt_error"}),
    ("signature: zeroes", CertificateVerify, signed(lambda raw: bytes(len(raw))), {"decrypt_error"}),
    ("signature: ones", CertificateVerify, signed(lambda raw: b"\xff" * len(raw)), {"decrypt_error"}),
    ("signature: 8 KB", CertificateVerify, signed(lambda _: bytes(8000)), set()),
    ("algorithm: RSA, MD5", CertificateVerify, by(1, 1), UNLIKE),
    ("algorithm: RSA, SHA-1", CertificateVerify, by(2, 1), UNLIKE),
    ("algorithm: RSA, SHA-224", CertificateVerify, by(3, 1), UNLIKE),
    ("algorithm: RSA, SHA-256, PKCS #1", CertificateVerify, by(4, 1), UNLIKE),
    ("algorithm: DSA", CertificateVerify, by(4, 2), UNLIKE),
    ("algorithm: of a key for PSS alone", CertificateVerify, by(8, 9), UNLIKE),
    ("algorithm: ECDSA, P-384", CertificateVerify, by(5, 3), UNLIKE),
    ("algorithm: Ed25519", CertificateVerify, by(8, 7), UNLIKE),
    ("algorithm: unknown", CertificateVerify, by(254, 254), UNLIKE),
    ("proof: cut", CertificateVerify, spoilt(lambda body: body[:-1]), SHAPE),
    ("proof: a byte more", CertificateVerify, spoilt(lambda body: body + b"\0"), SHAPE),
    ("proof: empty", CertificateVerify, spoilt(lambda _: bytearray()), SHAPE),
    ("proof: another message", CertificateVerify, lambda m, old: bytearray([20]) + old(m)[1:], {"unexpected_message"}),
    ("certificate: a bit", Certificate, spoilt(flipped), SPOILT),
    ("certificate: cut", Certificate, spoilt(lambda body: body[:-1]), SHAPE),
    ("certificate: half", Certificate, spoilt(lambda body: body[: len(body) // 2]), SHAPE),
    ("certificate: a byte more", Certificate, spoilt(lambda body: body + b"\0"), SHAPE),
    ("certificate: empty", Certificate, spoilt(lambda _: bytearray()), SHAPE),
    ("end: a bit", Finished, spoilt(flipped), {"decrypt_error"}),
    ("end: cut", Finished, spoilt(lambda body: body[:-1]), SHAPE),
    ("end: a byte more", Finished, spoilt(lambda body: body + b"\0"), SHAPE),
    ("end: empty", Finished, spoilt(lambda _: bytearray()), SHAPE),
]
"""What is wrong, in which message, how, and the alerts that the listener may give; or it closes, and says nothing."""


@contextmanager
def instead(message: Any, change: Change) -> Iterator[None]:
    """The messages of a kind are written in another way meanwhile."""
    original = message.write
    message.write = lambda self: change(self, original)
    try:
        yield
    finally:
        message.write = original


def converse(port: int, version: tuple[int, int], chain: Any, key: Any, digest: str = "sha256") -> str:
    """Shake hands and ask; the alert, `closed`, or `answered`."""
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = version
    settings.rsaSigHashes = settings.ecdsaSigHashes = [digest]
    settings.certificate_compression_send = settings.certificate_compression_receive = ()
    with socket.create_connection(("127.0.0.1", port), timeout=8) as plain:
        connection = TLSConnection(plain)
        try:
            connection.handshakeClientCert(chain, key, settings=settings)
            connection.write(ASK)
            return "answered" if connection.read(max=5, min=5) == b"HTTP/" else "closed"
        except TLSRemoteAlert as alert:
            return str(AlertDescription.toStr(alert.description))
        except (TLSAbruptCloseError, ConnectionError):
            return "closed"


def main(port: int, certificate: str, key: str, versions: list[str]) -> int:
    """Have all conversations; how many ended as they should not."""
    chain = X509CertChain()
    chain.parsePemList(Path(certificate).read_text(encoding="ascii"))
    private, wrong = parsePEMKey(Path(key).read_text(encoding="ascii"), private=True), 0

    def held(name: str, came: str, expected: set[str]) -> None:
        nonlocal wrong
        is_well = came in expected or (came == "closed" and "answered" not in expected)
        wrong += not is_well
        print(f"{version} {'as it should' if is_well else 'NOT AS IT SHOULD':16} {came:20} {name}")

    for version in versions:
        number = VERSIONS[version]
        held("nothing wrong", converse(port, number, chain, private), {"answered"})
        held("no certificate", converse(port, number, None, None), {"certificate_required", "handshake_failure"})
        held("signs by SHA-1 alone", converse(port, number, chain, private, "sha1"), UNLIKE)
        held("signs by SHA-224 alone", converse(port, number, chain, private, "sha224"), UNLIKE)
        for name, message, change, expected in CONVERSATIONS:
            with instead(message, change):
                held(name, converse(port, number, chain, private), expected)
    return wrong


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:] or list(VERSIONS))))
