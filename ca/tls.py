"""TLS as it is spoken here: ciphers and anchors, the contexts of SPOT and of what listens on Python's `ssl`.

The content listener's context is OpenSSL's own (`mirror.tls`), made of the same rules; no other module builds one.

The mirror's side: a client certificate is required, always; the only anchors are the *issuing* CAs (with the root as
anchor, a retired issuing CA would pass). Dates and revocation are not for the handshake but for the policy, which
answers per request and by name: the context ignores dates (`NO_CHECK_TIME`) and never holds a CRL. Tickets are off,
but no-ticket TLS 1.2 still resumes by session id, and Python cannot turn that off: another reason why the policy
decides on every request, from the certificate that a resumed session still carries. (DESIGN §2.1, §7)

SPOT's: the pinned leaves are the only anchors, there is no system store, host name and dates are checked, and after
the handshake `check_pinned` compares once more with the pins of the one mirror that was called. (DESIGN §2.2)

Ciphers: ECDHE with AES-GCM, out of OpenSSL's HIGH. That binds TLS 1.2. Python 3.11 has no way to choose among the
suites of TLS 1.3 (all AEAD with ephemeral keys): the server's preference puts AES-GCM first, and with a peer that
offers nothing else the handshake ends in ChaCha20-Poly1305. So who uses `ssl` asks `check_cipher` right after it, and
goes no further.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.credentials import Credentials
from ca.errors import TlsError
from ca.files import read_file
from ca.pins import check_pinned, check_server_leaf, read_pins
from ca.profiles import ISSUING, is_strong
from ca.reading import UNREADABLE

__all__ = [
    "CIPHERS",
    "NO_CHECK_TIME",
    "SUITES",
    "check_cipher",
    "check_pinned",
    "client_context",
    "issuing_anchors",
    "read_credentials",
    "read_pins",
    "server_context",
]

CIPHERS: Final = "ECDHE+AESGCM+HIGH:!aNULL:!eNULL"
"""Of TLS 1.2, as OpenSSL reads it."""
SUITES: Final = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"
"""Of TLS 1.3; Python's `ssl` cannot be told."""
NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME; neither Python nor pyOpenSSL has a name for it."""
_CURVE: Final = "prime256v1"  # Python 3.11 can name one, and left alone it takes X448 and P-521 too
_MAX_FILE: Final = 64 * 1024  # bytes, of a certificate or key file
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def server_context(
    *,
    certificate: Path,
    key: Path,
    issuing_cas: Sequence[x509.Certificate | bytes],
    min_tls: Literal["1.2", "1.3"] = "1.2",
) -> ssl.SSLContext:
    """The mirror's side of mutual TLS, for a listener on Python's `ssl`.

    Args:
        certificate: PEM, the server's leaf first.
        key: PEM, unencrypted, readable by its owner only.
        issuing_cas: the current issuing CAs (certificates, or their DER), at least one.

    Raises:
        TlsError: reason `missing-file`, `unreadable-file`, `too-large`, `bad-mode`, `bad-certificate`, `bad-key`,
            `encrypted-key`, `key-mismatch`, `is-a-ca`, `not-a-server`, `weak-key`, `no-issuing-ca` or
            `not-an-issuing-ca`.
    """
    check_server_leaf(read_credentials(certificate, key).chain[0])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, certificate, key)
    context.minimum_version = _VERSIONS[min_tls]
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_SINGLE_ECDH_USE
    context.set_ecdh_curve(_CURVE)
    anchors = issuing_anchors(issuing_cas)
    context.load_verify_locations(cadata=b"".join(anchor.public_bytes(Encoding.DER) for anchor in anchors))
    return context


def client_context(*, certificate: Path, key: Path, pins: Sequence[bytes], tls12: bool = False) -> ssl.SSLContext:
    """SPOT's side: its own certificate, and the pinned server certificates as the only anchors.

    Args:
        certificate, key: PEM, as in `server_context`.
        pins: DER, from `read_pins`; at least one.
        tls12: also speak TLS 1.2, in which the client's name crosses the wire in clear.

    Raises:
        TlsError: the reasons of `server_context` that concern files, and those of `read_pins`.
    """
    read_credentials(certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, certificate, key)
    context.minimum_version = ssl.TLSVersion.TLSv1_2 if tls12 else ssl.TLSVersion.TLSv1_3
    # Pins are checked here again: whoever passes DER from elsewhere must not be able to trust a CA by it.
    pem = "".join(ssl.DER_cert_to_PEM_cert(pin) for pin in pins)
    context.load_verify_locations(cadata=b"".join(read_pins(pem.encode())))
    return context


def read_credentials(certificate: Path, key: Path) -> Credentials:
    """Read both files; they are what they should be and belong together (OpenSSL's own messages for this help nobody).

    Args:
        certificate: PEM, the leaf first.
        key: PEM, unencrypted, readable by its owner only.

    Raises:
        TlsError: reason `missing-file`, `unreadable-file`, `too-large`, `bad-mode`, `bad-certificate`, `bad-key`,
            `encrypted-key`, `key-mismatch` or `weak-key`.
    """
    raw = Credentials(
        read_file(certificate, max_bytes=_MAX_FILE, refusal=TlsError),
        read_file(key, max_bytes=_MAX_FILE, refusal=TlsError, private=True),
    )
    try:
        public_key = raw.chain[0].public_key()
    except UNREADABLE as error:
        raise TlsError("bad-certificate", f"There is no PEM certificate in {certificate}: {error}.") from error
    try:
        private_key = raw.private_key
    except TypeError as error:
        raise TlsError(
            "encrypted-key", f"The key in {key} is encrypted: a server starts without passphrase."
        ) from error
    except UNREADABLE as error:
        raise TlsError("bad-key", f"There is no PEM private key that we can use in {key}.") from error
    if private_key.public_key() != public_key:
        raise TlsError("key-mismatch", f"The key in {key} does not belong to the certificate in {certificate}.")
    if not is_strong(public_key):
        raise TlsError("weak-key", f"The key in {key} is too weak: use RSA of 2048 bits or more, or ECDSA P-256.")
    return raw


def issuing_anchors(issuing_cas: Sequence[x509.Certificate | bytes]) -> list[x509.Certificate]:
    """The certificates of issuing CAs (or their DER), each looked at: a listener's only anchors.

    Raises:
        TlsError: reason `no-issuing-ca`, `not-an-issuing-ca` or `bad-certificate`.
    """
    if not issuing_cas:
        raise TlsError("no-issuing-ca", "Name at least one issuing CA: without one, no client could ever connect.")
    return [_issuing_anchor(issuing_ca) for issuing_ca in issuing_cas]


def check_cipher(cipher: tuple[str, str, int] | None) -> None:
    """Refuse a connection that is not protected by AES-GCM; `cipher` as `ssl.SSLObject.cipher` gives it.

    Raises:
        TlsError: reason `weak-cipher`.
    """
    name = cipher[0] if cipher else "none"
    if "GCM" not in name.replace("_", "-").split("-"):
        raise TlsError("weak-cipher", f"The connection would use {name}; only AES-GCM is used here.")


def _harden(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise TlsError("bad-certificate", f"OpenSSL refuses {certificate} with {key}: {error.reason}.") from error


def _issuing_anchor(issuing_ca: x509.Certificate | bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(issuing_ca) if isinstance(issuing_ca, bytes) else issuing_ca
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except UNREADABLE as error:
        raise TlsError("bad-certificate", f"An issuing CA's certificate cannot be read: {error}.") from error
    except x509.ExtensionNotFound:
        constraints = x509.BasicConstraints(ca=False, path_length=None)
    if not constraints.ca or constraints.path_length != ISSUING.path_length:
        raise TlsError(
            "not-an-issuing-ca",
            f"{certificate.subject.rfc4514_string()!r} is not an issuing CA: give issuing.crt, not a root or a leaf.",
        )
    return certificate
