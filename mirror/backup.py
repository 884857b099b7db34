"""Backups of a mirror that runs: one consistent set of files in a folder, added to by each later backup.

    backup.json       what belongs to the backup; replaced last, so the one before stays whole until then
    files/SHA-256     by content: the catalogue and what waits, mirror.toml, and the records (customers, licences,
                      installations, thin snapshots), copied by the database itself
    releases/…        manifests and packs, which never change: only new ones are copied

Private keys are in no backup: who holds one keeps copies of it. Certificates and lists of the CA come from the CA.
"""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

from ca import files
from mirror import catalogue
from mirror.blobs import Blobs, LocalBlobs, make_folder
from mirror.catalogue import Catalogue
from mirror.errors import BackupError, BlobFault
from mirror.place import Place
from mirror.records.sqlite import FILE_NAME
from mirror.signing import proposal
from mirror.signing.switch import changing
from spot_client.wire import document
from spot_client.wire.digest import sha256_hex
from spot_client.wire.errors import FormatError
from spot_client.wire.index import Moment

NAME: Final = "backup.json"
_FILES: Final = "files"
_CONFIG: Final = "mirror.toml"
_MAX_BYTES: Final = 256 * 2**20
_PIECE: Final = 2**20

Progress = Callable[[str, int, int], None]
"""Told what is going on, bytes done, and bytes in all."""


class Backup(document.Document, frozen=True):
    """`version`: of the catalogue; `files`: SHA-256 by name; `blobs`: length by key."""

    made: Moment
    version: int
    files: dict[str, str]
    blobs: dict[str, int]


def backup(place: Place, config: Path, folder: Path, now: datetime, progress: Progress) -> Backup:
    """Bring the backup in `folder` up to date; the last one there stays whole until the new one is.

    Raises:
        BackupError: reason `io` or `other-folder` (it holds something else).
        Busy, CatalogueFault, BlobFault: as they say.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / NAME).exists():
        raise BackupError("other-folder", f"{folder} holds something that is no backup: name a new folder.")
    make_folder(folder / _FILES)
    try:
        with changing(place):
            known = catalogue.load(place.catalogue)
            small = dict(_small(place, config))
            keys = [*_keys(known), *(key for one in proposal.read_staged(place).changes for key in one.blobs)]
            blobs = {key: place.blobs.length(key) for key in dict.fromkeys(keys)}
            records = _copy_records(place.data / FILE_NAME, folder / _FILES / ".records.part")
        _copy_blobs(place.blobs, blobs, folder, progress)
        digests = {name: _put(folder, raw) for name, raw in small.items()}
        digests[FILE_NAME] = _hash(records)
        records.replace(folder / _FILES / digests[FILE_NAME])
        made = Backup(made=f"{now:%Y-%m-%dT%H:%M:%SZ}", version=known.version, files=digests, blobs=blobs)
        files.replace(folder / NAME, document.encode(made), files.PRIVATE)
        _sweep(folder, made)
    except (OSError, sqlite3.Error) as error:
        raise BackupError("io", f"The backup in {folder} could not be made: {error}.") from error
    return made


def read(folder: Path) -> Backup:
    """What a backup consists of, every file there and as it was.

    Raises:
        BackupError: reason `no-backup` or `damaged`.
    """
    try:
        with (folder / NAME).open("rb") as file:
            found = document.decode(file.read(_MAX_BYTES + 1), Backup, max_bytes=_MAX_BYTES, what=str(folder / NAME))
    except OSError as error:
        raise BackupError("no-backup", f"There is no backup in {folder}: {error.strerror}.") from error
    except FormatError as error:
        raise BackupError("damaged", f"{error} Use another backup.") from error
    for name, digest in found.files.items():
        path = folder / _FILES / digest
        if not _is_inside(name) or not path.is_file() or _hash(path) != digest:
            raise BackupError("damaged", f"{path} ({name}) is missing or damaged: use another backup.")
    blobs = LocalBlobs(folder)
    for key, length in found.blobs.items():
        try:
            there = blobs.length(key)
        except BlobFault as error:
            raise BackupError("damaged", f"The backup is not whole, {key} is missing: use another backup.") from error
        if there != length:
            raise BackupError("damaged", f"{folder / key} has {there} bytes instead of {length}: use another backup.")
    return found


def restore(folder: Path, data: Path, progress: Progress) -> Backup:
    """Lay out a backup as the new data folder `data`, which appears whole or not at all; mirror.toml is not touched.

    Raises:
        BackupError: reason `no-backup`, `damaged`, `already-there` or `io`.
        CatalogueFault: what was backed up does not verify.
    """
    found = read(folder)
    if data.exists():
        raise BackupError("already-there", f"{data} exists, and restore replaces nothing: move it away first.")
    part = data.with_name(f".{data.name}.restore")
    try:
        shutil.rmtree(part, ignore_errors=True)
        make_folder(part)
        _copy_blobs(LocalBlobs(folder), found.blobs, part, progress)
        for name, digest in found.files.items():
            if name != _CONFIG:
                make_folder((part / name).parent)
                shutil.copyfile(folder / _FILES / digest, part / name)
                (part / name).chmod(0o600)
        catalogue.load(part / "catalogue")
        part.rename(data)
        files.sync_folder(data.parent)
    except OSError as error:
        raise BackupError("io", f"{data} could not be restored: {error.strerror}.") from error
    return found


def _small(place: Place, config: Path) -> Iterator[tuple[str, bytes]]:
    """The files that are read while nothing changes them."""
    chain = catalogue.read_chain(place.catalogue)
    yield _CONFIG, config.read_bytes()
    if place.staged.exists():
        yield "publishing/staged.json", place.staged.read_bytes()
    names = [f"{number}.root.json" for number in range(1, chain.root.version + 1)]
    names += [f"{one.version}.{role}.json" for role, one in chain.roles.items() if role not in {"root", "timestamp"}]
    for one in chain.products.values():
        names += [f"targets/{target.get_prefixed_paths()[0]}" for target in one.targets.values()]
    for name in (*names, "timestamp.json"):
        yield f"catalogue/{name}", (place.catalogue / name).read_bytes()


def _keys(known: Catalogue) -> Iterator[str]:
    for offered in known.indexes.values():
        for line in offered.releases:
            for name in ("manifest", "pack"):
                yield f"releases/{offered.product}/{offered.component}/{line.version}/{line.platform}/{name}"


def _copy_records(source: Path, target: Path) -> Path:
    target.unlink(missing_ok=True)
    uri = f"{source.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode = DELETE")
    target.chmod(0o600)
    return target


def _copy_blobs(blobs: Blobs, wanted: dict[str, int], folder: Path, progress: Progress) -> None:
    there = LocalBlobs(folder)
    new = {key: length for key, length in wanted.items() if not there.exists(key) or there.length(key) != length}
    done, part = 0, folder / ".blob.part"
    for key, length in new.items():
        blob = blobs.open(key)
        try:
            with part.open("wb") as file:
                for start in range(0, blob.length, _PIECE):
                    file.write(blob.view(start, min(start + _PIECE, blob.length)))
        finally:
            blob.close()
        there.put(key, part)
        done += length
        progress("copying releases,", done, sum(new.values()))


def _put(folder: Path, raw: bytes) -> str:
    digest = sha256_hex(raw)
    if not (folder / _FILES / digest).exists():
        files.replace(folder / _FILES / digest, raw, files.PRIVATE)
    return digest


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sweep(folder: Path, made: Backup) -> None:
    """Remove what only earlier backups had."""
    wanted = set(made.files.values())
    for path in (folder / _FILES).iterdir():
        if path.name not in wanted:
            path.unlink()


def _is_inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/")
