"""Backups of a mirror that runs: one consistent set of files in a folder, added to by each later backup.

    backup.json       what belongs to the backup; replaced last, so the one before stays whole until then
    files/SHA-256     by content: the catalogue and what waits, mirror.toml, the revocation lists that were pushed, and
                      the records (customers, licences, installations, thin snapshots, requests for certificates),
                      copied by the database itself
    releases/…        manifests and packs: what is signed for the same manifest is the same, and only others are copied

Private keys are in no backup: who holds one keeps copies of it. Certificates of the CA come from the CA, and so
do its lists; but a mirror that was restored is not to believe an older one than it did.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

from ca import files
from ca.revocation import MAX_CRL
from mirror import catalogue
from mirror.blobs import LocalBlobs, make_folder
from mirror.catalogue import Catalogue
from mirror.certificates import PUSHED
from mirror.copied import Copied, Progress, copy, copy_new, is_whole, kept, sha256_of
from mirror.errors import BackupError, BlobFault
from mirror.place import Place
from mirror.records.sqlite import FILE_NAME
from mirror.signing import proposal, staged
from mirror.signing.staged import Key, Staged
from mirror.signing.switch import changing
from mirror.targets import read_file
from spot_client.wire import document, index
from spot_client.wire.digest import SHA256_HEX, Sha256, sha256_hex
from spot_client.wire.errors import FormatError
from spot_client.wire.index import Moment, Release

NAME: Final = "backup.json"
_FILES: Final = "files"
_NAMES: Final = ("manifest", "pack")
_CONFIG: Final = "mirror.toml"
_MAX_BYTES: Final = 256 * 2**20


class Backup(document.Document, frozen=True):
    """`version`: of the catalogue; `files`: SHA-256 by name; `blobs` by key."""

    made: Moment
    version: int
    files: dict[str, Sha256]
    blobs: dict[Key, Copied]


def backup(
    place: Place, config: Path, folder: Path, now: datetime, progress: Progress, *, verify: bool = False
) -> Backup:
    """Bring the backup in `folder` up to date; the last one there stays whole until the new one is.

    Except for a version that was discarded and made anew: between, that is refused as damaged.

    What is copied is held to what was signed for it.

    Args:
        verify: hash also what was copied before, and copy anew what was damaged since.

    Raises:
        BackupError: reason `io` or `other-folder` (it holds something else).
        Busy, CatalogueFault, BlobFault: as they say.
    """
    if not _is_ours(folder):
        raise BackupError("other-folder", f"{folder} holds something that is no backup: name a new folder.")
    make_folder(folder / _FILES)
    try:
        with changing(place):
            known = catalogue.load(place.catalogue)
            small = dict(_small(place, config))
            wanted = _wanted(known, proposal.read_staged(place))
            records = _copy_records(place.data / FILE_NAME, folder / _FILES / ".records.part")
        last = kept(_last(folder), folder, wanted, verify=verify)
        blobs = last | copy_new(
            place.blobs, {key: wanted[key] for key in wanted.keys() - last.keys()}, folder, progress
        )
        digests = {name: _put(folder, raw) for name, raw in small.items()}
        digests[FILE_NAME] = sha256_of(records)
        records.replace(folder / _FILES / digests[FILE_NAME])
        made = Backup(made=f"{now:%Y-%m-%dT%H:%M:%SZ}", version=known.version, files=digests, blobs=blobs)
        files.replace(folder / NAME, document.encode(made), files.PRIVATE)
        _sweep(folder, made)
    except (OSError, sqlite3.Error) as error:
        raise BackupError("io", f"The backup in {folder} could not be made: {error}.") from error
    return made


def _is_ours(folder: Path) -> bool:
    """Whether a folder is new, or holds a backup, or nothing but one that was begun."""
    if not folder.exists() or (folder / NAME).exists():
        return True
    if not {path.name for path in folder.iterdir()} <= {_FILES, "releases", ".blob.part"}:
        return False
    begun = [path.name for path in (folder / _FILES).iterdir()] if (folder / _FILES).is_dir() else []
    return all(name.startswith(".") or SHA256_HEX.fullmatch(name) for name in begun)


def read(folder: Path) -> Backup:
    """What a backup consists of. Every file is there: small ones as they were, manifests and packs of their length.

    `restore` hashes these as it copies them.

    Raises:
        BackupError: reason `no-backup` or `damaged`.
    """
    found = _list(folder)
    for name, digest in found.files.items():
        path = folder / _FILES / digest
        if not (_is_inside(name) and is_whole(path, digest)):
            raise BackupError("damaged", f"{path} ({name}) is missing or damaged: use another backup.")
    blobs = LocalBlobs(folder)
    for key, copied in found.blobs.items():
        try:
            there = blobs.length(key)
        except BlobFault as error:
            raise BackupError("damaged", f"The backup is not whole, {key} is missing: use another backup.") from error
        if there != copied.length:
            raise _damaged(folder / key)
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
        make_folder(part / "publishing")
        done, size = 0, sum(copied.length for copied in found.blobs.values())
        for key, copied in found.blobs.items():
            if copy(LocalBlobs(folder), key, part) != (copied.length, copied.sha256):
                raise _damaged(folder / key)
            done += copied.length
            progress("copying releases,", done, size)
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


def _list(folder: Path) -> Backup:
    try:
        with files.open_ordinary(folder / NAME) as file:
            return document.decode(file.read(_MAX_BYTES + 1), Backup, max_bytes=_MAX_BYTES, what=str(folder / NAME))
    except OSError as error:
        raise BackupError("no-backup", f"There is no backup in {folder}: {error.strerror}.") from error
    except FormatError as error:
        raise BackupError("damaged", f"{error} Use another backup.") from error


def _last(folder: Path) -> dict[str, Copied]:
    """What the backup before this one copied; nothing if there is none, or a damaged one: all is copied anew then."""
    try:
        return _list(folder).blobs
    except BackupError:
        return {}


def _damaged(path: Path) -> BackupError:
    hint = "Use another backup; if the mirror still stands, 'spot-mirror backup --verify' copies it anew."
    return BackupError("damaged", f"{path} is damaged. {hint}")


def _small(place: Place, config: Path) -> Iterator[tuple[str, bytes]]:
    """The files that are read while nothing changes them."""
    chain = catalogue.read_chain(place.catalogue)
    yield _CONFIG, config.read_bytes()
    if place.staged.exists():
        yield "publishing/staged.json", read_file(place.staged, staged.MAX_BYTES)
    names = [f"{number}.root.json" for number in range(1, chain.root.version + 1)]
    names += [f"{one.version}.{role}.json" for role, one in chain.roles.items() if role not in {"root", "timestamp"}]
    for one in chain.products.values():
        names += [f"targets/{target.get_prefixed_paths()[0]}" for target in one.targets.values()]
    for name in (*names, "timestamp.json"):
        yield f"catalogue/{name}", read_file(place.catalogue / name, staged.MAX_BYTES)
    for path in sorted((place.data / PUSHED).glob("*.crl")):
        yield f"{PUSHED}/{path.name}", read_file(path, MAX_CRL)


def _wanted(known: Catalogue, waits: Staged) -> dict[str, Release | None]:
    """The keys of all that is on offer or waits, with the lines of the releases that they belong to."""
    waiting = [raw for name, raw in waits.files.items() if name.endswith(".index.json.zst")]
    offered = [*known.indexes.values(), *map(index.decode, waiting)]
    found: dict[str, Release | None] = {key: None for one in waits.changes for key in one.blobs}
    for one in offered:
        for line in one.releases:
            for name in _NAMES:
                found[f"releases/{one.product}/{one.component}/{line.version}/{line.platform}/{name}"] = line
    return found


def _copy_records(source: Path, target: Path) -> Path:
    target.unlink(missing_ok=True)
    uri = f"{source.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode = DELETE")
    target.chmod(0o600)
    return target


def _put(folder: Path, raw: bytes) -> str:
    digest = sha256_hex(raw)
    if not is_whole(folder / _FILES / digest, digest):
        files.replace(folder / _FILES / digest, raw, files.PRIVATE)
    return digest


def _sweep(folder: Path, made: Backup) -> None:
    """Remove what only earlier backups had."""
    wanted = set(made.files.values())
    for path in (folder / _FILES).iterdir():
        if path.name not in wanted:
            path.unlink()
    for path in [*(folder / "releases").rglob("*")]:
        key = path.relative_to(folder).as_posix()
        if path.is_file() and key not in made.blobs:
            LocalBlobs(folder).remove(key)


def _is_inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/")
