"""The only place that builds an SSLContext: the mirror's, and SPOT's (DESIGN §2.1, §2.2, §7).

The mirror's: a client certificate is required, always; the only anchors are the *issuing* CAs (with the root as
anchor, a retired issuing CA would pass). Dates and revocation are not for the handshake but for the policy, which
answers per request and by name: the context ignores dates (`X509_V_FLAG_NO_CHECK_TIME`) and never holds a CRL.
Tickets are off, but no-ticket TLS 1.2 still resumes by session id, and Python cannot turn that off: another reason
why the policy decides on every request, from the certificate that a resumed session still carries.

SPOT's: the pinned leaves are the only anchors, there is no system store, host name and dates are checked, and after
the handshake `check_pinned` compares once more with the pins of the one mirror that was called.

Ciphers: ECDHE with AES-GCM, out of OpenSSL's HIGH. That binds TLS 1.2. Python 3.11 has no way to choose among the
suites of TLS 1.3 (all AEAD with ephemeral keys): the server's preference puts AES-GCM first, and with a peer that
offers nothing else the handshake ends in ChaCha20-Poly1305. So both sides ask `check_cipher` right after it, and go no
further.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from ca.errors import TlsError
from ca.files import read_file
from ca.pins import check_pinned, check_server_leaf, read_pins
from ca.profiles import ISSUING, is_strong
from ca.reading import UNREADABLE

__all__ = [
    "ServerContexts",
    "check_cipher",
    "check_pinned",
    "client_context",
    "read_pins",
    "server_context",
    "server_contexts",
]

_CIPHERS: Final = "ECDHE+AESGCM+HIGH:!aNULL:!eNULL"
_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME; Python has no name for it
_MAX_FILE: Final = 64 * 1024  # bytes, of a certificate or key file
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ServerContexts(NamedTuple):
    """The mirror's side of mutual TLS, for one listener that has a handshake begin with `opening`, and go on with
    `whole` once its first flight is out.

    `opening` is `whole` without anchors. With them, OpenSSL looks for the issuer of the server's own certificate among
    them and sends it along: a kilobyte in every handshake, and the clients trust the leaf; Python cannot turn that off
    (`SSL_MODE_NO_AUTO_CHAIN`). Whoever forgets to change over refuses everybody.
    """

    opening: ssl.SSLContext
    whole: ssl.SSLContext


def server_contexts(
    *,
    certificate: Path,
    key: Path,
    issuing_cas: Sequence[x509.Certificate | bytes],
    min_tls: Literal["1.2", "1.3"] = "1.2",
) -> ServerContexts:
    """Both of a listener. Args and errors as in `server_context`, which is the one of them that can serve alone."""
    whole = server_context(certificate=certificate, key=key, issuing_cas=issuing_cas, min_tls=min_tls)
    before = _check_pair(certificate, key)
    opening = _without_anchors(certificate, key, min_tls)
    check_server_leaf(after := _check_pair(certificate, key))
    if before != after:
        raise TlsError("bad-certificate", f"{certificate} changed while it was read: load it once more.")
    return ServerContexts(opening, whole)


def server_context(
    *,
    certificate: Path,
    key: Path,
    issuing_cas: Sequence[x509.Certificate | bytes],
    min_tls: Literal["1.2", "1.3"] = "1.2",
) -> ssl.SSLContext:
    """The mirror's side of mutual TLS, in one context.

    Args:
        certificate: PEM, the server's leaf first.
        key: PEM, unencrypted, readable by its owner only.
        issuing_cas: the current issuing CAs (certificates, or their DER), at least one.

    Raises:
        TlsError: reason `missing-file`, `unreadable-file`, `too-large`, `bad-mode`, `bad-certificate`, `bad-key`,
            `encrypted-key`, `key-mismatch`, `is-a-ca`, `not-a-server`, `weak-key`, `no-issuing-ca` or
            `not-an-issuing-ca`.
    """
    check_server_leaf(_check_pair(certificate, key))
    context = _without_anchors(certificate, key, min_tls)
    context.load_verify_locations(cadata=_issuing_anchors(issuing_cas))
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
    _check_pair(certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, certificate, key)
    context.minimum_version = ssl.TLSVersion.TLSv1_2 if tls12 else ssl.TLSVersion.TLSv1_3
    # Pins are checked here again: whoever passes DER from elsewhere must not be able to trust a CA by it.
    pem = "".join(ssl.DER_cert_to_PEM_cert(pin) for pin in pins)
    context.load_verify_locations(cadata=b"".join(read_pins(pem.encode())))
    return context


def check_cipher(cipher: tuple[str, str, int] | None) -> None:
    """Refuse a connection that is not protected by AES-GCM; `cipher` as `ssl.SSLObject.cipher` gives it.

    Raises:
        TlsError: reason `weak-cipher`.
    """
    name = cipher[0] if cipher else "none"
    if "GCM" not in name.replace("_", "-").split("-"):
        raise TlsError("weak-cipher", f"The connection would use {name}; only AES-GCM is used here.")


def _without_anchors(certificate: Path, key: Path, min_tls: str) -> ssl.SSLContext:
    """Requires a client certificate, and knows none that would do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, certificate, key)
    context.minimum_version = _VERSIONS[min_tls]
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= _NO_CHECK_TIME
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_SINGLE_ECDH_USE
    return context


def _harden(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise TlsError("bad-certificate", f"OpenSSL refuses {certificate} with {key}: {error.reason}.") from error


def _check_pair(certificate: Path, key: Path) -> x509.Certificate:
    """Both files are what they should be and belong together; OpenSSL's own messages for this help nobody."""
    raw_certificate = read_file(certificate, max_bytes=_MAX_FILE, refusal=TlsError)
    raw_key = read_file(key, max_bytes=_MAX_FILE, refusal=TlsError, private=True)
    try:
        leaf = x509.load_pem_x509_certificate(raw_certificate)
        public_key = leaf.public_key()
    except UNREADABLE as error:
        raise TlsError("bad-certificate", f"There is no PEM certificate in {certificate}: {error}.") from error
    try:
        private_key = load_pem_private_key(raw_key, password=None)
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
    return leaf


def _issuing_anchors(issuing_cas: Sequence[x509.Certificate | bytes]) -> bytes:
    if not issuing_cas:
        raise TlsError("no-issuing-ca", "Name at least one issuing CA: without one, no client could ever connect.")
    return b"".join(_issuing_anchor(issuing_ca) for issuing_ca in issuing_cas)


def _issuing_anchor(issuing_ca: x509.Certificate | bytes) -> bytes:
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
    return certificate.public_bytes(Encoding.DER)
