"""What each kind of certificate of ours looks like: one row a profile, nothing decided anywhere else.

Lifetimes: the root outlives three issuing CAs. Server certificates last two years, not the 397 days of the public
web: SPOT trusts them by pin, and a new pin must reach machines that are rarely on before the old one ends. Client
certificates last as long, and are renewed long before. The wider world's limits (CA/Browser Forum) do not bind a
private CA. What can only enrol lies in packages for a while, and gets 90 days. People and hosts of the vendor's own
(support, ca-operator) are close by, and get a year. These are the defaults: `ca.lifetimes` reads what a CA has chosen
instead.

A new role is one line in `PROFILES`. RFC 5280 §4.2.1.3 (key usage), §4.2.1.9 (path length), §4.2.1.12 (extended use).

Pure.
"""

from datetime import timedelta
from enum import Enum
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.identity import Role

_DAY = timedelta(days=1)
_YEAR = 365 * _DAY
_MIN_RSA_BITS = 2048  # NIST SP 800-131A
_MAX_RSA_BITS = 8192  # a larger key only costs whoever has to check its signatures


class KeyType(Enum):
    """The keys that this CA makes."""

    RSA2048 = "rsa2048"
    RSA3072 = "rsa3072"
    ECDSA_P256 = "ecdsa-p256"


class Profile(msgspec.Struct, frozen=True):
    """One kind of certificate.

    path_length: how many CAs may follow; None for a leaf, which is no CA.
    usage: the only extended key usage; None for a CA.
    role: of the identity in the URI SAN; None for CAs, and for servers, which carry DNS names and addresses.
    """

    name: str
    lifetime: timedelta
    path_length: int | None = None
    usage: x509.ObjectIdentifier | None = None
    role: Role | None = None


ROOT: Final = Profile("root", 15 * _YEAR, path_length=1)
ISSUING: Final = Profile("issuing", 5 * _YEAR, path_length=0)
SERVER: Final = Profile("server", 2 * _YEAR, usage=ExtendedKeyUsageOID.SERVER_AUTH)
CLIENT: Final = Profile("client", 2 * _YEAR, usage=ExtendedKeyUsageOID.CLIENT_AUTH, role=Role.CLIENT)
ENROL: Final = Profile("enrol", 90 * _DAY, usage=ExtendedKeyUsageOID.CLIENT_AUTH, role=Role.ENROL)
MIRROR: Final = Profile("mirror", 2 * _YEAR, usage=ExtendedKeyUsageOID.CLIENT_AUTH, role=Role.MIRROR)
SUPPORT: Final = Profile("support", _YEAR, usage=ExtendedKeyUsageOID.CLIENT_AUTH, role=Role.SUPPORT)
CA_OPERATOR: Final = Profile("ca-operator", _YEAR, usage=ExtendedKeyUsageOID.CLIENT_AUTH, role=Role.CA_OPERATOR)
PROFILES: Final = (ROOT, ISSUING, SERVER, CLIENT, ENROL, MIRROR, SUPPORT, CA_OPERATOR)


def key_usage(profile: Profile) -> x509.KeyUsage:
    """CAs sign certificates and CRLs; leaves sign handshakes (ECDHE needs no other usage)."""
    is_ca = profile.path_length is not None
    return x509.KeyUsage(
        digital_signature=not is_ca,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def key_kind(key: CertificatePublicKeyTypes) -> str:
    """A public key's kind in a word: a value of `KeyType`, or of that form for keys that others made."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ecdsa-{key.curve.name.replace('secp256r1', 'p256').replace('secp384r1', 'p384')}"
    return type(key).__name__.removesuffix("PublicKey").lower()


def is_strong(key: CertificatePublicKeyTypes) -> bool:
    """Whether a public key is one we accept: RSA of 2048 to 8192 bits, or ECDSA on P-256 or P-384."""
    if isinstance(key, rsa.RSAPublicKey):
        return _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
