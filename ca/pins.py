"""Pins: the server certificates that SPOT trusts, each a leaf, compared as a whole (DESIGN §2.2).

A pin is never a CA: one that is would make every certificate it signs trusted too.

Pure: bytes in, values out.
"""

from collections.abc import Collection
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.errors import TlsError
from ca.profiles import is_strong
from ca.reading import UNREADABLE

MAX_PINS: Final = 64 * 1024
"""Longest file of pins, in bytes; a certificate has one or two thousand."""


def read_pins(pem: bytes) -> tuple[bytes, ...]:
    """The DER of each certificate in `pem`, in order: at least one, each a server's leaf certificate.

    Raises:
        TlsError: reason `too-large`, `no-pins`, `bad-certificate`, or one of `check_server_leaf`; `pin-is-ca` for a CA.
    """
    if len(pem) > MAX_PINS:
        raise TlsError("too-large", f"The pins have {len(pem)} bytes, more than the {MAX_PINS} allowed.")
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        raise TlsError("no-pins", "There is no certificate in the pins: give a mirror's server certificate as PEM.")
    try:
        pins = x509.load_pem_x509_certificates(pem)
    except UNREADABLE as error:
        raise TlsError("bad-certificate", f"A pinned certificate cannot be read: {error}.") from error
    for pin in pins:
        check_server_leaf(pin, ca_reason="pin-is-ca")
    return tuple(pin.public_bytes(Encoding.DER) for pin in pins)


def check_server_leaf(certificate: x509.Certificate, *, ca_reason: str = "is-a-ca") -> None:
    """Refuse a certificate that is not a server's leaf with a strong key, signed by a strong digest.

    Dates are not looked at, nor whose signature it is.

    Raises:
        TlsError: reason `ca_reason`, `not-a-server` (no serverAuth), `weak-key`, `weak-signature` or
            `bad-certificate`.
    """
    try:
        extensions = {type(extension.value): extension.value for extension in certificate.extensions}
        strong, digest = is_strong(certificate.public_key()), certificate.signature_hash_algorithm
    except UNREADABLE as error:
        raise TlsError("bad-certificate", f"The server certificate cannot be read: {error}.") from error
    constraints = extensions.get(x509.BasicConstraints)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        raise TlsError(ca_reason, "This is a CA certificate: give the mirror's own server certificate.")
    usages = extensions.get(x509.ExtendedKeyUsage)
    if not isinstance(usages, x509.ExtendedKeyUsage) or ExtendedKeyUsageOID.SERVER_AUTH not in usages:
        raise TlsError("not-a-server", "The certificate is not one for servers: issue one with spot-ca issue server.")
    if not strong:
        raise TlsError("weak-key", "The server's key is too weak: use RSA of 2048 bits or more, or ECDSA P-256.")
    # OpenSSL asks nothing of the signature of what is an anchor itself, as a pin is.
    if not isinstance(digest, hashes.SHA256 | hashes.SHA384 | hashes.SHA512):
        raise TlsError("weak-signature", "The server certificate is not signed with SHA-256 or better: issue it anew.")


def names_host(pin: bytes, host: str) -> bool:
    """Whether a pin (DER, from `read_pins`) carries `host`, a lower-case DNS name or an address, in its SANs."""
    try:
        names = x509.load_der_x509_certificate(pin).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    try:
        return ip_address(host) in names.value.get_values_for_type(x509.IPAddress)
    except ValueError:
        return host in names.value.get_values_for_type(x509.DNSName)


def check_pinned(peer_der: bytes | None, pins: Collection[bytes]) -> None:
    """After the handshake, once more: the peer's certificate is one of *this* mirror's pins, byte for byte.

    Raises:
        TlsError: reason `not-pinned`.
    """
    if peer_der is None or peer_der not in pins:
        raise TlsError("not-pinned", "The server showed a certificate that is not pinned for this mirror.")
