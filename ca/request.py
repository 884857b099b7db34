"""A certificate signing request (PKCS #10), checked: who asks for a certificate, with which key, and holds it.

What counts is the one URI SAN that it asks for, and its key; its subject and everything else are not taken over
(`ca.issue` writes those by profile). Whether that identity may be had is for whoever signs: nothing is decided here.
RFC 2986 §4; the signature with the key that is asked for proves that the requester holds it (RFC 4211 §4.1).

Pure: bytes in, a value out.
"""

import hashlib
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from ca.errors import IdentityError, RequestError
from ca.identity import Identity, parse
from ca.profiles import is_strong
from ca.reading import UNREADABLE

MAX_REQUEST: Final = 8 * 1024
"""Longest request that is looked at, in bytes of DER; one with an RSA key of 8192 bits has some 2,300."""

_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


class CertificateRequest(msgspec.Struct, frozen=True):
    """What is asked for. digest: SHA-256 of the DER, lower-case hex: the same bytes are the same request."""

    identity: Identity
    public_key: CertificatePublicKeyTypes
    digest: str


def read_request(der: bytes) -> CertificateRequest:
    """Check a request of at most `MAX_REQUEST` bytes.

    Raises:
        RequestError: reason `too-large`, `not-a-request`, `weak-signature`, `no-proof` (not signed with the key that is
            asked for), `weak-key`, `no-san`, `two-sans`, `not-a-uri`, or a reason of `ca.identity.parse`.
    """
    if len(der) > MAX_REQUEST:
        raise RequestError("too-large", f"The request has {len(der)} bytes, more than the {MAX_REQUEST} allowed.")
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
        if not is_strong(key):  # before its signature is looked at: that of a huge key costs whoever checks it
            raise RequestError("weak-key", "The key is too weak: use RSA of 2048 bits or more, or ECDSA P-256.")
        if not isinstance(request.signature_hash_algorithm, _HASHES):
            raise RequestError("weak-signature", "The request is not signed with SHA-256 or better.")
        if not request.is_signature_valid:
            raise RequestError("no-proof", "The request is not signed with the key that it asks a certificate for.")
        identity = _identity(request.extensions)
    except UNREADABLE as error:
        raise RequestError("not-a-request", f"The certificate request cannot be read: {error}.") from error
    return CertificateRequest(identity, key, hashlib.sha256(der).hexdigest())


def _identity(extensions: x509.Extensions) -> Identity:
    try:
        names = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = []
    if len(names) != 1:
        reason, what = ("two-sans", f"{len(names)} names") if names else ("no-san", "no name")
        raise RequestError(reason, f"The request asks for {what}, not for the one URI of an identity.")
    if not isinstance(names[0], x509.UniformResourceIdentifier):
        raise RequestError("not-a-uri", "The request asks for a name that is not a URI.")
    try:
        return parse(names[0].value)
    except IdentityError as error:
        raise RequestError(error.reason, str(error)) from error
