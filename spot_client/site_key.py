"""The site's own key: Ed25519, made by the site, with which it signs its list of releases (`decide.site`).

The public key is PEM (SubjectPublicKeyInfo) and lies beside each installation. The private key is PKCS#8 PEM, 0600: in
clear, or encrypted under a line `spot-site-key: scrypt … salt=HEX`; scrypt makes the PKCS#8 password of passphrase and
salt, as `ca.keys` says.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ca import files, keys
from ca.errors import CaError
from spot_client.errors import RefusedLocally

_MAX_BYTES: Final = 8192
_HEADER: Final = f"spot-site-key: {keys.STRETCHING} salt="
_SEALED: Final = re.compile(
    re.escape(_HEADER.encode()) + rb"([0-9a-f]{32})\n(-----BEGIN ENCRYPTED PRIVATE KEY-----\n.*)", re.DOTALL
)
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


def new() -> Ed25519PrivateKey:
    """A fresh key, from the library's random generator."""
    return Ed25519PrivateKey.generate()


def sealed_pem(key: Ed25519PrivateKey, passphrase: str, salt: bytes) -> bytes:
    """The private key, encrypted; `salt` is `ca.keys.SALT_BYTES` random bytes."""
    encryption = serialization.BestAvailableEncryption(keys.stretch(passphrase, salt))
    return f"{_HEADER}{salt.hex()}\n".encode() + _pem(key, encryption)


def plain_pem(key: Ed25519PrivateKey) -> bytes:
    """The private key in clear."""
    return _pem(key, serialization.NoEncryption())


def public_pem(key: Ed25519PublicKey) -> bytes:
    """The public key."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_private(path: Path, passphrase: Callable[[], str]) -> Ed25519PrivateKey:
    """Read a private key; `passphrase` is asked for if it is encrypted.

    Raises:
        RefusedLocally: reason `bad-site-key` (also for a file that others may read), or `wrong-passphrase`.
    """
    raw = _read(path, private=True)
    sealed = _SEALED.fullmatch(raw)
    pem = sealed[2] if sealed else raw
    password = keys.stretch(passphrase(), bytes.fromhex(sealed[1].decode())) if sealed else None
    try:
        key = serialization.load_pem_private_key(pem, password)
    except _UNREADABLE as error:
        if sealed:
            raise RefusedLocally("wrong-passphrase", f"The passphrase of {path} is wrong, or it is damaged.") from error
        raise _bad(path, "is no private key of a site: make one with 'spot site-key'") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _bad(path, "is not an Ed25519 key: make one with 'spot site-key'")
    return key


def read_public(path: Path) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        RefusedLocally: reason `bad-site-key`.
    """
    try:
        key = serialization.load_pem_public_key(_read(path, private=False))
    except _UNREADABLE as error:
        raise _bad(path, "is no public key as PEM: give the one that 'spot site-key' wrote, FILE.pub") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _bad(path, "is not an Ed25519 key: give the one that 'spot site-key' wrote, FILE.pub")
    return key


def holds(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    """Whether a signature is that of `key` over `signed`."""
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _pem(key: Ed25519PrivateKey, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _read(path: Path, *, private: bool) -> bytes:
    try:
        return files.read_file(path, max_bytes=_MAX_BYTES, refusal=CaError, private=private)
    except CaError as error:
        raise RefusedLocally("bad-site-key", f"The site's key cannot be used. {error}") from error


def _bad(path: Path, why: str) -> RefusedLocally:
    return RefusedLocally("bad-site-key", f"{path} {why}.")
