"""The CRL that mirrors have, held against the ledger: what it revokes is never taken back.

After a restore the ledger may know less than the CRL that was published last. What it still knows is then marked as
revoked; of what it has lost only the number is known, and that is kept, too, so that every later CRL carries it on.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.entry import Entry
from ca.errors import RevocationError, VaultError
from ca.files import read_file, replace
from ca.issue import REASONS, Revoked
from ca.ledger import Ledger
from ca.reading import UNREADABLE
from ca.revocation import MAX_CRL, SKEW, Revocations, read_crl

ANY_TIME: Final = datetime.max.replace(tzinfo=UTC) - SKEW
"""For `read_crl`: a CRL from the future counts too, since the ledger judges its date."""

_REASONS = {flag: reason for reason, flag in REASONS.items()}


class Taken(msgspec.Struct, frozen=True):
    """What was taken over of a CRL. number: of the CRL.

    forgotten: serials that the ledger knew, and not as revoked. lost: serials that it did not know at all.
    """

    number: int
    forgotten: tuple[str, ...]
    lost: tuple[str, ...]


def read_published(path: Path, issuer: x509.Certificate) -> Revocations | None:
    """The CRL at `path`, or None if there is none that readers would believe to be of this issuer.

    Raises:
        VaultError: as `ca.files.read_file`.
    """
    if not path.exists():
        return None
    raw = read_file(path, max_bytes=MAX_CRL, refusal=VaultError)
    try:
        return read_crl(raw, issuer, now=ANY_TIME, previous=None)
    except RevocationError:
        return None


def check_not_behind(entries: Sequence[Entry], lost: Sequence[Revoked], published: Revocations, path: Path) -> None:
    """Refuse to go on where the ledger does not know as revoked what the published CRL revokes.

    Args:
        lost: what the ledger knows as revoked without having its certificate.
        path: names the CRL in the error.

    Raises:
        VaultError: reason `ledger-behind`.
    """
    ledger = {int(entry.serial, 16): entry for entry in entries}
    carried = {one.serial for one in lost}
    missing = published.serials - carried
    forgotten = [serial for serial in missing if serial in ledger and ledger[serial].revoked_at is None]
    unknown = missing - ledger.keys()
    if not forgotten and not unknown:
        return
    sentence = f"Nothing was signed: {path} revokes what the ledger does not know as revoked. "
    if unknown:
        sentence += f"Restore a newer ledger.sqlite: this one has no certificate {_hex(unknown)}. "
    else:
        sentence += f"Restore a newer ledger.sqlite, or run spot-ca revoke --only again for each of {_hex(forgotten)}. "
    raise VaultError("ledger-behind", f"{sentence}If there is none, run spot-ca crl --take-over {path}.")


def take_over(ledger: Ledger, raw: bytes, issuer: x509.Certificate, path: Path) -> Taken:
    """Have the ledger know as revoked all that a CRL of this CA revokes, and put that CRL in its place.

    Args:
        raw: PEM or DER, the newest that mirrors have.
        path: where the CRL of this issuer lies; the one there must not be newer.

    Raises:
        RevocationError: as `ca.revocation.read_crl`; nothing was changed.
        VaultError, OSError: of the ledger and of files.
    """
    found = read_crl(raw, issuer, now=ANY_TIME, previous=read_published(path, issuer))
    crl = _load(raw)
    known = {int(entry.serial, 16): entry for entry in ledger.entries() if entry.issuer_key == found.issuer_key.hex()}
    forgotten = {serial for serial in found.serials & known.keys() if known[serial].revoked_at is None}
    carried = {one.serial for one in ledger.lost(found.issuer_key.hex())}
    lost = found.serials - known.keys() - carried
    ledger.take_over(
        found.issuer_key.hex(),
        forgotten=[_revoked(one) for one in crl if one.serial_number in forgotten],
        lost=[_revoked(one) for one in crl if one.serial_number in lost],
    )
    replace(path, crl.public_bytes(Encoding.PEM))
    return Taken(found.number, _spelled(forgotten), _spelled(lost))


def _load(raw: bytes) -> x509.CertificateRevocationList:
    try:
        return x509.load_pem_x509_crl(raw)
    except UNREADABLE:
        return x509.load_der_x509_crl(raw)


def _revoked(one: x509.RevokedCertificate) -> Revoked:
    try:
        flag = one.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        flag = x509.ReasonFlags.unspecified
    return Revoked(one.serial_number, one.revocation_date_utc, _REASONS.get(flag, "unspecified"))


def _spelled(serials: Iterable[int]) -> tuple[str, ...]:
    return tuple(f"{serial:x}" for serial in sorted(serials))


def _hex(serials: Iterable[int]) -> str:
    return ", ".join(_spelled(serials))
