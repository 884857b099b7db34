"""A CA comes into being: root, issuing CA, the first CRL of each, and the ledger that knows of them.

Whole or not at all: a folder is filled under another name, and then renamed. What a killed run left under that name is
removed by the next.
"""

import secrets
import shutil
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from ca.errors import VaultError
from ca.files import PRIVATE, sync_folder, write_new
from ca.identity import check_realm
from ca.issue import Issuer
from ca.keys import SALT_BYTES, new_key, seal
from ca.ledger import Ledger
from ca.profiles import ISSUING, ROOT, KeyType
from ca.subjects import Authority
from ca.vault import Vault, locked


def create_vault(
    folder: Path, realm: str, now: datetime, *, key_type: KeyType, passphrase: str, lifetimes: bytes
) -> None:
    """Make a root, an issuing CA and the first CRL of each, in a folder that is not there yet or empty.

    Args:
        lifetimes: what `lifetimes.toml` is to hold; the new CA's own certificates go by it already.

    Raises:
        VaultError: reason `exists`, `locked` or `bad-lifetimes`. IdentityError: reason `bad-realm`.
        OSError: the disk is full, and so on. Nothing is left in `folder` in any of these cases.
    """
    check_realm(realm)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f".{folder.name}.lock")):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise VaultError("exists", f"There is something in {folder} already: name another folder with --dir.")
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)  # of a killed run
        part.mkdir(mode=0o700)
        try:
            _fill(part, realm, now, key_type=key_type, passphrase=passphrase, lifetimes=lifetimes)
            part.rename(folder)
        except BaseException:
            shutil.rmtree(part)
            raise
        sync_folder(folder.parent)


def _fill(folder: Path, realm: str, now: datetime, *, key_type: KeyType, passphrase: str, lifetimes: bytes) -> None:
    write_new(folder / "lifetimes.toml", lifetimes)
    for name in ("crl", "issued"):
        (folder / name).mkdir(mode=0o700)
    with Ledger(folder / "ledger.sqlite", create=True) as ledger:
        (folder / "ledger.sqlite").chmod(PRIVATE)
        vault = Vault(folder, ledger)
        root_profile, issuing_profile = vault.lifetimes.applied(ROOT), vault.lifetimes.applied(ISSUING)
        root_key, issuing_key = new_key(key_type), new_key(key_type)
        root = vault.issue(Authority(realm), root_key.public_key(), root_profile, Issuer(root_key, None), now)
        signer = Issuer(root_key, root)
        issuing = vault.issue(Authority(realm), issuing_key.public_key(), issuing_profile, signer, now)
        for profile, key, certificate in ((ROOT, root_key, root), (ISSUING, issuing_key, issuing)):
            _write_authority(folder, profile.name, key, certificate, passphrase)
            vault.sign_crl(profile.name, Issuer(key, certificate), now)


def _write_authority(
    folder: Path, name: str, key: CertificateIssuerPrivateKeyTypes, certificate: x509.Certificate, passphrase: str
) -> None:
    write_new(folder / f"{name}.key", seal(key, passphrase, secrets.token_bytes(SALT_BYTES)), PRIVATE)
    write_new(folder / f"{name}.crt", certificate.public_bytes(Encoding.PEM))
