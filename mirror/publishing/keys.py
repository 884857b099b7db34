"""Signing keys: which keys sign for which role, and how to reach them.

    KEYS/keys.json      role → threshold and keys, each a public key (Ed25519, 64 hexadecimal digits) and a URI
    KEYS/ROLE-….pem     private keys: PKCS#8, encrypted, 0600, in a folder of 0700

`keys.json` holds no secret, so people may edit it: N keys and a threshold for each role. A URI says where the private
key is; `encrypted-file:NAME` is a file in this folder. The URIs go through a table of our own and not through
securesystemslib's: that one is a variable of the whole process, has no place for a folder, and knows `file2:`, a key
that lies there in clear. An HSM or a cloud's key service later is one more line of the table.

Private keys are sealed as those of the CA (`ca.keys` says why): a line `spot-mirror-key: scrypt … salt=HEX`, and what
scrypt makes of passphrase and salt is the password of the PKCS#8 PEM below it. The keys of a folder may share a salt:
they share the passphrase already, and each PEM has a salt of its own inside.

A key id is always computed from the key, and one key counts once for a role, so no key ever signs for two.
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

from ca import files, strict_json
from ca.errors import JsonError, PassphraseError
from ca.identity import ID_PATTERN
from ca.keys import SALT_BYTES, STRETCHING, stretch
from ca.reading import UNREADABLE
from mirror.blobs import make_folder
from mirror.errors import SigningError
from spot_client.wire import document

_MAX_BYTES: Final = 2**20
_MAX_KEY_BYTES: Final = 8192
_SCHEME: Final = "encrypted-file"
_HEADER: Final = f"spot-mirror-key: {STRETCHING} salt="
_SEALED: Final = re.compile(
    re.escape(_HEADER.encode()) + rb"([0-9a-f]{32})\n(-----BEGIN ENCRYPTED PRIVATE KEY-----\n.*)", re.DOTALL
)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key: `public` as 64 hexadecimal digits, `uri` of the private key."""

    public: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    uri: Annotated[str, msgspec.Meta(max_length=1024)]


class RoleKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of a role, and how many of them have to sign."""

    threshold: Annotated[int, msgspec.Meta(ge=1, le=16)]
    keys: Annotated[tuple[Key, ...], msgspec.Meta(min_length=1, max_length=16)]


class _Table(document.Document, frozen=True):
    roles: dict[str, RoleKeys]


class _Unlock:
    """PKCS#8 passwords by salt. The passphrase is asked for once, and each salt stretched once: that takes 0.4 s."""

    def __init__(self, passphrase: Callable[[], str]) -> None:
        self._ask = passphrase
        self._secret: str | None = None
        self._known: dict[bytes, bytes] = {}

    def __call__(self, salt: bytes) -> bytes:
        if self._secret is None:
            self._secret = self._ask()
        if salt not in self._known:
            self._known[salt] = stretch(self._secret, salt)
        return self._known[salt]

    def salt(self) -> bytes:
        """The salt for a new key: one that was stretched already, if there is one."""
        return next(iter(self._known), None) or secrets.token_bytes(SALT_BYTES)


class Ring:
    """The keys in a folder. `passphrase` is asked for once, when the first private key is opened."""

    def __init__(self, folder: Path, roles: dict[str, RoleKeys], passphrase: Callable[[], str]) -> None:
        self.roles = roles
        self._folder = folder
        self._unlock = _Unlock(passphrase)

    def public(self, role: str) -> list[SSlibKey]:
        """The public keys of a role.

        Raises:
            SigningError: reason `no-role`.
        """
        return [_public(key) for key in self._role(role).keys]

    def threshold(self, role: str) -> int:
        """How many keys have to sign for a role. Raises SigningError, reason `no-role`."""
        return self._role(role).threshold

    def signers(self, role: str) -> list[Signer]:
        """What signs for a role, one signer a key.

        Raises:
            SigningError: reason `no-role`, `unknown-uri`, `missing-key`, `bad-mode`, `damaged-key` or `other-key`.
            PassphraseError: the passphrase is missing or wrong.
        """
        return [_open(self._folder, key, self._unlock) for key in self._role(role).keys]

    def add(self, role: str) -> None:
        """Make a key for a role that has none yet; on disk before this returns."""
        if role not in self.roles:
            self.roles[role] = RoleKeys(1, (_make(self._folder, role, self._unlock),))
            _save(self._folder, self.roles)

    def _role(self, role: str) -> RoleKeys:
        try:
            return self.roles[role]
        except KeyError as error:
            raise SigningError(
                "no-role", f"There are no signing keys for {role} in {self._folder}: restore its keys.json."
            ) from error


def create(folder: Path, roles: tuple[str, ...], passphrase: Callable[[], str]) -> Ring:
    """Make the new folder `folder` with one key for each role.

    Raises:
        FileExistsError: there is something of that name.
    """
    make_folder(folder.parent)
    folder.mkdir(mode=0o700)
    files.sync_folder(folder.parent)
    ring = Ring(folder, {}, passphrase)
    for role in roles:
        ring.add(role)
    return ring


def read(folder: Path, passphrase: Callable[[], str]) -> Ring:
    """Read which keys there are; no private key is opened yet.

    Raises:
        SigningError: reason `no-keys` (no folder, or no keys.json) or `bad-keys` (it breaks a rule).
    """
    path = folder / "keys.json"
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        table = strict_json.decode(raw, _Table, max_bytes=_MAX_BYTES, canonical=False)
    except OSError as error:
        hint = "Name the folder of signing keys as 'keys' under [publishing] in mirror.toml."
        raise SigningError("no-keys", f"The signing keys {path} cannot be read: {error.strerror}. {hint}") from error
    except JsonError as error:
        raise SigningError("bad-keys", f"{path}: {error} Restore it from a backup.") from error
    for role, line in table.roles.items():
        _check(path, role, line)
    return Ring(folder, dict(table.roles), passphrase)


def _check(path: Path, role: str, line: RoleKeys) -> None:
    if not ID_PATTERN.fullmatch(role):
        raise SigningError("bad-keys", f"{path}: {role[:80]!r} cannot be the name of a role.")
    if len({key.public for key in line.keys}) != len(line.keys):
        raise SigningError("bad-keys", f"{path}: the role {role} has the same key twice.")
    if line.threshold > len(line.keys):
        raise SigningError("bad-keys", f"{path}: the role {role} needs {line.threshold} keys and has {len(line.keys)}.")


def _save(folder: Path, roles: dict[str, RoleKeys]) -> None:
    files.replace(folder / "keys.json", document.encode(_Table(roles=roles)), files.PRIVATE)


def _make(folder: Path, role: str, unlock: _Unlock) -> Key:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw().hex()
    name = f"{role}-{public[:16]}.pem"
    salt = unlock.salt()
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(unlock(salt)),
    )
    files.write_new(folder / name, f"{_HEADER}{salt.hex()}\n".encode() + pem, files.PRIVATE)
    return Key(public, f"{_SCHEME}:{name}")


def _public(key: Key) -> SSlibKey:
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public)))


def _open(folder: Path, key: Key, unlock: _Unlock) -> Signer:
    scheme, _, name = key.uri.partition(":")
    opener = _OPENERS.get(scheme)
    if opener is None:
        raise SigningError("unknown-uri", f"A signing key has the address {key.uri!r}: use {_SCHEME}:NAME.")
    return opener(folder, name, _public(key), unlock)


def _open_file(folder: Path, name: str, public: SSlibKey, unlock: _Unlock) -> Signer:
    path = folder / name
    if not _NAME.fullmatch(name):
        raise SigningError("unknown-uri", f"{name!r} is not the name of a file in the folder of signing keys.")
    match = _SEALED.fullmatch(_read_private(path))
    if match is None:
        raise SigningError("damaged-key", f"{path} is no sealed signing key: restore it from a backup.")
    password = unlock(bytes.fromhex(match[1].decode()))
    try:
        private = serialization.load_pem_private_key(match[2], password)
    except UNREADABLE as error:
        if "password" in str(error).lower() or "decrypt" in str(error).lower():
            raise PassphraseError("wrong-passphrase", "The passphrase of the signing keys is wrong.") from error
        raise SigningError("damaged-key", f"The signing key {path} is damaged: restore it from a backup.") from error
    if not isinstance(private, Ed25519PrivateKey) or _raw(private) != public.keyval["public"]:
        raise SigningError("other-key", f"{path} is not the key that keys.json names: restore it from a backup.")
    return CryptoSigner(private, public)


def _raw(private: Ed25519PrivateKey) -> str:
    return private.public_key().public_bytes_raw().hex()


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            pem = file.read(_MAX_KEY_BYTES)
    except OSError as error:
        raise SigningError("missing-key", f"The signing key {path} cannot be read: {error.strerror}.") from error
    if mode & 0o077:
        raise SigningError("bad-mode", f"Others may read the signing key {path} (mode {mode:o}): run chmod 600 {path}.")
    return pem


_OPENERS: Final[dict[str, Callable[[Path, str, SSlibKey, _Unlock], Signer]]] = {_SCHEME: _open_file}
