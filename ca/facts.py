"""What people and scripts are told of a certificate, a CRL or a bundle. No key is ever among it.

Each is a struct whose fields are also those of `--json`. Serial numbers, fingerprints and key identifiers are
lower-case hex; times are UTC; `days_left` is whole days, negative once it is over.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.entry import Entry, certificate_of
from ca.errors import IdentityError
from ca.identity import parse
from ca.listing import state
from ca.profiles import ISSUING, ROOT, SERVER, is_strong, key_kind

_DAY = timedelta(days=1)


class CertificateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate.

    name: under which the ledger keeps it; null if the ledger does not know it.
    profile: `root`, `issuing`, `server`, `client`, `mirror`, `support`, `ca-operator`, or `unknown`.
    identity: the URI it carries; null for CAs and servers.
    names: DNS names and addresses of a server.
    issuer_key: key identifier of the CA that signed it; may be empty.
    key: such as `rsa2048` or `ecdsa-p256`. strong: whether we accept such a key.
    state: `valid`, `expired`, `revoked` or `not-yet-valid`. Only the ledger tells what is revoked.
    issued: when; null if the ledger does not know it.
    file: where it lies in the CA's `issued/`, if it does.
    parent: serial of the certificate under which it was asked for; null if it was issued by hand.
    children: serials of those that were asked for under this one, oldest first.
    uses, used: how many installations may enrol with it, and how many have; null for all but enrolment.
    """

    serial: str
    profile: str
    name: str | None
    identity: str | None
    names: tuple[str, ...]
    subject: str
    issuer: str
    issuer_key: str
    not_before: datetime
    not_after: datetime
    days_left: int
    state: str
    revoked: datetime | None
    reason: str | None
    issued: datetime | None
    key: str
    strong: bool
    fingerprint: str
    file: str | None = None
    parent: str | None = None
    children: tuple[str, ...] = ()
    uses: int | None = None
    used: int | None = None


class CrlFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One CRL.

    number, next_update: null where it does not say.
    revoked: how many certificates it revokes.
    believed: whether it is a good one of the CA in the folder; null if it is of another CA, or there is none.
    """

    issuer: str
    issuer_key: str
    number: int | None
    this_update: datetime
    next_update: datetime | None
    days_left: int | None
    revoked: int
    believed: bool | None = None


def certificate_facts(certificate: x509.Certificate, entry: Entry | None, now: datetime) -> CertificateFacts:
    """What a certificate says; with what the ledger says of it, if that knows it.

    Raises:
        ValueError and its kin (`ca.reading.UNREADABLE`): a part of the certificate cannot be read.
    """
    values = {type(extension.value): extension.value for extension in certificate.extensions}
    identity, names = _names(values.get(x509.SubjectAlternativeName))
    authority = values.get(x509.AuthorityKeyIdentifier)
    key = certificate.public_key()
    return CertificateFacts(
        serial=f"{certificate.serial_number:x}",
        profile=_profile(values, identity) if entry is None else entry.profile,
        name=None if entry is None else entry.name,
        identity=identity,
        names=names,
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        issuer_key=_hex(authority.key_identifier) if isinstance(authority, x509.AuthorityKeyIdentifier) else "",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        days_left=days_left(certificate.not_valid_after_utc, now),
        state=_dated_state(certificate, now) if entry is None else state(entry, now),
        revoked=None if entry is None else entry.revoked_at,
        reason=None if entry is None else entry.reason,
        issued=None if entry is None else entry.created,
        key=key_kind(key),
        strong=is_strong(key),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        parent=None if entry is None else entry.parent,
        uses=None if entry is None else entry.uses,
    )


def entry_facts(entry: Entry, now: datetime, children: Sequence[Entry] = ()) -> CertificateFacts:
    """What the ledger says of a certificate it holds, and of those that were asked for under it."""
    facts = certificate_facts(certificate_of(entry), entry, now)
    return with_children(facts, children)


def with_children(facts: CertificateFacts, children: Sequence[Entry]) -> CertificateFacts:
    """The facts of a certificate together with what was asked for under it."""
    used = None if facts.uses is None else len(children)
    return msgspec.structs.replace(facts, children=tuple(child.serial for child in children), used=used)


def crl_facts(crl: x509.CertificateRevocationList, now: datetime) -> CrlFacts:
    """What a CRL says; its signature is not looked at.

    Raises:
        ValueError and its kin (`ca.reading.UNREADABLE`): a part of the CRL cannot be read.
    """
    values = {type(extension.value): extension.value for extension in crl.extensions}
    number, authority = values.get(x509.CRLNumber), values.get(x509.AuthorityKeyIdentifier)
    end = crl.next_update_utc
    return CrlFacts(
        issuer=crl.issuer.rfc4514_string(),
        issuer_key=_hex(authority.key_identifier) if isinstance(authority, x509.AuthorityKeyIdentifier) else "",
        number=number.crl_number if isinstance(number, x509.CRLNumber) else None,
        this_update=crl.last_update_utc,
        next_update=end,
        days_left=None if end is None else days_left(end, now),
        revoked=len(crl),
    )


def days_left(end: datetime, now: datetime) -> int:
    """Whole days until `end`; negative once it is over."""
    return (end - now) // _DAY


def _hex(key_identifier: bytes | None) -> str:
    return (key_identifier or b"").hex()


def _names(value: x509.ExtensionType | None) -> tuple[str | None, tuple[str, ...]]:
    """The URI that is an identity of ours, if there is one, and all other names."""
    names: Iterable[x509.GeneralName] = value if isinstance(value, x509.SubjectAlternativeName) else ()
    texts = [(isinstance(name, x509.UniformResourceIdentifier), str(name.value)) for name in names]
    uris = [text for is_uri, text in texts if is_uri]
    return (uris[0] if uris else None), tuple(text for is_uri, text in texts if not is_uri)


def _profile(values: dict[type[x509.ExtensionType], x509.ExtensionType], identity: str | None) -> str:
    constraints, usages = values.get(x509.BasicConstraints), values.get(x509.ExtendedKeyUsage)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        depths = {ROOT.path_length: ROOT.name, ISSUING.path_length: ISSUING.name}
        return depths.get(constraints.path_length, "unknown")
    if isinstance(usages, x509.ExtendedKeyUsage) and list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]:
        return SERVER.name
    try:
        return parse(identity or "").role.value
    except IdentityError:
        return "unknown"


def _dated_state(certificate: x509.Certificate, now: datetime) -> str:
    if now < certificate.not_valid_before_utc:
        return "not-yet-valid"
    return "valid" if now <= certificate.not_valid_after_utc else "expired"
