"""What a publish is about to leave on disk, written down before it does, so that the next run can clear up after it.

    publishing/publish.lock     held while one publishes; names the holder's process id
    publishing/journal.json     what is in progress, the blobs and the catalogue files made for it
    publishing/staging/         the pack and the manifest in the making; an unpacked archive, which has no name

The one step that counts is the replacing of timestamp.json. A killed run before it left files that nothing names: they
go. After it, the release stands, and only the journal goes. What the catalogue names is never removed.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from ca import files
from mirror import catalogue
from mirror.blobs import Blobs, make_folder
from mirror.catalogue import Chain
from mirror.errors import Busy, PublishError
from spot_client.wire import document
from spot_client.wire.errors import FormatError

_MAX_BYTES = 2**20


class Place(msgspec.Struct, frozen=True):
    """Where a mirror keeps what it publishes: its data folder, and the store of its blobs."""

    data: Path
    blobs: Blobs

    @property
    def catalogue(self) -> Path:
        """The folder of the catalogue."""
        return self.data / "catalogue"

    @property
    def folder(self) -> Path:
        """The folder of what is in progress."""
        return self.data / "publishing"

    @property
    def staging(self) -> Path:
        """The folder of files in the making."""
        return self.folder / "staging"

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.folder / "journal.json"


class Journal(document.Document, frozen=True):
    """What is in progress: `what` for people, `blobs` by key, `files` by name in the catalogue's folder."""

    what: str
    blobs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """Hold the one right to publish.

    Raises:
        Busy: another process holds it.
    """
    make_folder(place.folder)
    path = place.folder / "publish.lock"
    lock = FileLock(path, timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy("busy", f"Process {_holder(path)} is publishing here: wait until it is done.") from error
    try:
        path.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        lock.release()


def begin(place: Place, journal: Journal) -> None:
    """Write the journal, in place of an older one of the same run; durable on return."""
    files.replace(place.journal, document.encode(journal), files.PRIVATE)


def recover(place: Place) -> str | None:
    """Clear up after a run that did not end; says in a sentence what there was, or None.

    Raises:
        CatalogueFault: the catalogue cannot be read, so nothing is removed.
        PublishError: reason `bad-journal`.
    """
    journal = _read(place)
    if journal is None:
        end(place)
        return None
    named = set(_named(catalogue.read_chain(place.catalogue)))
    finished = bool(journal.files) and named.issuperset(journal.files)
    if not finished:
        for name in journal.files:
            if name not in named:
                (place.catalogue / name).unlink(missing_ok=True)
        for part in place.catalogue.rglob(".*.part"):  # what `ca.files` writes before it renames
            part.unlink()
        for key in journal.blobs:
            place.blobs.remove(key)
    end(place)
    if finished:
        return f"{journal.what} was stopped after its last step: it stands."
    return f"{journal.what} was interrupted: undone."


def end(place: Place) -> None:
    """Remove the files in the making, and then the journal; durable on return."""
    if place.staging.exists():
        shutil.rmtree(place.staging)
    place.journal.unlink(missing_ok=True)
    files.sync_folder(place.folder)


def _read(place: Place) -> Journal | None:
    try:
        with place.journal.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        return document.decode(raw, Journal, max_bytes=_MAX_BYTES, what="The journal of publishing")
    except FileNotFoundError:
        return None
    except FormatError as error:
        hint = f"Move {place.journal} away: at worst, files of a stopped publish stay behind, which nothing names."
        raise PublishError("bad-journal", f"{error} {hint}") from error


def _named(chain: Chain) -> Iterator[str]:
    for role, signed in chain.roles.items():
        yield f"{signed.version}.{role}.json"
    for product in chain.products.values():
        for target in product.targets.values():
            yield f"targets/{target.get_prefixed_paths()[0]}"


def _holder(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii")[:20]
    except (OSError, UnicodeDecodeError):
        text = ""
    return text if text.isdigit() else "unknown"
