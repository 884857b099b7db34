"""A certificate of this CA that its ledger has lost, taken into the ledger again: after a restore from a backup.

That it is ours is proved by the signature of the issuing CA, and by nothing else. What it came of, which request it
answers and how many may enrol with it is lost: it counts as issued by hand. One that was revoked meanwhile stays so.
"""

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ca.entry import Entry
from ca.errors import IdentityError, IssueError
from ca.facts import certificate_facts
from ca.identity import parse
from ca.ledger import Ledger
from ca.profiles import SERVER
from ca.reading import UNREADABLE


def adopt(ledger: Ledger, certificate: x509.Certificate, issuer: x509.Certificate) -> Entry | None:
    """Record a certificate that `issuer`, the issuing CA, has signed; None if the ledger knows it already.

    Raises:
        IssueError: reason `not-ours`.
        VaultError: of the ledger.
    """
    serial = f"{certificate.serial_number:x}"
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE) as error:
        sentence = f"The certificate {serial} was not signed by the issuing CA of this folder: look whose it is."
        raise IssueError("not-ours", sentence) from error
    if ledger.entry(serial) is not None:
        return None
    entry = _entry(certificate, serial)
    for lost in ledger.lost(entry.issuer_key):
        if lost.serial == certificate.serial_number:
            entry = msgspec.structs.replace(entry, revoked_at=lost.at, reason=lost.reason)
    ledger.add(entry)
    return entry


def _entry(certificate: x509.Certificate, serial: str) -> Entry:
    facts = certificate_facts(certificate, None, certificate.not_valid_before_utc)
    try:
        name = _common_name(certificate) if facts.profile == SERVER.name else parse(facts.identity or "").name
    except IdentityError as error:
        sentence = f"The certificate {serial} is of no kind that this CA issues: look where it is from."
        raise IssueError("not-ours", sentence) from error
    return Entry(
        serial=serial,
        profile=facts.profile,
        name=name,
        who=facts.identity or ", ".join(facts.names),
        issuer_key=facts.issuer_key,
        not_before=facts.not_before,
        not_after=facts.not_after,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        created=facts.not_before,
        certificate=certificate.public_bytes(Encoding.DER),
    )


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
