"""Certificates that came of one another, as the ledger knows them, and requests for more of them."""

import hashlib
from datetime import datetime, timedelta
from functools import cache
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from ca.entry import Entry
from ca.identity import Identity, Role, make
from ca.profiles import CA_OPERATOR, CLIENT, ENROL, Profile
from ca.request import CertificateRequest, read_request
from tests.ca.house import NOW, REALM, House, sign

DAY: Final = timedelta(days=1)
PROFILES: Final = {Role.CLIENT: CLIENT, Role.ENROL: ENROL, Role.CA_OPERATOR: CA_OPERATOR}


@cache
def key(number: int) -> ec.EllipticCurvePrivateKey:
    """One key a number, the same each time."""
    return ec.derive_private_key(number + 1, ec.SECP256R1())


def client(customer: str = "acme", installation: str | None = None) -> Identity:
    return make(REALM, Role.CLIENT, customer, installation)


def enrolment(customer: str = "acme") -> Identity:
    return make(REALM, Role.ENROL, customer)


def request(identity: Identity, number: int) -> CertificateRequest:
    """A request as a machine makes it, with key `number`."""
    name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)])
    builder = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(name, critical=False)
    return read_request(builder.sign(key(number), hashes.SHA256()).public_bytes(Encoding.DER))


class Family:
    """A ledger in the making. Serials are `c1`, `c2`, … in the order in which things are added."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.entries: list[Entry] = []

    def add(
        self,
        identity: Identity,
        number: int,
        parent: Entry | None = None,
        *,
        uses: int | None = None,
        now: datetime = NOW,
        days: int = 100,
        profile: Profile | None = None,
    ) -> Entry:
        """Record a certificate with key `number`, good for `days` from `now` on."""
        profile = msgspec.structs.replace(profile or PROFILES[identity.role], lifetime=days * DAY)
        certificate = sign(key(number), identity, profile, self._house.issuing.issuer, now).certificate
        der = certificate.public_bytes(Encoding.DER)
        entry = Entry(
            serial=f"c{len(self.entries) + 1}",
            profile=profile.name,
            name=identity.name,
            who=identity.uri,
            issuer_key="00ff",
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            fingerprint=hashlib.sha256(der).hexdigest(),
            created=now,
            certificate=der,
            parent=None if parent is None else parent.serial,
            uses=uses,
        )
        self.entries.append(entry)
        return entry

    def revoke(self, *serials: str) -> None:
        self.entries = [
            msgspec.structs.replace(entry, revoked_at=NOW, reason="key-compromise")
            if entry.serial in serials
            else entry
            for entry in self.entries
        ]

    def now_of(self, entry: Entry) -> Entry:
        """The entry as it is by now."""
        return next(one for one in self.entries if one.serial == entry.serial)
