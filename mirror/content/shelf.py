"""The catalogue's files as they are served: small, asked for by everybody, and so held in memory.

All but timestamp.json are immutable: metadata by the number, index targets by the digest in their names. So what was
read once stays true; the least recently asked for are forgotten beyond `MAX_HELD` bytes.
"""

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Final

import msgspec

from mirror.errors import CatalogueFault
from spot_client.wire.digest import sha256_hex

TIMESTAMP: Final = "timestamp.json"
MAX_FILE: Final = 8 * 2**20
"""Longest file of the catalogue that is served, in bytes."""
MAX_HELD: Final = 128 * 2**20


class Shelved(msgspec.Struct, frozen=True):
    """A file's bytes and their SHA-256."""

    raw: bytes
    sha256: str


def read_shelved(path: Path) -> Shelved | None:
    """Read a file of the catalogue; None if there is none.

    Raises:
        CatalogueFault: reason `too-large` or `unreadable`.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CatalogueFault("unreadable", f"{path} cannot be read: {error.strerror}.") from error
    if len(raw) > MAX_FILE:
        raise CatalogueFault("too-large", f"{path} has more than the {MAX_FILE} bytes allowed.")
    return Shelved(raw, sha256_hex(raw))


class Shelf:
    """The immutable files below a catalogue's folder. For one event loop; files are read in threads."""

    def __init__(self, folder: Path, *, max_held: int = MAX_HELD) -> None:
        self._folder = folder
        self._max_held = max_held
        self._held = 0
        self._files: OrderedDict[str, Shelved] = OrderedDict()

    def held(self, name: str) -> Shelved | None:
        """The file `name`, if it is in memory."""
        found = self._files.get(name)
        if found is not None:
            self._files.move_to_end(name)
        return found

    async def read(self, name: str, *, sha256: str | None = None) -> Shelved | None:
        """The file `name`, a checked relative path; None if there is none.

        Args:
            sha256: what the file must be, if its name says.

        Raises:
            CatalogueFault: reason `damaged`, `too-large` or `unreadable`.
        """
        found = self.held(name)
        if found is not None:
            return found
        found = await asyncio.to_thread(read_shelved, self._folder / name)
        if found is None:
            return None
        if sha256 is not None and found.sha256 != sha256:
            raise CatalogueFault("damaged", f"{self._folder / name} is not what its name says: its SHA-256 differs.")
        if name not in self._files:  # two requests may have read it at once
            self._keep(name, found)
        return found

    def _keep(self, name: str, file: Shelved) -> None:
        self._files[name] = file
        self._held += len(file.raw)
        while self._held > self._max_held:
            _, forgotten = self._files.popitem(last=False)
            self._held -= len(forgotten.raw)
