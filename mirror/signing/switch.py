"""One change of the catalogue at a time, and the one step that counts: the replacing of timestamp.json.

    publishing/catalogue.lock   held while what waits or what clients see is changed: for moments, never for hours
    publishing/switch.json      the files that are being put up, and the timestamp.json that will make them count

A killed run before the step left files that nothing names: they go. After it, they stand. Files are only ever added
under new names; what a timestamp named is never changed.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ca import files
from mirror.blobs import make_folder
from mirror.catalogue import MAX_METADATA_BYTES
from mirror.disk import in_words, read_journal
from mirror.errors import PublishError
from mirror.locks import locked
from mirror.place import Place
from spot_client.wire import document, routes
from spot_client.wire.digest import sha256_hex

TIMESTAMP: Final = "timestamp.json"
_PATIENCE: Final = 30.0  # seconds


class _Switch(document.Document, frozen=True):
    """`files` by name in the catalogue's folder, all new there; `timestamp`: SHA-256 of the one that they wait for."""

    files: tuple[str, ...]
    timestamp: str


@contextlib.contextmanager
def changing(place: Place) -> Iterator[None]:
    """Hold the one right to change the catalogue and what waits; what a killed run left is cleared up first.

    Raises:
        Busy: another process holds it still after half a minute.
        PublishError: reason `bad-journal`, or as `mirror.disk`.
    """
    with in_words(place), locked(place.folder / "catalogue.lock", "changing the catalogue", seconds=_PATIENCE):
        _recover(place)
        try:
            yield
        finally:
            _recover(place)


def put_up(place: Place, written: Mapping[str, bytes]) -> None:
    """Write these files, `timestamp.json` last, which makes them count; the lock is held."""
    *unseen, last = written
    new = tuple(name for name in unseen if _content(place.catalogue / name, len(written[name])) != written[name])
    files.replace(_path(place), document.encode(_Switch(files=new, timestamp=sha256_hex(written[last]))), files.PRIVATE)
    for name in (*new, last):
        path = place.catalogue / name
        make_folder(path.parent)
        files.replace(path, written[name])
    _path(place).unlink()
    files.sync_folder(place.folder)


def _recover(place: Place) -> None:
    for written in (place.staged, _path(place)):
        files.part_of(written).unlink(missing_ok=True)
    switch = read_journal(_path(place), _Switch, "the catalogue", "files stay behind that nothing names")
    if switch is None:
        return
    strange = [name for name in switch.files if routes.parse(f"{routes.METADATA_BASE}{name}") is None]
    if strange:
        hint = f"Find out who wrote {_path(place)}, and move it away."
        raise PublishError("bad-journal", f"The journal names {strange[0][:120]!r}, which is no catalogue file. {hint}")
    if sha256_hex(_content(place.catalogue / TIMESTAMP, MAX_METADATA_BYTES["timestamp"]) or b"") != switch.timestamp:
        for name in switch.files:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                (place.catalogue / name).unlink()
    for part in place.catalogue.rglob(".*.part"):  # what `ca.files` writes before it renames
        part.unlink()
    _path(place).unlink()
    files.sync_folder(place.folder)


def _path(place: Place) -> Path:
    return place.folder / "switch.json"


def _content(path: Path, most: int) -> bytes | None:
    try:
        with files.open_ordinary(path) as file:
            return file.read(most + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
