"""The certificate of this installation: whom it names, and how long it still holds."""

from datetime import datetime
from enum import Enum
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.errors import IdentityError
from ca.identity import Identity, Role
from ca.peer import read_peer
from ca.reading import UNREADABLE

_MAX_BYTES = 64 * 2**10


class Kind(Enum):
    """Whose certificate it is."""

    PACKAGE = "package"
    """The customer's, as the bundle of an installation package brings it."""
    ENROL_ONLY = "enrol-only"
    """Likewise, and good for nothing but enrolment."""
    OWN = "own"
    """That of this one installation, with a key that was made here."""

    @property
    def names(self) -> str:
        """Whom such a certificate names, for people."""
        return _NAMED[self]


_NAMED = {
    Kind.PACKAGE: "the customer, as all of its installations",
    Kind.ENROL_ONLY: "the customer, and is good for enrolment only",
    Kind.OWN: "this installation alone",
}


class Validity(msgspec.Struct, frozen=True):
    """First and last moment of a certificate, in UTC."""

    begin: datetime
    end: datetime

    def is_short(self, now: datetime, part: int = 3) -> bool:
        """Whether less than a third of the time is left (a sixth, if `part` is 6), or none."""
        return self.end - now < (self.end - self.begin) / part


class Held(msgspec.Struct, frozen=True):
    """A certificate in use here, read but not verified: the mirror does that."""

    kind: Kind
    identity: Identity
    validity: Validity


def held(path: Path) -> Held | None:
    """The certificate in a PEM file; None if it is none of a client's (connecting will tell why)."""
    try:
        peer = read_peer(x509.load_pem_x509_certificate(_read(path)).public_bytes(Encoding.DER))
    except (OSError, IdentityError, *UNREADABLE):
        return None
    identity = peer.identity
    if identity is None or peer.problems or identity.role not in {Role.CLIENT, Role.ENROL}:
        return None
    package = Kind.ENROL_ONLY if identity.role is Role.ENROL else Kind.PACKAGE
    return Held(Kind.OWN if identity.installation else package, identity, Validity(peer.not_before, peer.not_after))


def read(path: Path) -> Validity | None:
    """The validity of the certificate in a PEM file; None if nobody can tell (connecting will tell why)."""
    try:
        return validity(_read(path))
    except OSError:
        return None


def validity(pem: bytes) -> Validity | None:
    """The validity of the first certificate in a PEM text; None if there is none."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except ValueError:
        return None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_BYTES)
