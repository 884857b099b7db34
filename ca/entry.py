"""What the ledger knows of one certificate. Pure."""

from datetime import datetime

import msgspec
from cryptography import x509

from ca.errors import VaultError
from ca.reading import UNREADABLE


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate. `serial` and the key identifiers are lower-case hex; times are whole seconds, UTC.

    who: the realm of a CA, the identity's URI of a client, DNS names and addresses of a server.
    issuer_key: key identifier of the CA that signed it.
    fingerprint: SHA-256 of the DER, hex.
    certificate: DER.
    parent: serial of the certificate under which it was asked for; None for what was issued by hand.
    request: SHA-256 of the DER of the certificate request that it answers, hex; of no two entries the same.
    uses: how many installations may enrol with it; None for all that is no enrolment certificate.
    """

    serial: str
    profile: str
    name: str
    who: str
    issuer_key: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    created: datetime
    certificate: bytes
    revoked_at: datetime | None = None
    reason: str | None = None
    parent: str | None = None
    request: str | None = None
    uses: int | None = None


def certificate_of(entry: Entry) -> x509.Certificate:
    """The certificate of an entry.

    Raises:
        VaultError: reason `damaged-ledger`.
    """
    try:
        return x509.load_der_x509_certificate(entry.certificate)
    except UNREADABLE as error:
        sentence = f"The ledger's certificate {entry.serial} cannot be read: restore the ledger from a backup."
        raise VaultError("damaged-ledger", sentence) from error
