"""A CA's folder as one encrypted file, and back: whole, or not at all.

What is in it: the ledger, copied at one moment by the database itself, certificates, CRLs, `lifetimes.toml`, and the
keys of the CA as they lie, sealed once more. Keys in `issued/`, which lie there in clear, only if they are asked for.

    4 bytes     length of what follows, big endian
    JSON        `Contents`: names, lengths and SHA-256
    contents    of those files, one after the other

all of it within `ca.sealing`. What was written is read back before it counts. A restore fills a folder under another
name, checks all of it, and then renames that.
"""

import hashlib
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from ca import strict_json
from ca.errors import CaError, JsonError, VaultError
from ca.files import PRIVATE, PUBLIC, open_ordinary, sync_folder, write_new
from ca.keys import SALT_BYTES
from ca.ledger import Ledger
from ca.profiles import ISSUING, ROOT
from ca.published import Taken, take_over
from ca.reading import UNREADABLE
from ca.sealing import seal, unseal
from ca.vault import AUTHORITIES, Vault, locked

_LEDGER: Final = "ledger.sqlite"
_PART: Final = 2**20
_MAX_CONTENTS: Final = 64 * 2**20  # bytes of JSON: some 400,000 files
_SECRETS: Final = (".key", ".bundle")
_PUBLIC: Final = (".crt", ".crl", ".toml")


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file. name: its path in the CA's folder, with slashes; length in bytes."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    length: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a backup holds. made: RFC 3339, UTC."""

    format: int = 1
    made: Annotated[str, msgspec.Meta(max_length=40)]
    realm: Annotated[str, msgspec.Meta(max_length=300)]
    files: tuple[Member, ...]


def back_up(vault: Vault, out: Path, passphrase: str, now: datetime, *, issued_keys: bool = False) -> Contents:
    """Write a backup of an open vault to `out`, which must not be there.

    Args:
        passphrase: of the backup; the CA's own, or another.
        issued_keys: also what lies in `issued/` in clear.

    Raises:
        VaultError: reason `bad-name`, for a file whose name cannot be taken along; `too-large`; or of the ledger.
        OSError: there is something under that name already, the disk is full, and so on; nothing was written.
    """
    copied = vault.folder / f".{_LEDGER}.part"
    copied.unlink(missing_ok=True)  # of a killed run
    try:
        vault.ledger.copy(copied)
        found = {_LEDGER: copied, **dict(_files(vault.folder, issued_keys=issued_keys))}
        members = tuple(_member(name, path) for name, path in found.items())
        made = Contents(made=f"{now:%Y-%m-%dT%H:%M:%SZ}", realm=vault.realm, files=members)
        write_new(out, seal(_stream(made, found.values()), passphrase, secrets.token_bytes(SALT_BYTES)), PRIVATE)
    finally:
        copied.unlink(missing_ok=True)
    try:
        verify(out, passphrase)  # a file may have changed while it was read, and a disk may lie
    except CaError:
        out.unlink()
        raise
    return made


def verify(file: Path, passphrase: str) -> Contents:
    """Read a backup to its end, and hold all of it to what it says.

    Args:
        passphrase: of the backup.

    Raises:
        VaultError: reason `not-a-backup`, `too-new`, `damaged-backup` or `unreadable-file`.
        PassphraseError: reason `wrong-passphrase`.
    """
    return _read(file, passphrase, lambda _, parts: all(part is not None for part in parts))


def restore(
    file: Path,
    folder: Path,
    *,
    backup_passphrase: str,
    passphrase: str,
    crl: bytes | None,
    issuing_key: Path | None = None,
) -> tuple[Contents, Taken | None]:
    """Lay a backup out as the new folder of the CA, which appears whole or not at all.

    Args:
        passphrase: of the CA's keys: each is tried.
        crl: the newest CRL of the issuing CA that mirrors have; what it revokes stays revoked.
        issuing_key: as `ca.vault.Vault` has it; one that lies elsewhere is in no backup.

    Raises:
        VaultError: reason `exists`, `not-a-backup`, `too-new`, `damaged-backup`, `unreadable-file`; or as the parts of
            the CA say.
        PassphraseError: reason `wrong-passphrase`. RevocationError: of `crl`.
        OSError: the disk is full, and so on. In all of these cases nothing is left.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f".{folder.name}.lock")):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise VaultError("exists", f"There is something in {folder} already: move it away, or name another folder.")
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)  # of a killed run
        part.mkdir(mode=0o700)
        try:
            contents = _unpack(file, part, backup_passphrase)
            taken = _check(part, passphrase, crl, issuing_key)
            part.rename(folder)
        except BaseException:
            shutil.rmtree(part)
            raise
        sync_folder(folder.parent)
    return contents, taken


def _files(folder: Path, *, issued_keys: bool) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        passing = path.name.startswith(_LEDGER) or path.name == ".lock" or path.name.endswith(".part")
        secret = name.startswith("issued/") and path.name.endswith(_SECRETS)
        if passing or not path.is_file() or (secret and not issued_keys):
            continue
        if not _is_inside(name):
            raise VaultError("bad-name", f"{path} has a name that a backup does not take along: rename it.")
        yield name, path


def _is_inside(name: str) -> bool:
    """Whether a name leads to somewhere in the folder, and no terminal obeys it."""
    segments = name.split("/")
    return name.isprintable() and len(name) <= 1000 and not {"", ".", ".."} & set(segments)


def _member(name: str, path: Path) -> Member:
    digest, length = hashlib.sha256(), 0
    for part in _parts(path):
        digest.update(part)
        length += len(part)
    return Member(name, length, digest.hexdigest())


def _parts(path: Path) -> Iterator[bytes]:
    with open_ordinary(path) as file:
        while part := file.read(_PART):
            yield part


def _stream(contents: Contents, paths: Iterable[Path]) -> Iterator[bytes]:
    raw = strict_json.encode(contents)
    yield len(raw).to_bytes(4)
    yield raw
    for path in paths:
        yield from _parts(path)


class _Reader:
    """A stream of parts, read in lengths of one's own."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._held = b""

    def take(self, length: int) -> Iterator[bytes]:
        """So many bytes, in parts as they come.

        Raises:
            VaultError: reason `damaged-backup`, if there are fewer.
        """
        while length:
            if not self._held:
                self._held = next(self._parts, b"")
            if not self._held:
                raise VaultError("damaged-backup", "The backup holds less than it says: use another one.")
            part, self._held = self._held[:length], self._held[length:]
            length -= len(part)
            yield part

    def finish(self) -> None:
        """See to it that nothing is left, and so that the stream is whole.

        Raises:
            VaultError: reason `damaged-backup`.
        """
        if self._held or any(self._parts):
            raise VaultError("damaged-backup", "The backup holds more than it says: use another one.")


def _unpack(file: Path, folder: Path, passphrase: str) -> Contents:
    for name in ("crl", "issued"):
        (folder / name).mkdir(mode=0o700)

    def write(name: str, parts: Iterator[bytes]) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_new(folder / name, parts, PUBLIC if name.endswith(_PUBLIC) else PRIVATE)

    return _read(file, passphrase, write)


def _read(path: Path, passphrase: str, take: Callable[[str, Iterator[bytes]], object]) -> Contents:
    """Give each file to `take`, by its name; when this returns, all of them are as they were."""
    try:
        file = open_ordinary(path)
    except OSError as error:
        raise VaultError("unreadable-file", f"The backup {path} cannot be read: {error.strerror}.") from error
    with file:
        reader = _Reader(unseal(file, passphrase))
        contents = _contents(reader)
        for member in contents.files:
            take(member.name, _checked(member, reader.take(member.length)))
        reader.finish()
    return contents


def _checked(member: Member, parts: Iterator[bytes]) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
        yield part
    if digest.hexdigest() != member.sha256:
        raise VaultError("damaged-backup", f"{member.name} in the backup is not what it was: use another backup.")


def _contents(reader: _Reader) -> Contents:
    length = int.from_bytes(b"".join(reader.take(4)))
    if length > _MAX_CONTENTS:
        raise VaultError("damaged-backup", f"The backup's table of contents has {length} bytes, more than any may.")
    try:
        found = strict_json.decode(b"".join(reader.take(length)), Contents, max_bytes=_MAX_CONTENTS)
    except JsonError as error:
        raise VaultError("damaged-backup", f"The backup's table of contents cannot be read: {error}") from error
    if found.format != 1 or not all(_is_inside(member.name) for member in found.files):
        raise VaultError("damaged-backup", "The backup names files that are none of a CA: use another one.")
    return found


def _check(folder: Path, passphrase: str, crl: bytes | None, issuing_key: Path | None) -> Taken | None:
    """Hold the parts of a CA against one another, and take over what was published since."""
    with Ledger(folder / _LEDGER) as ledger:
        vault = Vault(folder, ledger, issuing_key)
        root, issuing = (vault.certificate(authority) for authority in AUTHORITIES)
        try:
            issuing.verify_directly_issued_by(root)
        except (InvalidSignature, *UNREADABLE) as error:
            raise VaultError("damaged-backup", "issuing.crt in the backup was not signed by its root.crt.") from error
        _check_recorded(ledger, (root, issuing))
        for authority in AUTHORITIES:
            if authority == ISSUING.name or vault.has_key(authority):
                vault.unlock(authority, passphrase)
        if crl is None:
            return None
        return take_over(ledger, crl, issuing, vault.crl_path(ISSUING.name))


def _check_recorded(ledger: Ledger, authorities: Iterable[x509.Certificate]) -> None:
    known = {entry.fingerprint for entry in ledger.entries()}
    for authority in authorities:
        if authority.fingerprint(hashes.SHA256()).hex() not in known:
            raise VaultError("damaged-backup", f"The backup's ledger does not know its own {ROOT.name} or issuing CA.")
