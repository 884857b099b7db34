"""How long the certificate of this installation still holds: for people, while there is time to get a new one."""

from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509

_MAX_BYTES = 64 * 2**10


class Validity(msgspec.Struct, frozen=True):
    """First and last moment of a certificate, in UTC."""

    begin: datetime
    end: datetime

    def is_short(self, now: datetime) -> bool:
        """Whether less than a third of the time is left, or none."""
        return self.end - now < (self.end - self.begin) / 3


def read(path: Path) -> Validity | None:
    """The validity of the certificate in a PEM file; None if nobody can tell (connecting will tell why)."""
    try:
        with path.open("rb") as file:
            return validity(file.read(_MAX_BYTES))
    except OSError:
        return None


def validity(pem: bytes) -> Validity | None:
    """The validity of the first certificate in a PEM text; None if there is none."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except ValueError:
        return None
