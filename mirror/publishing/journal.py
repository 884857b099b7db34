"""What a publish is about to leave on disk, written down before it does, so that the next run can clear up after it.

    publishing/publish.lock     held while one publishes; names the holder's process id
    publishing/journal.json     what is in progress, and the blobs made for it
    publishing/staging/         the pack and the manifest in the making; an unpacked archive, which has no name

The step that counts is the replacing of staged.json (`mirror.signing.staged`): blobs that what waits names, or the
catalogue by then, stay; others of a killed run go.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ca import files
from mirror.disk import read_journal
from mirror.locks import locked
from mirror.place import Place
from mirror.signing.draft import is_named
from mirror.signing.staged import Key
from spot_client.wire import document


class Journal(document.Document, frozen=True):
    """What is in progress: `what` for people, `blobs` by key."""

    what: str
    blobs: tuple[Key, ...] = ()


@contextmanager
def publishing(place: Place) -> Iterator[None]:
    """Hold the one right to publish. Raises Busy: another process holds it."""
    with locked(place.folder / "publish.lock", "publishing"):
        yield


def begin(place: Place, journal: Journal) -> None:
    """Write the journal, in place of an older one of the same run; durable on return."""
    files.replace(_path(place), document.encode(journal), files.PRIVATE)


def recover(place: Place) -> str | None:
    """Clear up after a run that did not end; says in a sentence what there was, or None.

    Raises:
        PublishError: reason `bad-journal`.
        SigningError, CatalogueFault: what waits, or the catalogue, cannot be read, so nothing is removed.
    """
    at_worst = "files of a stopped publish stay behind, which nothing names"
    journal = read_journal(_path(place), Journal, "publishing", at_worst)
    if journal is None:
        end(place)
        return None
    stands = is_named(place, journal.blobs)
    if not stands:
        for key in journal.blobs:
            place.blobs.remove(key)
    end(place)
    return f"{journal.what} was {'stopped after its last step: it stands' if stands else 'interrupted: undone'}."


def end(place: Place) -> None:
    """Remove the files in the making, and then the journal; durable on return."""
    if place.staging.exists():
        shutil.rmtree(place.staging)
    for left in (files.part_of(_path(place)), _path(place)):
        left.unlink(missing_ok=True)
    files.sync_folder(place.folder)


def _path(place: Place) -> Path:
    return place.folder / "journal.json"
