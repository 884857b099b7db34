"""Leaf certificates as files: a key (0600, not encrypted, since servers start unattended) and a certificate.

    NAME.crt NAME.key                       of servers and clients
    NAME.next.crt                           a server's next certificate for the key that it has
    NAME.mirror.crt, NAME.support.crt, …    of the other profiles. A name never holds a dot, so the server `eu` and the
                                            mirror `eu` as a client of another have files that cannot be confused

The certificate file holds the leaf alone: SPOT pins it, and mirrors have the issuing CA as their anchor; nobody needs a
chain.

The steps are: key file, ledger, certificate file. Killed between any two, the same command finishes the work: a key
without a certificate beside it is taken up again, and so is a certificate that the ledger already has for that key.
Nothing is ever overwritten. A key of another kind than was asked for, or that the ledger knows as of somebody else, is
not of that command, and refused. `ca.packing` goes the same way with a bundle in the certificate's place.
"""

import os
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from ca.entry import certificate_of
from ca.errors import CaError, IssueError, VaultError
from ca.files import PRIVATE, read_file, write_new
from ca.identity import check_id
from ca.issue import Issuer
from ca.keys import MAX_KEY, load_plain, new_key, plain_pem
from ca.profiles import CLIENT, SERVER, KeyType, Profile, key_kind
from ca.subjects import Hosts, Subject
from ca.vault import Vault, describe


class Certified(msgspec.Struct, frozen=True):
    """A key and its certificate.

    resumed: the key was there already, from a run that did not come to its end.
    handed_back: so was the certificate, in the ledger; the lifetime is the one that was asked for then.
    """

    key: CertificateIssuerPrivateKeyTypes
    certificate: x509.Certificate
    resumed: bool
    handed_back: bool


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
        IssueError: reason `exists`, if the certificate's file is there, or a key that is of another kind or subject;
            or as `ca.issue.issue`.
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


def renew_server(
    vault: Vault, name: str, profile: Profile, signer: Issuer, *, out: Path, now: datetime
) -> tuple[Path, x509.Certificate]:
    """A successor of a server's newest certificate, with its names and its key, as `NAME.next.crt` in the folder `out`.

    Its key lies where the server is, and need not be here.

    Raises:
        IssueError: reason `not-found`, or `exists`, if that file is there; or as `ca.issue.issue`.
    """
    path = out / f"{file_stem(name, SERVER.name)}.next.crt"
    if os.path.lexists(path):
        raise IssueError("exists", f"{path} is there already: move it away, or name another --out.")
    found = [one for one in vault.ledger.entries() if (one.profile, one.name) == (SERVER.name, name)]
    good = [one for one in found if one.revoked_at is None]
    if not good:
        raise IssueError("not-found", f"There is no server certificate {name!r} that is not revoked: see spot-ca list.")
    before = certificate_of(good[-1])
    names = before.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    dns, addresses = names.get_values_for_type(x509.DNSName), names.get_values_for_type(x509.IPAddress)
    subject = Hosts(name, tuple(dns), tuple(map(str, addresses)))
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate = vault.issue(subject, before.public_key(), profile, signer, now)
    write_new(path, certificate.public_bytes(Encoding.PEM))
    return path, certificate


def certify(
    vault: Vault,
    subject: Subject,
    profile: Profile,
    signer: Issuer,
    *,
    key_path: Path,
    key_type: KeyType,
    now: datetime,
    uses: int | None = None,
) -> Certified:
    """A key in the file `key_path`, made unless it is there, and a certificate for it; `uses` as in `ca.entry.Entry`.

    Raises:
        VaultError, IssueError, IdentityError: as `hand_out`; a key that was made is gone again.
    """
    resumed = os.path.lexists(key_path)
    key = _taken_up(key_path, key_type) if resumed else new_key(key_type)
    certificate = _unfinished(vault, subject, profile, key, path=key_path, now=now) if resumed else None
    if certificate is not None:
        return Certified(key, certificate, resumed=True, handed_back=True)
    if not resumed:
        write_new(key_path, plain_pem(key), PRIVATE)
    try:
        certificate = vault.issue(subject, key.public_key(), profile, signer, now, uses=uses)
    except CaError:
        if not resumed:
            key_path.unlink()  # nothing was signed for it
        raise
    return Certified(key, certificate, resumed, handed_back=False)


def _taken_up(path: Path, key_type: KeyType) -> CertificateIssuerPrivateKeyTypes:
    key = load_plain(read_file(path, max_bytes=MAX_KEY, refusal=VaultError, private=True))
    kind = key_kind(key.public_key())
    if kind != key_type.value:
        raise IssueError(
            "exists",
            f"The key {path} is there already, and is {kind}, not {key_type.value}: ask for that, or move it away.",
        )
    return key


def _unfinished(
    vault: Vault,
    subject: Subject,
    profile: Profile,
    key: CertificateIssuerPrivateKeyTypes,
    *,
    path: Path,
    now: datetime,
) -> x509.Certificate | None:
    """What was issued for this key and subject, and is still good; a key never serves two subjects."""
    wanted, found = (profile.name, *describe(subject, profile)), None
    for entry in vault.ledger.entries():
        certificate = certificate_of(entry)
        if certificate.public_key() != key.public_key():
            continue
        if (entry.profile, entry.name, entry.who) != wanted:
            whose = f"{entry.profile} {entry.name} ({entry.who})"
            raise IssueError("exists", f"The key {path} is there already, and is that of {whose}: move it away.")
        if entry.revoked_at is None and now < entry.not_after:
            found = certificate
    return found
