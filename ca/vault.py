"""The vault: one folder with the CA's keys at rest, its certificates, CRLs, and the ledger. All of it is 0700/0600.

    ledger.sqlite       everything ever signed (`ca.ledger`)
    lifetimes.toml      how long what is signed is good (`ca.lifetimes`); may be missing
    root.crt  root.key  the root; its key (sealed, `ca.keys`) is needed only for `init` and its own CRL: take it offline
    issuing.crt  .key   the issuing CA, which signs all leaves; its key may lie elsewhere (`ca.key_uri`)
    crl/root.crl, crl/issuing.crl      PEM; what mirrors read
    root-….crt, issuing-….crt          successors, and those before, with keys and CRLs (`ca.authorities`)
    issued/             where leaf certificates and their keys go unless told otherwise
    .lock               held by whoever works here: one at a time

`ca.founding` makes it, whole or not at all. A certificate is in the ledger,
on the disk, before its bytes leave `issue`; a killed run is simply run again. A ledger restored from a backup may know
less than the CRL that lies here: the next CRL is newer than both, and takes no revocation back.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from filelock import FileLock, Timeout

from ca.entry import Entry
from ca.errors import VaultError
from ca.files import read_file, replace
from ca.identity import Identity
from ca.issue import Issuer, Request, Revoked, build_crl, issue, realm_of
from ca.keys import MAX_KEY, unseal
from ca.ledger import Ledger
from ca.lifetimes import MAX_LIFETIMES, Lifetimes, check_days, parse_lifetimes
from ca.profiles import ISSUING, ROOT, Profile
from ca.published import check_not_behind, read_published
from ca.reading import UNREADABLE
from ca.subjects import Hosts, Subject

AUTHORITIES: Final = (ROOT.name, ISSUING.name)
MAX_CERTIFICATE: Final = 64 * 1024
"""Longest certificate file, in bytes."""

_LOCK_SECONDS = 10


class Vault:
    """An open vault, with its lock held: from `open_vault`."""

    def __init__(self, folder: Path, ledger: Ledger, issuing_key: Path | None = None) -> None:
        """`issuing_key`: where the key of the issuing CA lies, if not in the folder."""
        self.folder = folder
        self.ledger = ledger
        self._keys = {ROOT.name: folder / "root.key", ISSUING.name: issuing_key or folder / "issuing.key"}

    @property
    def realm(self) -> str:
        """The realm this CA is for."""
        return realm_of(self.certificate(ISSUING.name))

    @cached_property
    def lifetimes(self) -> Lifetimes:
        """What `read_lifetimes` finds here."""
        return read_lifetimes(self.folder)

    def certificate(self, authority: str) -> x509.Certificate:
        """The certificate of a CA by its name in `ca.authorities`, as everywhere here.

        Raises:
            VaultError: reason `missing-file`, `unreadable-file`, `too-large` or `damaged-certificate`.
        """
        path = self.folder / f"{authority}.crt"
        try:
            return x509.load_pem_x509_certificate(read_file(path, max_bytes=MAX_CERTIFICATE, refusal=VaultError))
        except UNREADABLE as error:
            raise VaultError("damaged-certificate", f"{path} is damaged: restore it from a backup.") from error

    def chosen(self, profile: Profile, days: int | None, now: datetime) -> Profile:
        """`profile` with the lifetime that this CA has chosen for it, or with `days` that were asked for by hand.

        Raises:
            IssueError: reason `outlives-issuer`, for days beyond the end of the issuing CA.
        """
        if days is None:
            return self.lifetimes.applied(profile)
        check_days(days, self.certificate(ISSUING.name).not_valid_after_utc, now)
        return msgspec.structs.replace(profile, lifetime=timedelta(days=days))

    def has_key(self, authority: str) -> bool:
        """Whether the key of a CA is here, and not offline."""
        return self.key_path(authority).exists()

    def key_path(self, authority: str) -> Path:
        """Where the key of a CA lies, if it is here: all of one kind in one folder."""
        kind, _, which = authority.partition("-")
        in_use = self._keys[kind]
        return in_use.with_name(f"{in_use.stem}-{which}{in_use.suffix}") if which else in_use

    def crl_path(self, authority: str) -> Path:
        """Where the CRL of a CA lies."""
        return self.folder / "crl" / f"{authority}.crl"

    def unlock(self, authority: str, passphrase: str) -> Issuer:
        """The signer of that name.

        Raises:
            VaultError: as `certificate`, or reason `bad-mode`, `damaged-key`, or `key-mismatch`.
            PassphraseError: reason `wrong-passphrase`.
        """
        for path in self._key_paths(authority):
            sealed = read_file(path, max_bytes=MAX_KEY, refusal=VaultError, private=True)
            key, certificate = unseal(sealed, passphrase), self.certificate(authority)
            if key.public_key() == certificate.public_key():
                return Issuer(key, certificate)
        name = self.key_path(authority).name
        raise VaultError("key-mismatch", f"{name} and {authority}.crt do not belong together.")

    def _key_paths(self, authority: str) -> Iterator[Path]:
        """Where the key of a CA may lie: that of one in use, whose rotation was interrupted, still under `-next`."""
        yield self.key_path(authority)
        waiting = self.key_path(f"{authority}-next")
        if authority in AUTHORITIES and waiting.exists():
            yield waiting

    def issue(
        self,
        subject: Subject,
        public_key: CertificatePublicKeyTypes,
        profile: Profile,
        signer: Issuer,
        now: datetime,
        *,
        parent: str | None = None,
        request: str | None = None,
        uses: int | None = None,
    ) -> x509.Certificate:
        """Sign a certificate and record it; whoever gets it from here can be sure it is in the ledger.

        Args:
            parent, request, uses: as in `ca.ledger.Entry`.

        Raises:
            IssueError, IdentityError: as `ca.issue.issue`.
            VaultError: as `ca.ledger.Ledger`; then nothing was handed out.
        """
        serial = secrets.randbits(128) or 1
        certificate = issue(Request(public_key, subject), profile, signer, serial=serial, now=now)
        entry = _entry(certificate, subject, profile, now)
        self.ledger.add(msgspec.structs.replace(entry, parent=parent, request=request, uses=uses))
        return certificate

    def sign_crl(self, authority: str, signer: Issuer, now: datetime) -> Path:
        """Sign a new CRL of a CA from the ledger, and return where it lies.

        Raises:
            IssueError, VaultError, OSError: the old CRL stays. Reason `ledger-behind`, if that one revokes what the
                ledger does not know as revoked.
        """
        certificate = self.certificate(authority)
        issuer_key = subject_key(certificate)
        path = self.crl_path(authority)
        entries = [entry for entry in self.ledger.entries() if entry.issuer_key == issuer_key]
        lost = self.ledger.lost(issuer_key)
        revoked = {one.serial: one for one in lost} | {
            int(entry.serial, 16): Revoked(int(entry.serial, 16), entry.revoked_at, entry.reason or "unspecified")
            for entry in entries
            if entry.revoked_at is not None
        }
        published = read_published(path, certificate)
        if published is None:
            number, this_update = self.ledger.next_crl(issuer_key, now)
        else:
            check_not_behind(entries, lost, published, path)
            number, this_update = self.ledger.next_crl(issuer_key, now, (published.number, published.this_update))
        lifetime = self.lifetimes.crl(authority)
        crl = build_crl(certificate, signer.key, revoked.values(), number=number, now=this_update, lifetime=lifetime)
        replace(path, crl.public_bytes(Encoding.PEM))
        return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, so that one process at a time works on a CA.

    Raises:
        VaultError: reason `locked`, if another still holds it after some seconds.
    """
    try:
        with FileLock(path, timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise VaultError("locked", "Another spot-ca works on this CA: try again when it has ended.") from error


def check_there(folder: Path) -> None:
    """Refuse a folder in which there is no CA.

    Raises:
        VaultError: reason `missing-vault`.
        PermissionError: one may not even look.
    """
    try:
        (folder / "issuing.crt").stat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        sentence = f"There is no CA in {folder}: run spot-ca init, or name it with --dir."
        raise VaultError("missing-vault", sentence) from error


def check_vault(folder: Path) -> None:
    """Refuse a folder that cannot be worked in, before anybody is asked for a passphrase.

    Raises:
        VaultError: reason `missing-vault` or `bad-mode`.
    """
    check_there(folder)
    if folder.stat().st_mode & 0o077:
        raise VaultError("bad-mode", f"Others may enter {folder}: run chmod 700 {folder}.")


@contextmanager
def open_vault(folder: Path, issuing_key: Path | None = None) -> Iterator[Vault]:
    """Work in the vault at `folder`, alone. `issuing_key`: as `Vault` has it.

    Raises:
        VaultError: reason `missing-vault`, `bad-mode`, `locked`, or as `ca.ledger.Ledger`.
    """
    check_vault(folder)
    with locked(folder / ".lock"), Ledger(folder / "ledger.sqlite") as ledger:
        yield Vault(folder, ledger, issuing_key)


def read_lifetimes(folder: Path) -> Lifetimes:
    """What `lifetimes.toml` in the CA's folder says; the defaults, if there is none.

    Raises:
        VaultError: reason `bad-lifetimes`, `unreadable-file`, or `missing-file` for a link that leads nowhere.
    """
    path = folder / "lifetimes.toml"
    raw = read_file(path, max_bytes=MAX_LIFETIMES, refusal=VaultError) if os.path.lexists(path) else b""
    return parse_lifetimes(raw, source=str(path), refusal=VaultError)


def describe(subject: Subject, profile: Profile) -> tuple[str, str]:
    """The `name` and `who` under which the ledger keeps a subject."""
    match subject:
        case Identity() as identity:
            return identity.name, identity.uri
        case Hosts(name=name, dns=dns, addresses=addresses):
            return name, ", ".join((*dns, *addresses))
        case authority:
            return profile.name, authority.realm


def _entry(certificate: x509.Certificate, subject: Subject, profile: Profile, now: datetime) -> Entry:
    name, who = describe(subject, profile)
    authority = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return Entry(
        serial=f"{certificate.serial_number:x}",
        profile=profile.name,
        name=name,
        who=who,
        issuer_key=(authority or b"").hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        created=now,
        certificate=certificate.public_bytes(Encoding.DER),
    )


def subject_key(certificate: x509.Certificate) -> str:
    """The key identifier of a CA, lower-case hex."""
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
