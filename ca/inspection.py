"""Looks a CA's folder over, without any passphrase: modes, owners, ends, keys, CRLs, and what lies in `issued/`.

What is wrong becomes a finding (`ca.findings`), never the end of the inspection; only a folder that is no CA, or whose
ledger cannot be read, ends it. Nothing is changed.
"""

import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from ca.authorities import is_former, is_needed, kind_of, names, successor
from ca.entry import Entry
from ca.errors import CaError, RevocationError, VaultError
from ca.files import read_file
from ca.finding import Finding, good
from ca.findings import judge_crl, judge_end, judge_former, judge_leaves, judge_twins, sign_again
from ca.keys import MAX_KEY, is_sealed, load_plain
from ca.ledger import Ledger
from ca.listing import is_authority, state
from ca.profiles import ISSUING, ROOT, is_strong
from ca.reading import UNREADABLE
from ca.revocation import MAX_CRL, read_crl
from ca.vault import AUTHORITIES, MAX_CERTIFICATE, Vault, check_there, locked, read_lifetimes, subject_key

_RESTORE = "Restore it from a backup."


class _Looked(msgspec.Struct):
    """What all parts of the inspection look at."""

    vault: Vault
    entries: dict[str, Entry]  # by fingerprint, oldest first
    now: datetime

    @property
    def folder(self) -> Path:
        return self.vault.folder

    def name(self, path: Path) -> str:
        return str(path.relative_to(self.folder))


def inspect(folder: Path, now: datetime, issuing_key: Path | None = None) -> list[Finding]:
    """Everything that was found, also what is good, in the order in which it was looked at.

    Args:
        issuing_key: as `ca.vault.Vault` has it; one that lies elsewhere need not be here.

    Raises:
        VaultError: reason `missing-vault`, `locked`, or as `ca.ledger.Ledger`.
    """
    check_there(folder)
    with locked(folder / ".lock"), Ledger(folder / "ledger.sqlite") as ledger:
        vault = Vault(folder, ledger, issuing_key)
        looked = _Looked(vault, {entry.fingerprint: entry for entry in ledger.entries()}, now)
        return [
            *_modes(looked),
            *_owners(looked),
            *_lifetimes(looked),
            *_authorities(looked),
            *judge_leaves(looked.entries.values(), now),
            *judge_twins(looked.entries.values(), now),
            *_issued(looked),
        ]


def _modes(looked: _Looked) -> Iterator[Finding]:
    folder = looked.folder
    keys = [looked.vault.key_path(authority) for authority in names(folder)]
    keys += [looked.vault.key_path(successor(kind)) for kind in AUTHORITIES]
    private = [*keys, folder / "ledger.sqlite", *filter(_holds_a_key, _below(folder / "issued"))]
    wanted = [(path, 0o700) for path in (folder, folder / "crl", folder / "issued")]
    wanted += [(path, 0o600) for path in private]
    wrong = 0
    for path, mode in wanted:
        found = stat.S_IMODE(path.stat().st_mode) if path.exists() else mode
        if found & 0o077:
            wrong += 1
            verb = "enter" if mode == 0o700 else "read or write"
            what = f"Others may {verb} {path} (mode {found:o})."
            step = f"Run chmod {mode:o} {path}. If others use this host, think of what lies there as known to them."
            yield Finding("problem", "bad-mode", what, step)
    if not wrong:
        yield good("Nobody else may enter the folder, or read its keys and its ledger.")


def _owners(looked: _Looked) -> Iterator[Finding]:
    folder = looked.folder
    owner = folder.stat().st_uid
    foreign = [path for path in _below(folder) if os.path.lexists(path) and path.lstat().st_uid != owner]
    if foreign:
        names = ", ".join(looked.name(path) for path in foreign[:3]) + (" …" if len(foreign) > 3 else "")
        what = f"Not owned by the owner of {folder}: {names}."
        step = f"If you know how that came, run chown -Rh --reference={folder} {folder}; else restore from a backup."
        yield Finding("problem", "wrong-owner", what, step)


def _below(folder: Path) -> Iterator[Path]:
    """All that lies below, in order; links are not followed."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted([*folders, *files]))


def _holds_a_key(path: Path) -> bool:
    return path.name.removesuffix(".part").endswith((".key", ".bundle"))


def _lifetimes(looked: _Looked) -> Iterator[Finding]:
    try:
        read_lifetimes(looked.folder)
    except VaultError as error:
        yield Finding("problem", error.reason, str(error), "Until then, nothing can be issued.")


def _authorities(looked: _Looked) -> Iterator[Finding]:
    found: dict[str, x509.Certificate] = {}
    for authority in names(looked.folder):
        try:
            found[authority] = looked.vault.certificate(authority)
        except VaultError as error:
            yield Finding("problem", error.reason, str(error), _RESTORE)
    for authority, certificate in found.items():
        yield from _authority(looked, authority, certificate)
    yield from _sealed_keys(looked)
    roots = [certificate for name, certificate in found.items() if kind_of(name) == ROOT.name]
    for name, certificate in found.items():
        if kind_of(name) == ISSUING.name and roots and not any(_signed(certificate, root) for root in roots):
            what = f"{name}.crt was not signed by {'root.crt' if len(roots) == 1 else 'any of the roots here'}."
            yield Finding("problem", "wrong-chain", what, "Restore both from one backup.")


def _authority(looked: _Looked, authority: str, certificate: x509.Certificate) -> Iterator[Finding]:
    if is_former(authority):
        yield from _former(looked, authority, certificate)
    else:
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        step = f"Run spot-ca rotate {kind_of(authority)} in time: its issuing CA must reach every mirror before then."
        yield judge_end(f"{authority}.crt", start, end, looked.now, step)
        yield from _crl(looked, authority, certificate)
        if authority == successor(ISSUING.name):
            step = f"Bring {authority}.crt and crl/{authority}.crl to all mirrors, then run spot-ca rotate activate."
            yield Finding("advice", "successor-waits", f"{authority}.crt signs nothing yet.", step)
    if not is_strong(certificate.public_key()):
        yield Finding(
            "problem", "weak-key", f"The key of {authority}.crt is too weak.", "Make its successor: spot-ca rotate."
        )
    if not _entry(looked, certificate):
        what = f"{authority}.crt is not in the ledger: one of the two is not of this CA."
        yield Finding("problem", "not-in-ledger", what, "Restore both from one backup.")


def _former(looked: _Looked, name: str, certificate: x509.Certificate) -> Iterator[Finding]:
    """One that was in use before. The list of a root is for nobody who asks us any more."""
    if kind_of(name) == ISSUING.name:
        entries, key = looked.entries.values(), subject_key(certificate)
        has_key = looked.vault.has_key(name)
        if has_key or is_needed(entries, key, looked.now):
            yield from _crl(looked, name, certificate)
        yield judge_former(f"{name}.crt", entries, key, looked.now, has_key=has_key)


def _sealed_keys(looked: _Looked) -> Iterator[Finding]:
    vault = looked.vault
    for authority in names(looked.folder):
        path = vault.key_path(authority)
        may_be_away = kind_of(authority) == ROOT.name or is_former(authority) or path.parent != looked.folder
        if not path.exists() and may_be_away:
            continue  # offline, as it should be
        try:
            sealed = is_sealed(read_file(path, max_bytes=MAX_KEY, refusal=VaultError))
        except VaultError as error:
            yield Finding("problem", error.reason, str(error), _RESTORE)
            continue
        if not sealed:
            what = f"{path.name} is not a key that spot-ca has sealed: it is damaged, or lies there in clear."
            yield Finding("problem", "not-sealed", what, _RESTORE)
        if kind_of(authority) == ROOT.name:
            what = f"{path.name} is on this host; it is needed for issuing CAs and the root's own CRL alone."
            yield Finding("advice", "root-key-here", what, "Move it to offline storage, and keep two copies.")
    for kind in AUTHORITIES:
        name = successor(kind)
        if vault.key_path(name).exists() and not (looked.folder / f"{name}.crt").exists():
            what = f"{vault.key_path(name).name} has no certificate beside it: a run did not come to its end."
            yield Finding("warning", "unfinished", what, "Run the same spot-ca rotate again; it takes the key up.")


def _crl(looked: _Looked, authority: str, issuer: x509.Certificate) -> Iterator[Finding]:
    path = looked.folder / "crl" / f"{authority}.crl"
    step = sign_again(authority, has_key=looked.vault.has_key(authority))
    try:
        raw = read_file(path, max_bytes=MAX_CRL, refusal=RevocationError)
        crl = read_crl(raw, issuer, now=looked.now, previous=None)
    except RevocationError as error:
        yield Finding("problem", "bad-crl", f"{looked.name(path)} cannot be used: {error}", step)
        return
    issuer_key = crl.issuer_key.hex()
    revoked = frozenset(
        int(entry.serial, 16)
        for entry in looked.entries.values()
        if entry.issuer_key == issuer_key and entry.revoked_at is not None
    ) | {one.serial for one in looked.vault.ledger.lost(issuer_key)}
    last = looked.vault.ledger.last_crl(issuer_key)
    yield from judge_crl(looked.name(path), crl, looked.now, last=last, revoked=revoked, step=step)


def _issued(looked: _Looked) -> Iterator[Finding]:
    """One line for all that is good; a file that was moved away, to where it is used, is missed by nobody."""
    folder, fine = looked.folder / "issued", 0
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        found: list[Finding] = []
        if path.name.startswith(".") and path.name.endswith((".part", ".key")):
            step = "Run the command of then again, which takes it up; or delete it."
            found = [Finding("advice", "left-over", f"{looked.name(path)} was left by a run that was killed.", step)]
        elif path.suffix == ".key":
            found = list(_issued_key(looked, path))
        elif path.suffix == ".crt":
            found = list(_issued_certificate(looked, path))
            fine += not found
        yield from found
    if fine:
        yield good(f"Certificates in issued/ that are in the ledger, and not revoked: {fine}.")


def _issued_key(looked: _Looked, path: Path) -> Iterator[Finding]:
    name, certificate_path = looked.name(path), path.with_suffix(".crt")
    try:
        key = load_plain(read_file(path, max_bytes=MAX_KEY, refusal=VaultError))
        certificate = _load(certificate_path) if certificate_path.exists() else None
    except CaError as error:
        yield Finding("warning", error.reason, f"{name} cannot be used: {error}", "Delete it, and issue another.")
        return
    except UNREADABLE:  # told with the certificate
        return
    if certificate is None:
        what = f"{name} has no certificate beside it: a run did not come to its end."
        yield Finding("warning", "unfinished", what, "Run the same spot-ca issue again; it takes the key up.")
    elif certificate.public_key() != key.public_key():
        what = f"{name} does not belong to {certificate_path.name}."
        yield Finding("problem", "key-mismatch", what, "Move both away, issue another, and revoke the one that it was.")


def _issued_certificate(looked: _Looked, path: Path) -> Iterator[Finding]:
    name = looked.name(path)
    try:
        certificate = _load(path)
    except (CaError, *UNREADABLE) as error:
        yield Finding("warning", "bad-certificate", f"{name} cannot be read: {error}", "Delete it, or restore it.")
        return
    entry = _entry(looked, certificate)
    if entry is None:
        what = f"{name} is not in the ledger, so this CA could not revoke it."
        yield Finding("problem", "not-in-ledger", what, "Restore a newer ledger.sqlite, or delete the file if foreign.")
    elif not is_authority(entry) and state(entry, looked.now) == "revoked":
        step = "Delete the file and its key, and see that they are used nowhere."
        yield Finding("warning", "revoked-here", f"{name} is revoked ({entry.reason}), and still lies here.", step)


def _load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(read_file(path, max_bytes=MAX_CERTIFICATE, refusal=VaultError))


def _entry(looked: _Looked, certificate: x509.Certificate) -> Entry | None:
    return looked.entries.get(certificate.fingerprint(hashes.SHA256()).hex())


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True
