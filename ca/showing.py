"""What is in a file that somebody has at hand: certificates, a CRL, or a bundle. No key is ever told.

The form is seen from the content: PEM or DER, or the JSON of a bundle. A bundle is shown only if its parts belong
together; otherwise the refusal names all that is wrong with it.

Pure but for the types: bytes and the clock in, values out.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ca import strict_json
from ca.bundle import MAX_BUNDLE, Bundle, check, decode
from ca.entry import Entry
from ca.errors import IssueError, RevocationError
from ca.facts import CertificateFacts, CrlFacts, certificate_facts, crl_facts, with_children
from ca.reading import UNREADABLE
from ca.revocation import MAX_CRL, SKEW, read_crl

MAX_SHOWN: Final = MAX_CRL
"""Longest file that is looked at, in bytes."""

_CERTIFICATE, _CRL = b"-----BEGIN CERTIFICATE-----", b"-----BEGIN X509 CRL-----"
_MOST = 1000  # certificates in one file
_ANY_TIME = datetime.max.replace(tzinfo=UTC) - SKEW


class Known(msgspec.Struct, frozen=True):
    """What the CA in the folder knows; all is empty without one.

    entries: of its ledger, by fingerprint. authorities: its own certificates.
    children: by serial, what was asked for under that certificate.
    """

    entries: Mapping[str, Entry]
    authorities: Sequence[x509.Certificate]
    children: Mapping[str, Sequence[Entry]]


class MirrorFacts(msgspec.Struct, frozen=True):
    """One mirror of a bundle."""

    url: str
    pins: tuple[CertificateFacts, ...]


class BundleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One bundle. catalogue_root: version and end of the TUF root as it says them itself; null where it does not."""

    format: int
    min_spot: str
    realm: str
    customer: str
    client_certificate: CertificateFacts
    mirrors: tuple[MirrorFacts, ...]
    catalogue_root_version: int | None
    catalogue_root_expires: str | None


class Shown(msgspec.Struct, frozen=True):
    """What was found: certificates, or one CRL, or one bundle."""

    certificates: tuple[CertificateFacts, ...] = ()
    crl: CrlFacts | None = None
    bundle: BundleFacts | None = None


def read_shown(raw: bytes, source: str, known: Known, now: datetime) -> Shown:
    """What is in a file of at most `MAX_SHOWN` bytes.

    Args:
        source: names the file in the error.

    Raises:
        IssueError: reason `not-shown`, for a private key or anything else that we do not know.
        BundleError: as `ca.bundle.decode` and `check`.
    """
    try:
        if raw.lstrip().startswith(b"{"):
            return Shown(bundle=_bundle(decode(raw), known, now))
        if _CERTIFICATE in raw:
            certificates = x509.load_pem_x509_certificates(raw)
            if len(certificates) > _MOST:
                raise ValueError(f"it holds more than {_MOST} certificates")
            return Shown(certificates=tuple(_facts(certificate, known, now) for certificate in certificates))
        if b"PRIVATE KEY-----" in raw:
            raise ValueError("it holds a private key, which is never shown")
        if _CRL in raw:
            return Shown(crl=_crl(x509.load_pem_x509_crl(raw), raw, known, now))
        return _der(raw, known, now)
    except UNREADABLE as error:
        sentence = f"There is nothing to show in {source}: {error}. Name a certificate, a CRL or a bundle."
        raise IssueError("not-shown", sentence) from error


def _der(raw: bytes, known: Known, now: datetime) -> Shown:
    try:
        certificate = x509.load_der_x509_certificate(raw)
    except UNREADABLE:
        try:
            crl = x509.load_der_x509_crl(raw)
        except UNREADABLE as error:
            raise ValueError("it is none that this program knows") from error
        return Shown(crl=_crl(crl, raw, known, now))
    return Shown(certificates=(_facts(certificate, known, now),))


def _facts(certificate: x509.Certificate, known: Known, now: datetime) -> CertificateFacts:
    entry = known.entries.get(certificate.fingerprint(hashes.SHA256()).hex())
    below = () if entry is None else known.children.get(entry.serial, ())
    return with_children(certificate_facts(certificate, entry, now), below)


def _crl(crl: x509.CertificateRevocationList, raw: bytes, known: Known, now: datetime) -> CrlFacts:
    facts, believed = crl_facts(crl, now), None
    for authority in known.authorities:
        key_id = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
        if key_id == facts.issuer_key:
            believed = _is_believed(raw, authority)
    return msgspec.structs.replace(facts, believed=believed)


def _is_believed(raw: bytes, authority: x509.Certificate) -> bool:
    try:
        read_crl(raw, authority, now=_ANY_TIME, previous=None)
    except RevocationError:
        return False
    return True


def _bundle(bundle: Bundle, known: Known, now: datetime) -> BundleFacts:
    check(bundle)

    def facts(pem: str) -> CertificateFacts:
        return _facts(x509.load_pem_x509_certificate(pem.encode()), known, now)

    root: Any = strict_json.loads(bundle.catalogue_root.encode(), max_bytes=MAX_BUNDLE)["signed"]
    version, expires = root.get("version"), root.get("expires")
    return BundleFacts(
        format=bundle.format,
        min_spot=bundle.min_spot,
        realm=bundle.realm,
        customer=bundle.customer,
        client_certificate=facts(bundle.client_certificate),
        mirrors=tuple(MirrorFacts(mirror.url, tuple(map(facts, mirror.pins))) for mirror in bundle.mirrors),
        catalogue_root_version=version if isinstance(version, int) else None,
        catalogue_root_expires=expires[:40] if isinstance(expires, str) else None,
    )
