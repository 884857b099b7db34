"""A ring of signing keys: names in a folder, of keys that are here and of keys that are not.

    KEYS/keys.json    name → public key (Ed25519, 64 hexadecimal digits) and the URI of the private key, if it is here
    KEYS/NAME.pem     private keys (`mirror.signing.keys`)

`keys.json` holds no secret. Which key signs for which role is not said here but in the catalogue, where it is signed
itself. Names are for people and never leave the vendor. One key has one name, so no signature counts for two people.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from securesystemslib.signer import Signer

from ca import files
from ca.identity import ID_PATTERN
from mirror.blobs import make_folder
from mirror.errors import SigningError
from mirror.signing import keys
from mirror.signing.keys import Key, Unlock
from spot_client.wire import document
from spot_client.wire.errors import FormatError

_MAX_BYTES: Final = 2**20
_DAMAGED: Final = (
    "Restore it from a copy; or move it away and begin it anew: 'spot-mirror keys add' takes each public key again, "
    "and 'keys rotate' makes new ones for the timer."
)


class _Table(document.Document, frozen=True):
    keys: dict[str, Key]


class Ring:
    """The keys in a folder. `passphrase` is asked for once, when the first private key is opened or made."""

    def __init__(self, folder: Path, known: dict[str, Key], passphrase: Callable[[], str]) -> None:
        self.folder = folder
        self.keys = known
        self._unlock = Unlock(passphrase)
        self._signers: dict[str, Signer] = {}
        self._joined: dict[str, Ring] = {}
        self._heard: set[str] = set()

    def name(self, keyid: str) -> str | None:
        """The name of the key with this TUF key id, if it is known here."""
        return next((name for name, key in self.keys.items() if key.verifier.keyid == keyid), None)

    def held(self) -> tuple[str, ...]:
        """The names of the keys whose private half is here."""
        return tuple(name for name, key in self.keys.items() if key.uri is not None or key.public in self._joined)

    def join(self, other: "Ring") -> None:
        """Sign with the private keys of another ring, too, under the names that they have here, if they have one."""
        for name in other.held():
            public = other.key(name).public
            if name not in self.keys:
                self._hear(name, public)
            self.hear({name: public})
            self._joined[public] = other

    def key(self, name: str) -> Key:
        """The key of that name. Raises SigningError: reason `no-key`."""
        try:
            return self.keys[name]
        except KeyError as error:
            known = ", ".join(sorted(self.keys)) or "none"
            what = f"{self.folder} knows no key {name!r} (known: {known})."
            raise SigningError("no-key", f"{what} 'keys add NAME.pub' makes one known.") from error

    def signer(self, name: str) -> Signer:
        """What signs with the key of that name.

        Raises:
            SigningError: reason `no-key`, `not-here`, or as `keys.open_key`.
            PassphraseError: the passphrase is missing or wrong.
        """
        key = self.key(name)
        other = self._joined.get(key.public)
        if other is not None:
            return other.signer(next(known for known, one in other.keys.items() if one.public == key.public))
        if key.uri is None:
            raise SigningError("not-here", f"The private key of {name} is not in {self.folder}: sign where it lies.")
        if name not in self._signers:
            self._signers[name] = keys.open_key(self.folder, key, self._unlock)
        return self._signers[name]

    def hear(self, names: Mapping[str, str]) -> None:
        """Take names of public keys that are not known here, for people to read: with the key's beginning beside each.

        They are said by somebody else, and so never written down.
        """
        for name, public in names.items():
            if not ID_PATTERN.fullmatch(name):  # it might be made to look like more than a name
                continue
            self._hear(f"{name[:63]} (public key {public[:16]}...)", public)

    def unlock_all(self) -> None:
        """Open every private key that is here: what is wrong with one shows now. Raises as `signer`."""
        for name in self.held():
            self.signer(name)

    def refresh(self) -> None:
        """Know the keys that were made in the folder since. Raises SigningError: as `read`."""
        self.keys = _read_table(self.folder)

    def create(self, name: str) -> Key:
        """Make a key; on disk before this returns.

        Raises:
            SigningError: reason `bad-key-name` or `key-exists`.
            PassphraseError: the passphrase is missing.
        """
        self._check_new(name)
        self._set_aside(self.folder / f"{name}.pem")
        made = keys.make(self.folder, name, self._unlock)
        self._add(name, made)
        return made

    def add(self, name: str, public: str) -> None:
        """Know the public half of a key whose private half is elsewhere; the same again is no error.

        Raises:
            SigningError: reason `bad-key-name` or `key-exists`.
        """
        if name in self.keys and self.keys[name].public == public:
            return
        self._check_new(name)
        other = next((known for known, key in self.keys.items() if key.public == public), None)
        if other is not None:
            raise SigningError("key-exists", f"This key is known already, as {other}: one key has one name.")
        self._add(name, Key(public))

    def _set_aside(self, path: Path) -> None:
        """A private key that keys.json does not know: a run was killed in between, or keys.json was lost. It stays."""
        number = 1
        while (other := path.with_name(f"{path.name}.{number}")).exists():
            number += 1
        if path.exists():
            path.rename(other)

    def _check_new(self, name: str) -> None:
        if not ID_PATTERN.fullmatch(name):
            raise SigningError(
                "bad-key-name", f"{name[:80]!r} cannot be the name of a key: use lower-case letters, digits, hyphens."
            )
        if name in self.keys:
            raise SigningError("key-exists", f"{self.folder} has a key {name} already: choose another name.")

    def _hear(self, name: str, public: str) -> None:
        if public not in {key.public for key in self.keys.values()}:
            self.keys[name] = Key(public)
            self._heard.add(name)

    def _add(self, name: str, key: Key) -> None:
        self.keys[name] = key
        own = {known: one for known, one in self.keys.items() if known not in self._heard}
        files.replace(self.folder / "keys.json", document.encode(_Table(keys=own)), files.PRIVATE)


def create(folder: Path, names: tuple[str, ...], passphrase: Callable[[], str]) -> Ring:
    """Make the new folder `folder` with a key of each name.

    Raises:
        FileExistsError: there is something of that name.
        SigningError, PassphraseError: as `Ring.create`.
    """
    make_folder(folder.parent)
    folder.mkdir(mode=0o700)
    files.sync_folder(folder.parent)
    ring = Ring(folder, {}, passphrase)
    files.replace(folder / "keys.json", document.encode(_Table(keys={})), files.PRIVATE)
    for name in names:
        ring.create(name)
    return ring


def read(folder: Path, passphrase: Callable[[], str]) -> Ring:
    """Read which keys there are; no private key is opened yet.

    Raises:
        SigningError: reason `no-keys` (no folder, or no keys.json) or `bad-keys` (it breaks a rule).
    """
    return Ring(folder, _read_table(folder), passphrase)


def read_or_new(folder: Path, passphrase: Callable[[], str]) -> Ring:
    """The keys in a folder, or a ring without keys where there is no keys.json; it is written with the first key.

    Raises:
        SigningError: reason `bad-keys`.
    """
    if (folder / "keys.json").exists():
        return read(folder, passphrase)
    make_folder(folder)
    return Ring(folder, {}, passphrase)


def _read_table(folder: Path) -> dict[str, Key]:
    path = folder / "keys.json"
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        table = document.decode(raw, _Table, max_bytes=_MAX_BYTES, what=str(path))
    except OSError as error:
        hint = "Correct 'keys' under [publishing] in mirror.toml; where they are lost, 'keys add' begins them anew."
        raise SigningError("no-keys", f"The signing keys {path} cannot be read: {error.strerror}. {hint}") from error
    except FormatError as error:
        raise SigningError("bad-keys", f"{path}: {error} {_DAMAGED}") from error
    _check(path, table.keys)
    return dict(table.keys)


def _check(path: Path, known: dict[str, Key]) -> None:
    for name in known:
        if not ID_PATTERN.fullmatch(name):
            raise SigningError("bad-keys", f"{path}: {name[:80]!r} cannot be the name of a key.")
    if len({key.public for key in known.values()}) != len(known):
        raise SigningError("bad-keys", f"{path} has the same key under two names.")
