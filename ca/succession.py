"""A CA gets a successor: first it is made and lies beside the one in use, later it takes its place.

Two steps, because mirrors have to know an issuing CA before its leaves come to them. Between the two the successor
signs nothing but its revocation list.

`prepare` writes key, ledger, certificate, list, in this order; killed between any two, the same command goes on with
that key. `activate` copies the one in use to its name as a former one, and then moves the successor's certificate over
it: with that one rename it is in use. What comes after, its key and its list, is found under both names until it has
been moved, by `Vault.unlock` or by the same command. So at any moment there is one CA in use, whose key is there.
"""

import secrets
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from ca.authorities import former, successor
from ca.entry import certificate_of
from ca.errors import IssueError, RevocationError, VaultError
from ca.files import PRIVATE, PUBLIC, read_file, replace, sync_folder, write_new
from ca.issue import Issuer
from ca.keys import MAX_KEY, SALT_BYTES, new_key, seal, unseal
from ca.listing import is_authority
from ca.profiles import ISSUING, ROOT, KeyType, Profile
from ca.revocation import MAX_CRL, read_crl
from ca.subjects import Authority
from ca.vault import MAX_CERTIFICATE, Vault

_NEXT_ROOT, _NEXT_ISSUING = successor(ROOT.name), successor(ISSUING.name)


def check_can_prepare(vault: Vault, kind: str) -> None:
    """Refuse to make a successor of `root` or `issuing` where it cannot be: nobody has to be asked for a passphrase.

    Raises:
        IssueError: reason `other-rotation`, or `root-key-away`.
    """
    has_root = any(path.exists() for path in (_crt(vault, _NEXT_ROOT), vault.key_path(_NEXT_ROOT)))
    has_issuing = any(path.exists() for path in (_crt(vault, _NEXT_ISSUING), vault.key_path(_NEXT_ISSUING)))
    if kind == ISSUING.name and has_root:
        step = "Go on with spot-ca rotate root, then spot-ca rotate activate."
        raise IssueError("other-rotation", f"A new root is under way, with an issuing CA of its own. {step}")
    if kind == ROOT.name and has_issuing and not has_root:
        step = "Run spot-ca rotate activate first."
        raise IssueError("other-rotation", f"A new issuing CA of the old root is under way. {step}")
    if kind == ISSUING.name and not is_prepared(vault) and not vault.has_key(ROOT.name):
        step = f"Bring it back to {vault.key_path(ROOT.name)} for this, and take it away again."
        raise IssueError("root-key-away", f"The root signs a new issuing CA, and its key is not here. {step}")


def is_prepared(vault: Vault) -> bool:
    """Whether there is a successor, whole."""
    return _crt(vault, _NEXT_ISSUING).exists() and vault.crl_path(_NEXT_ISSUING).exists()


def prepare(vault: Vault, kind: str, passphrase: str, now: datetime, *, key_type: KeyType) -> bool:
    """Make the successor of `issuing`; or that of `root`, with an issuing CA under it. False if there is one already.

    Raises:
        IssueError: as `check_can_prepare`, or `ca.issue.issue`.
        VaultError: as `Vault.unlock` and `Vault.issue`. OSError: the disk is full, and so on. The same call goes on.
    """
    _finish(vault, passphrase, now)
    check_can_prepare(vault, kind)
    if is_prepared(vault):
        return False
    making = _Making(vault, passphrase, now, key_type)
    root = _make(making, _NEXT_ROOT, ROOT, None) if kind == ROOT.name else vault.unlock(ROOT.name, passphrase)
    _make(making, _NEXT_ISSUING, ISSUING, root)
    return True


def activate(vault: Vault, passphrase: str, now: datetime) -> bool:
    """Put the successor, a root as well if there is one, in the place of the one in use. False: it was there already,
    and only the rest of an interrupted run was done.

    Raises:
        IssueError: reason `no-successor`.
        VaultError: as `Vault.unlock`; nothing was changed. OSError: the same call goes on.
    """
    finished = _finish(vault, passphrase, now)
    if not is_prepared(vault):
        if finished:
            return False
        raise IssueError("no-successor", "There is no successor: make one with spot-ca rotate issuing or rotate root.")
    vault.unlock(_NEXT_ISSUING, passphrase)
    vault.unlock(ISSUING.name, passphrase)  # its own lists are still to be signed: it is not put aside without its key
    for kind in (ROOT.name, ISSUING.name):
        if _crt(vault, successor(kind)).exists():
            _put_aside(vault, kind)
            _move(_crt(vault, successor(kind)), _crt(vault, kind))
            _finish(vault, passphrase, now)
    return True


class _Making(msgspec.Struct, frozen=True):
    """What all successors of a run have in common."""

    vault: Vault
    passphrase: str
    now: datetime
    key_type: KeyType


def _make(making: _Making, name: str, profile: Profile, signer: Issuer | None) -> Issuer:
    """A successor, made or completed. `signer`: None for a root, which signs itself."""
    vault, now = making.vault, making.now
    key_path, path = vault.key_path(name), _crt(vault, name)
    if key_path.exists():
        sealed = read_file(key_path, max_bytes=MAX_KEY, refusal=VaultError, private=True)
        key = unseal(sealed, making.passphrase)
    else:
        key = new_key(making.key_type)
        write_new(key_path, seal(key, making.passphrase, secrets.token_bytes(SALT_BYTES)), PRIVATE)
    if not path.exists():
        certificate = _recorded(vault, key) or vault.issue(
            Authority(vault.realm), key.public_key(), vault.chosen(profile, None, now), signer or Issuer(key, None), now
        )
        write_new(path, certificate.public_bytes(Encoding.PEM))
    made = vault.unlock(name, making.passphrase)
    if not vault.crl_path(name).exists():
        vault.sign_crl(name, made, now)
    return made


def _recorded(vault: Vault, key: CertificateIssuerPrivateKeyTypes) -> x509.Certificate | None:
    """What a run that was killed had signed for this key."""
    certificates = (certificate_of(entry) for entry in vault.ledger.entries() if is_authority(entry))
    return next((one for one in certificates if one.public_key() == key.public_key()), None)


def _put_aside(vault: Vault, kind: str) -> None:
    """Copy the one in use to its name as a former one. Its key may lie offline, if it is a root's."""
    name = former(kind, vault.certificate(kind))
    key_path = vault.key_path(kind)
    if key_path.exists():
        key = read_file(key_path, max_bytes=MAX_KEY, refusal=VaultError, private=True)
        replace(vault.key_path(name), key, PRIVATE)
    if vault.crl_path(kind).exists():
        replace(vault.crl_path(name), read_file(vault.crl_path(kind), max_bytes=MAX_CRL, refusal=VaultError), PUBLIC)
    replace(_crt(vault, name), read_file(_crt(vault, kind), max_bytes=MAX_CERTIFICATE, refusal=VaultError), PUBLIC)


def _finish(vault: Vault, passphrase: str, now: datetime) -> bool:
    """Give key and list of a successor that is in use by now their names; whether there was something to do."""
    done = [_finish_one(vault, kind, passphrase, now) for kind in (ROOT.name, ISSUING.name)]
    return any(done)


def _finish_one(vault: Vault, kind: str, passphrase: str, now: datetime) -> bool:
    name = successor(kind)
    key_path, crl_path = vault.key_path(name), vault.crl_path(name)
    if _crt(vault, name).exists():
        return False
    done = False
    if crl_path.exists():
        if _is_of(vault, kind, vault.crl_path(kind), now):
            crl_path.unlink()  # a newer one was signed meanwhile
        else:
            _move(crl_path, vault.crl_path(kind))
        done = True
    if key_path.exists():
        sealed = read_file(key_path, max_bytes=MAX_KEY, refusal=VaultError, private=True)
        if unseal(sealed, passphrase).public_key() == vault.certificate(kind).public_key():
            _move(key_path, vault.key_path(kind))
            done = True
    return done


def _is_of(vault: Vault, kind: str, path: Path, now: datetime) -> bool:
    try:
        raw = read_file(path, max_bytes=MAX_CRL, refusal=RevocationError)
        read_crl(raw, vault.certificate(kind), now=now, previous=None)
    except RevocationError:
        return False
    return True


def _crt(vault: Vault, name: str) -> Path:
    return vault.folder / f"{name}.crt"


def _move(source: Path, target: Path) -> None:
    source.rename(target)
    sync_folder(target.parent)
