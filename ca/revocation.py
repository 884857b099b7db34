"""A CRL, checked and turned into a set that a policy can look serials up in.

A CRL is believed if it is of the issuing CA that the reader knows (name, key identifier, signature), not older than
the one the reader has (number, thisUpdate), and says nothing the reader does not understand (a critical extension).
RFC 5280 §5 and §6.3.3, narrowed to complete CRLs of one issuer: no delta, no indirect CRLs, no distribution points.

An expired CRL is returned, not refused: what follows from `next_update` is the policy's decision.

Pure: bytes and the clock in, a value out.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ca.errors import RevocationError
from ca.reading import UNREADABLE

MAX_CRL: Final = 16 * 1024 * 1024
"""Longest CRL that is looked at, in bytes: some 400,000 revoked certificates."""

SKEW: Final = timedelta(minutes=5)
"""How far two clocks of ours may be apart."""

_KNOWN_ENTRY_EXTENSIONS = (x509.CRLReason, x509.InvalidityDate)


class Revocations(msgspec.Struct, frozen=True):
    """What one CRL says. `issuer_key`: the issuer's key identifier, as in `ca.peer.Peer`; dates are UTC."""

    issuer_key: bytes
    serials: frozenset[int]
    number: int
    this_update: datetime
    next_update: datetime


def read_crl(raw: bytes, issuer: x509.Certificate, *, now: datetime, previous: Revocations | None) -> Revocations:
    """Check a CRL (PEM or DER, at most `MAX_CRL` bytes) and return what it revokes.

    Args:
        issuer: the CA that must have signed it; already trusted by the caller.
        now: UTC.
        previous: what this function returned for this issuer before; None for the first.

    Raises:
        RevocationError: reason `too-large`, `not-a-crl`, `wrong-issuer`, `weak-signature`, `bad-signature`,
            `unknown-critical`, `no-number`, `bad-dates`, `not-yet-valid`, `older-number`, `older-date` or
            `same-number` (the number of `previous`, but other content).
    """
    if len(raw) > MAX_CRL:
        raise RevocationError("too-large", f"The CRL has {len(raw)} bytes, more than the {MAX_CRL} allowed.")
    try:
        crl = _load(raw)
        issuer_key = _check_issuer_key(crl, issuer)
        _check_signature(crl, issuer)  # before more of it is read
        if crl.issuer != issuer.subject:
            raise RevocationError("wrong-issuer", "The CRL is signed by its issuer, but under another name.")
        found = _read(crl, issuer_key)
    except UNREADABLE as error:
        raise RevocationError("not-a-crl", f"The CRL cannot be read: {error}.") from error
    _check_dates(found, now)
    if previous is not None:
        _check_progress(found, previous)
    return found


def _load(raw: bytes) -> x509.CertificateRevocationList:
    if raw.lstrip().startswith(b"-----BEGIN"):
        return x509.load_pem_x509_crl(raw)
    return x509.load_der_x509_crl(raw)


def _check_issuer_key(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bytes:
    try:
        issuer_key = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.key_identifier
        may_sign = issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
        authority = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound as error:
        raise RevocationError("wrong-issuer", f"The CRL or its issuer lacks an extension: {error}.") from error
    if authority != issuer_key or not may_sign:
        raise RevocationError("wrong-issuer", f"The CRL is not one of {issuer.subject.rfc4514_string()!r}.")
    return issuer_key


def _check_signature(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> None:
    try:
        algorithm = crl.signature_hash_algorithm
        key = issuer.public_key()
    except UnsupportedAlgorithm as error:
        raise RevocationError("weak-signature", f"The CRL is signed in an unknown way: {error}.") from error
    if not isinstance(algorithm, hashes.SHA256 | hashes.SHA384 | hashes.SHA512):
        raise RevocationError("weak-signature", "The CRL is not signed with SHA-256 or better.")
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) or not crl.is_signature_valid(key):
        raise RevocationError("bad-signature", "The CRL's signature is not that of its issuer: it was changed.")


def _read(crl: x509.CertificateRevocationList, issuer_key: bytes) -> Revocations:
    for extension in crl.extensions:
        if extension.critical and not isinstance(extension.value, x509.AuthorityKeyIdentifier | x509.CRLNumber):
            raise RevocationError("unknown-critical", f"The CRL has an extension {extension.oid.dotted_string}.")
    try:
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound as error:
        raise RevocationError("no-number", "The CRL has no number: sign it with spot-ca crl.") from error
    if crl.next_update_utc is None:
        raise RevocationError("bad-dates", "The CRL does not say when the next one comes (nextUpdate).")
    return Revocations(
        issuer_key=issuer_key,
        serials=frozenset(_serial(entry) for entry in crl),
        number=number,
        this_update=crl.last_update_utc,
        next_update=crl.next_update_utc,
    )


def _serial(entry: x509.RevokedCertificate) -> int:
    for extension in entry.extensions:
        if extension.critical and not isinstance(extension.value, _KNOWN_ENTRY_EXTENSIONS):
            raise RevocationError(
                "unknown-critical", f"An entry of the CRL has an extension {extension.oid.dotted_string}."
            )
    return entry.serial_number


def _check_dates(found: Revocations, now: datetime) -> None:
    if found.next_update <= found.this_update:
        raise RevocationError("bad-dates", "The CRL ends before it begins.")
    if found.this_update > now + SKEW:
        raise RevocationError(
            "not-yet-valid",
            f"The CRL begins at {found.this_update:%Y-%m-%d %H:%M:%S} UTC: check the clocks here and at the CA.",
        )


def _check_progress(found: Revocations, previous: Revocations) -> None:
    if found.issuer_key != previous.issuer_key:
        raise RevocationError("wrong-issuer", "The CRL is not of the issuer whose CRL was read before.")
    if found.number < previous.number:
        raise RevocationError("older-number", f"The CRL has number {found.number}, older than {previous.number}.")
    if found.number == previous.number and found != previous:
        raise RevocationError("same-number", f"Two CRLs with number {found.number} differ.")
    if found.this_update < previous.this_update:
        raise RevocationError("older-date", f"The CRL with the higher number {found.number} has an older thisUpdate.")
