"""Leaf certificates as files: NAME.key (0600, not encrypted, since servers start unattended) and NAME.crt.

NAME.crt holds the leaf alone: SPOT pins it, and mirrors have the issuing CA as their anchor; nobody needs a chain.

The steps are: key file, ledger, certificate file. Killed between any two, the same command finishes the work: a key
without a certificate beside it is taken up again, and so is a certificate that the ledger already has for that key.
Nothing is ever overwritten, and no key is certified twice.
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
from ca.profiles import KeyType, Profile
from ca.subjects import Subject
from ca.vault import Vault, describe


class Handout(msgspec.Struct, frozen=True):
    """What was handed out. `resumed`: a key was there already, from a run that did not come to its end."""

    certificate_path: Path
    key_path: Path
    certificate: x509.Certificate
    resumed: bool


def hand_out(
    vault: Vault, subject: Subject, profile: Profile, signer: Issuer, *, out: Path, key_type: KeyType, now: datetime
) -> Handout:
    """Make a key, issue a certificate for it, and write both to the folder `out`.

    Raises:
        IssueError: reason `exists`, if NAME.crt is there; or as `ca.issue.issue`.
        VaultError: reason `bad-key` or `bad-mode` for a NAME.key that is no key of an earlier run; or of the ledger.
    """
    name = check_id("name", describe(subject, profile)[0])  # it becomes a file's name
    certificate_path, key_path = out / f"{name}.crt", out / f"{name}.key"
    if os.path.lexists(certificate_path):
        raise IssueError("exists", f"{certificate_path} is there already: move it away, or name another --out.")
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
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
    write_new(certificate_path, certificate.public_bytes(Encoding.PEM))
    return Handout(certificate_path, key_path, certificate, resumed)


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
            certificate = x509.load_der_x509_certificate(entry.certificate)
            if certificate.public_key() == key.public_key():
                return certificate
    return None
