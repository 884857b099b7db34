"""Private keys: made, and sealed with a passphrase for their rest on the disk.

A sealed key is PKCS#8 PEM, encrypted (PBES2, AES-256-CBC), under one line that says how its password comes about:

    spot-ca-key: scrypt n=131072 r=8 p=1 salt=HEX

The library's own derivation for PKCS#8 (PBKDF2 with 2,048 rounds) is weak against guessing. So the passphrase first
goes through scrypt (RFC 7914; 128 MiB and some 0.4 s a guess), and what comes out, in hex, is the PKCS#8 password.
The parameters are fixed: a file cannot ask for weaker ones, nor for all our memory. The mirror's signing keys go
through the same step (`mirror.signing.keys`).
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ca.errors import PassphraseError, VaultError
from ca.profiles import KeyType
from ca.reading import UNREADABLE

MAX_KEY: Final = 64 * 1024
"""Longest key file that is looked at, in bytes."""

SALT_BYTES: Final = 16

_N, _R, _P = 1 << 17, 8, 1  # OWASP's choice for scrypt
STRETCHING: Final = f"scrypt n={_N} r={_R} p={_P}"
"""How `stretch` computes, as a key file says it."""

_HEADER = f"spot-ca-key: {STRETCHING} salt="
_SEALED = re.compile(
    re.escape(_HEADER.encode())
    + rb"([0-9a-f]{32})\n"
    + rb"(-----BEGIN ENCRYPTED PRIVATE KEY-----\n([A-Za-z0-9+/=\n]+)\n-----END ENCRYPTED PRIVATE KEY-----\n?)"
)


def new_key(key_type: KeyType) -> CertificateIssuerPrivateKeyTypes:
    """A fresh key, from the library's random generator."""
    match key_type:
        case KeyType.RSA2048:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case KeyType.RSA3072:
            return rsa.generate_private_key(public_exponent=65537, key_size=3072)
        case KeyType.ECDSA_P256:
            return ec.generate_private_key(ec.SECP256R1())


def plain_pem(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    """PKCS#8 PEM, not encrypted: for servers and installed products, which start unattended."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def load_plain(pem: bytes) -> CertificateIssuerPrivateKeyTypes:
    """Read what `plain_pem` wrote.

    Raises:
        VaultError: reason `bad-key`.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except UNREADABLE as error:
        raise VaultError("bad-key", "This is not an unencrypted private key as PEM.") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise VaultError("bad-key", "The key is neither RSA nor ECDSA.")
    return key


def seal(key: CertificateIssuerPrivateKeyTypes, passphrase: str, salt: bytes) -> bytes:
    """Encrypt a key; `salt` is `SALT_BYTES` random bytes."""
    encryption = BestAvailableEncryption(stretch(passphrase, salt))
    return f"{_HEADER}{salt.hex()}\n".encode() + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def is_sealed(content: bytes) -> bool:
    """Whether this has the form of a sealed key, whole: all that can be said without the passphrase."""
    return _parts(content) is not None


def unseal(sealed: bytes, passphrase: str) -> CertificateIssuerPrivateKeyTypes:
    """Decrypt a key.

    Raises:
        VaultError: reason `damaged-key`, if this is no sealed key, or not a whole one.
        PassphraseError: reason `wrong-passphrase`; a damaged key that keeps its form looks the same.
    """
    parts = _parts(sealed)
    if parts is None:
        raise VaultError("damaged-key", "A key of the CA is damaged: restore it from a backup.")
    salt, pem = parts
    try:
        key = load_pem_private_key(pem, stretch(passphrase, salt))
    except UNREADABLE as error:
        raise PassphraseError("wrong-passphrase", "The passphrase is wrong (or the key is damaged).") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise VaultError("damaged-key", "A key of the CA is neither RSA nor ECDSA: restore it from a backup.")
    return key


def stretch(passphrase: str, salt: bytes) -> bytes:
    """The PKCS#8 password that a passphrase becomes (RFC 7914), in hex; `salt` is `SALT_BYTES` bytes."""
    return Scrypt(salt=salt, length=32, n=_N, r=_R, p=_P).derive(passphrase.encode()).hex().encode()


def _parts(sealed: bytes) -> tuple[bytes, bytes] | None:
    """The salt and the PEM of a sealed key; None if it lacks something, or something follows it."""
    match = _SEALED.fullmatch(sealed)
    if match is None:
        return None
    try:
        der = a2b_base64(match[3].replace(b"\n", b""), strict_mode=True)
    except Base64Error:
        return None
    return (bytes.fromhex(match[1].decode()), match[2]) if _is_one_sequence(der) else None


def _is_one_sequence(der: bytes) -> bool:
    """Whether this is a SEQUENCE of 128 to 65,535 bytes as DER (X.690 §8.1.3, §10.1), and nothing else."""
    for prefix, start, least in ((b"\x30\x81", 3, 0x80), (b"\x30\x82", 4, 0x100)):
        if der.startswith(prefix):
            length = int.from_bytes(der[2:start])
            return length >= least and len(der) == start + length
    return False
