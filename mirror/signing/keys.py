"""Signing keys at rest: how a private key is sealed in a file, and how it is reached by its URI.

    NAME.pem    private key: PKCS#8, encrypted, 0600, in a folder of 0700
    NAME.pub    public key: one line, for people to pass on

A URI says where the private key is; `encrypted-file:FILE` is a file in the ring's folder (`mirror.signing.ring`). The
URIs go through a table of our own and not through securesystemslib's: that one is a variable of the whole process, has
no place for a folder, and knows `file2:`, a key that lies there in clear. An HSM or a cloud's key service later is one
more line of the table.

Private keys are sealed as those of the CA (`ca.keys` says why): a line `spot-mirror-key: scrypt … salt=HEX`, and what
scrypt makes of passphrase and salt is the password of the PKCS#8 PEM below it. The keys of a folder may share a salt:
they share the passphrase already, and each PEM has a salt of its own inside.
"""

import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, Signer, SSlibKey

from ca import files
from ca.errors import PassphraseError
from ca.keys import SALT_BYTES, STRETCHING, stretch
from ca.reading import UNREADABLE
from mirror.errors import SigningError

_MAX_KEY_BYTES: Final = 8192
_SCHEME: Final = "encrypted-file"
_LOST: Final = (
    "Restore it from a copy. If there is none, put another key in its place: 'spot-mirror keys replace', or 'keys "
    "rotate' for those of the timer."
)
_HEADER: Final = f"spot-mirror-key: {STRETCHING} salt="
_SEALED: Final = re.compile(
    re.escape(_HEADER.encode()) + rb"([0-9a-f]{32})\n(-----BEGIN ENCRYPTED PRIVATE KEY-----\n.*)", re.DOTALL
)
_PUBLIC: Final = re.compile(rb"spot-mirror-public-key ([a-z0-9][a-z0-9-]{0,62}) ed25519 ([0-9a-f]{64})\n?")
_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One key: `public` (Ed25519) as 64 hexadecimal digits, `uri` of the private key; None: it is not in this ring."""

    public: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    uri: Annotated[str, msgspec.Meta(max_length=1024)] | None = None

    @property
    def verifier(self) -> SSlibKey:
        """The public key as TUF has it; its id is always computed from the key."""
        return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public)))


class Unlock:
    """PKCS#8 passwords by salt. The passphrase is asked for once, and each salt stretched once: that takes 0.4 s."""

    def __init__(self, passphrase: Callable[[], str]) -> None:
        self._ask = passphrase
        self._secret: str | None = None
        self._known: dict[bytes, bytes] = {}

    def __call__(self, salt: bytes) -> bytes:
        """The password that belongs to a salt. Raises PassphraseError."""
        if self._secret is None:
            self._secret = self._ask()
        if salt not in self._known:
            self._known[salt] = stretch(self._secret, salt)
        return self._known[salt]

    def salt(self) -> bytes:
        """The salt for a new key: one that was stretched already, if there is one."""
        return next(iter(self._known), None) or secrets.token_bytes(SALT_BYTES)


def make(folder: Path, name: str, unlock: Unlock) -> Key:
    """Make a key and write it to `folder` as `NAME.pem`; durable on return.

    Raises:
        FileExistsError: there is one.
        PassphraseError: the passphrase is missing.
    """
    private = Ed25519PrivateKey.generate()
    salt = unlock.salt()
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(unlock(salt)),
    )
    files.write_new(folder / f"{name}.pem", f"{_HEADER}{salt.hex()}\n".encode() + pem, files.PRIVATE)
    return Key(_raw(private), f"{_SCHEME}:{name}.pem")


def public_line(name: str, key: Key) -> str:
    """The line by which people pass on the public half of a key."""
    return f"spot-mirror-public-key {name} ed25519 {key.public}\n"


def read_public(path: Path) -> tuple[str, str]:
    """Name and public half (64 hexadecimal digits) of a key, from the file that holds its line.

    Raises:
        SigningError: reason `bad-public-key`.
    """
    try:
        with path.open("rb") as file:
            found = _PUBLIC.fullmatch(file.read(_MAX_KEY_BYTES))
    except OSError as error:
        raise SigningError("bad-public-key", f"The public key {path} cannot be read: {error.strerror}.") from error
    if found is None:
        raise SigningError("bad-public-key", f"{path} is no public key of 'spot-mirror keys create' (NAME.pub).")
    return found[1].decode(), found[2].decode()


def open_key(folder: Path, key: Key, unlock: Unlock) -> Signer:
    """What signs with a key.

    Raises:
        SigningError: reason `unknown-uri`, `missing-key`, `bad-mode`, `damaged-key` or `other-key`.
        PassphraseError: the passphrase is missing or wrong.
    """
    scheme, _, name = (key.uri or "").partition(":")
    opener = _OPENERS.get(scheme)
    if opener is None:
        raise SigningError("unknown-uri", f"A signing key has the address {key.uri!r}: use {_SCHEME}:NAME.")
    return opener(folder, name, key.verifier, unlock)


def _open_file(folder: Path, name: str, public: SSlibKey, unlock: Unlock) -> Signer:
    path = folder / name
    if not _FILE.fullmatch(name):
        raise SigningError("unknown-uri", f"{name!r} is not the name of a file in the folder of signing keys.")
    match = _SEALED.fullmatch(_read_private(path))
    if match is None:
        raise SigningError("damaged-key", f"{path} is no sealed signing key. {_LOST}")
    password = unlock(bytes.fromhex(match[1].decode()))
    try:
        private = serialization.load_pem_private_key(match[2], password)
    except UNREADABLE as error:
        if "password" in str(error).lower() or "decrypt" in str(error).lower():
            raise PassphraseError("wrong-passphrase", "The passphrase of the signing keys is wrong.") from error
        raise SigningError("damaged-key", f"The signing key {path} is damaged. {_LOST}") from error
    if not isinstance(private, Ed25519PrivateKey) or _raw(private) != public.keyval["public"]:
        raise SigningError("other-key", f"{path} is not the key that keys.json names. {_LOST}")
    return CryptoSigner(private, public)


def _raw(private: Ed25519PrivateKey) -> str:
    return private.public_key().public_bytes_raw().hex()


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            pem = file.read(_MAX_KEY_BYTES)
    except OSError as error:
        raise SigningError(
            "missing-key", f"The signing key {path} cannot be read: {error.strerror}. {_LOST}"
        ) from error
    if mode & 0o077:
        raise SigningError("bad-mode", f"Others may read the signing key {path} (mode {mode:o}): run chmod 600 {path}.")
    return pem


_OPENERS: Final[dict[str, Callable[[Path, str, SSlibKey, Unlock], Signer]]] = {_SCHEME: _open_file}
