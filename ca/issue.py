"""Request + profile + signer + serial + now → certificate; and the CRL. Here is decided what this CA never signs.

Every certificate: X.509 v3, SHA-256, key identifiers of itself and its issuer, critical basicConstraints and key
usage, notBefore five minutes back (clocks differ), never longer than its issuer. CAs carry a path length and a
*critical* name constraint: URIs only of the realm's host (RFC 5280 §4.2.1.10; a constraint without a leading dot is
that host and no other). So an issuing CA that was stolen cannot name clients of another realm.

Pure: no file, no clock; serials come in. (An ECDSA signature draws its nonce inside the library.)
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, CertificatePublicKeyTypes

from ca.errors import IssueError
from ca.profiles import Profile, is_strong, key_usage
from ca.subjects import Hosts, Subject, naming, subject_name

CRL_LIFETIME: Final = timedelta(days=30)
REASONS: Final = {
    "unspecified": x509.ReasonFlags.unspecified,
    "key-compromise": x509.ReasonFlags.key_compromise,
    "superseded": x509.ReasonFlags.superseded,
    "cessation-of-operation": x509.ReasonFlags.cessation_of_operation,
}
"""Why a certificate may be revoked (RFC 5280 §5.3.1)."""

_BACKDATE = timedelta(minutes=5)


class Request(msgspec.Struct, frozen=True):
    """What a certificate is asked for; possession of the private key is for the caller to have seen."""

    public_key: CertificatePublicKeyTypes
    subject: Subject


class Issuer(msgspec.Struct, frozen=True):
    """Who signs. `certificate` is None for a root, which signs itself."""

    key: CertificateIssuerPrivateKeyTypes
    certificate: x509.Certificate | None


class Revoked(msgspec.Struct, frozen=True):
    """An entry of a CRL; `reason` is a key of `REASONS`, `at` is UTC."""

    serial: int
    at: datetime
    reason: str


def issue(request: Request, profile: Profile, issuer: Issuer, *, serial: int, now: datetime) -> x509.Certificate:
    """Sign a certificate.

    Args:
        serial: 128 random bits; 1 to 20 octets are accepted (RFC 5280 §4.1.2.2).
        now: UTC. Validity is from five minutes before to `now` + the profile's lifetime, or the issuer's end if sooner.

    Raises:
        IssueError: reason `bad-serial`, `weak-key`, `wrong-subject` (not one for this profile), `wrong-realm` (not the
            issuer's), `no-names`, `bad-name`, `wrong-issuer` (one that may not sign this), `issuer-expired` or
            `key-mismatch`.
        IdentityError: the subject's realm or id is not well-formed.
    """
    if not 0 < serial < 1 << 159:
        raise IssueError("bad-serial", "A serial number is positive and has 20 octets at most.")
    if not is_strong(request.public_key):
        raise IssueError("weak-key", "The key is too weak: use RSA of 2048 bits or more, or ECDSA P-256.")
    subject = subject_name(request.subject, profile, request.public_key)
    start, end = now.replace(microsecond=0) - _BACKDATE, now.replace(microsecond=0) + profile.lifetime
    signer_name, signer_key_id = subject, x509.SubjectKeyIdentifier.from_public_key(request.public_key)
    if issuer.certificate is not None:
        _check_issuer(request, profile, issuer.certificate, issuer.key, now)
        signer_name, signer_key_id = issuer.certificate.subject, _key_id(issuer.certificate)
        end = min(end, issuer.certificate.not_valid_after_utc)
    elif profile.path_length != 1 or issuer.key.public_key() != request.public_key:
        raise IssueError("wrong-issuer", "Only a root signs itself, with its own key.")
    builder = x509.CertificateBuilder(signer_name, subject, request.public_key, serial, start, end)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer_key_id), critical=False
    )
    for extension, critical in _extensions(request, profile):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer.key, hashes.SHA256())


def build_crl(
    issuer: x509.Certificate,
    key: CertificateIssuerPrivateKeyTypes,
    revoked: Iterable[Revoked],
    *,
    number: int,
    now: datetime,
    lifetime: timedelta = CRL_LIFETIME,
) -> x509.CertificateRevocationList:
    """Sign a complete CRL of one issuer (RFC 5280 §5).

    Args:
        number: greater than that of any CRL of this issuer before.
        now: UTC, to the second; becomes thisUpdate, so it is later than that of any CRL before.

    Raises:
        IssueError: reason `key-mismatch`.
    """
    if key.public_key() != issuer.public_key():
        raise IssueError("key-mismatch", "The key is not that of the CA whose CRL is to be signed.")
    this_update = now.replace(microsecond=0)
    # All entries at once: the builder's own way to add one copies all that came before.
    builder = x509.CertificateRevocationListBuilder(
        issuer.subject,
        this_update,
        this_update + lifetime,
        revoked_certificates=[_crl_entry(entry) for entry in revoked],
    )
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(_key_id(issuer)), critical=False
    )
    return builder.sign(key, hashes.SHA256())


def realm_of(authority: x509.Certificate) -> str:
    """The realm to which one of our CA certificates is constrained.

    Raises:
        IssueError: reason `wrong-issuer`, if it is not constrained as ours are.
    """
    try:
        constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound as error:
        raise IssueError("wrong-issuer", "The CA certificate names no realm: it is not one of ours.") from error
    permitted = [name.value for name in constraints.permitted_subtrees or ()]
    if len(permitted) != 1:
        raise IssueError("wrong-issuer", "The CA certificate names no single realm: it is not one of ours.")
    return str(permitted[0])


def _crl_entry(entry: Revoked) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder(entry.serial, entry.at.replace(microsecond=0))
    if entry.reason != "unspecified":  # RFC 5280 §5.3.1: the extension should then be absent
        builder = builder.add_extension(x509.CRLReason(REASONS[entry.reason]), critical=False)
    return builder.build()


def _check_issuer(
    request: Request,
    profile: Profile,
    certificate: x509.Certificate,
    key: CertificateIssuerPrivateKeyTypes,
    now: datetime,
) -> None:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound as error:
        raise IssueError("wrong-issuer", "The issuer's certificate is not one of a CA.") from error
    # A root signs issuing CAs and nothing else; an issuing CA signs leaves and nothing else.
    wanted = 0 if profile.path_length is None else profile.path_length + 1
    if not constraints.ca or constraints.path_length != wanted:
        raise IssueError("wrong-issuer", f"This CA may not sign a {profile.name} certificate.")
    if key.public_key() != certificate.public_key():
        raise IssueError("key-mismatch", "The signer's key does not belong to the signer's certificate.")
    if now >= certificate.not_valid_after_utc:
        raise IssueError(
            "issuer-expired",
            f"The CA ended on {certificate.not_valid_after_utc:%Y-%m-%d}: make its successor with spot-ca rotate.",
        )
    if not isinstance(request.subject, Hosts) and request.subject.realm != realm_of(certificate):
        raise IssueError("wrong-realm", f"{request.subject.realm} is not the realm of this CA.")


def _key_id(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value


def _extensions(request: Request, profile: Profile) -> Iterator[tuple[x509.ExtensionType, bool]]:
    yield x509.SubjectKeyIdentifier.from_public_key(request.public_key), False
    yield x509.BasicConstraints(ca=profile.path_length is not None, path_length=profile.path_length), True
    yield key_usage(profile), True
    if profile.usage is not None:
        yield x509.ExtendedKeyUsage([profile.usage]), False
    yield naming(request.subject)
