"""Leaf certificates as files: a key (0600, not encrypted, since servers start unattended) and a certificate.

    NAME.crt NAME.key                       of servers and clients
    NAME.mirror.crt, NAME.support.crt, …    of the other profiles. A name never holds a dot, so the server `eu` and the
                                            mirror `eu` as a client of another have files that cannot be confused

The certificate file holds the leaf alone: SPOT pins it, and mirrors have the issuing CA as their anchor; nobody needs a
chain.

The steps are: key file, ledger, certificate file. Killed between any two, the same command finishes the work: a key
without a certificate beside it is taken up again, and so is a certificate that the ledger already has for that key.
Nothing is ever overwritten. `ca.packing` goes the same way with a bundle in the certificate's place.
"""

import os
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from ca.errors import CaError, IssueError, VaultError
from ca.files import PRIVATE, read_file, write_new
from ca.identity import check_id
from ca.issue import Issuer
from ca.keys import MAX_KEY, load_plain, new_key, plain_pem
from ca.ledger import certificate_of
from ca.profiles import CLIENT, SERVER, KeyType, Profile
from ca.subjects import Subject
from ca.vault import Vault, describe


class Certified(msgspec.Struct, frozen=True):
    """A key and its certificate. `resumed`: the key was there already, from a run that did not come to its end."""

    key: CertificateIssuerPrivateKeyTypes
    certificate: x509.Certificate
    resumed: bool


class Handout(msgspec.Struct, frozen=True):
    """What was handed out as files."""

    certificate_path: Path
    key_path: Path
    certified: Certified


def file_stem(name: str, profile: str) -> str:
    """What the files of a leaf certificate are called, without `.crt` or `.key`.

    Raises:
        IdentityError: reason `bad-id`.
    """
    check_id("name", name)
    return name if profile in (SERVER.name, CLIENT.name) else f"{name}.{profile}"


def hand_out(
    vault: Vault, subject: Subject, profile: Profile, signer: Issuer, *, out: Path, key_type: KeyType, now: datetime
) -> Handout:
    """Make a key, issue a certificate for it, and write both to the folder `out`.

    Raises:
        IssueError: reason `exists`, if the certificate's file is there; or as `ca.issue.issue`.
        VaultError: reason `bad-key` or `bad-mode` for a key file that is no key of an earlier run; or of the ledger.
    """
    stem = file_stem(describe(subject, profile)[0], profile.name)
    certificate_path, key_path = out / f"{stem}.crt", out / f"{stem}.key"
    if os.path.lexists(certificate_path):
        raise IssueError("exists", f"{certificate_path} is there already: move it away, or name another --out.")
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    certified = certify(vault, subject, profile, signer, key_path=key_path, key_type=key_type, now=now)
    write_new(certificate_path, certified.certificate.public_bytes(Encoding.PEM))
    return Handout(certificate_path, key_path, certified)


def certify(
    vault: Vault,
    subject: Subject,
    profile: Profile,
    signer: Issuer,
    *,
    key_path: Path,
    key_type: KeyType,
    now: datetime,
) -> Certified:
    """A key in the file `key_path`, made unless it is there, and a certificate for it.

    Raises:
        VaultError, IssueError, IdentityError: as `hand_out`; a key that was made is gone again.
    """
    resumed = os.path.lexists(key_path)
    key = _key(key_path, key_type, resumed=resumed)
    certificate = _unfinished(vault, subject, profile, key, now) if resumed else None
    if certificate is None:
        try:
            certificate = vault.issue(subject, key.public_key(), profile, signer, now)
        except CaError:
            if not resumed:
                key_path.unlink()  # nothing was signed for it
            raise
    return Certified(key, certificate, resumed)


def _key(path: Path, key_type: KeyType, *, resumed: bool) -> CertificateIssuerPrivateKeyTypes:
    if resumed:
        return load_plain(read_file(path, max_bytes=MAX_KEY, refusal=VaultError, private=True))
    key = new_key(key_type)
    write_new(path, plain_pem(key), PRIVATE)
    return key


def _unfinished(
    vault: Vault, subject: Subject, profile: Profile, key: CertificateIssuerPrivateKeyTypes, now: datetime
) -> x509.Certificate | None:
    wanted = (profile.name, *describe(subject, profile))
    for entry in reversed(vault.ledger.entries()):
        if (entry.profile, entry.name, entry.who) == wanted and entry.revoked_at is None and now < entry.not_after:
            certificate = certificate_of(entry)
            if certificate.public_key() == key.public_key():
                return certificate
    return None
