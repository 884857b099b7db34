"""The catalogue's files and the small manifests, as they are served: asked for by everybody, and so held in memory.

All but timestamp.json are immutable: metadata by the number, index targets by the digest in their names, manifests by
what was signed for them. A manifest that changed on the disk is found when it is read, and never served.
"""

from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from mirror.blobs import Blobs
from mirror.content.answer import Answer
from mirror.content.cache import Cache
from mirror.errors import BlobFault, CatalogueFault
from spot_client.wire import sealed
from spot_client.wire.digest import sha256_hex
from spot_client.wire.errors import WireError
from spot_client.wire.sealed import Seal

TIMESTAMP: Final = "timestamp.json"
MAX_FILE: Final = 8 * 2**20
"""Longest file of the catalogue that is served, in bytes."""
MAX_MANIFEST: Final = 2**20
"""Longest manifest that is held, in bytes; longer ones go from the disk to the socket."""
MAX_HELD: Final = 128 * 2**20
"""Bytes that a shelf holds."""
MAX_MANIFESTS: Final = 64 * 2**20
"""Bytes of manifests that are held."""


class Shelved(msgspec.Struct, frozen=True):
    """A file's bytes, and the SHA-256 that it is known by. `answers`: whole ones, by media type, made ready once."""

    raw: bytes
    sha256: str
    answers: dict[str, Answer] = {}


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
        self._cache = Cache[Shelved](max_held)

    def held(self, name: str) -> Shelved | None:
        """The file `name`, if it is in memory, at once."""
        return self._cache.held(name)

    async def read(self, name: str, *, sha256: str | None = None) -> Shelved | None:
        """The file `name`, a checked relative path; None if there is none.

        Args:
            sha256: what the file must be, if its name says.

        Raises:
            CatalogueFault: reason `damaged`, `too-large` or `unreadable`.
        """
        try:
            return await self._cache.read(name, partial(self._load, self._folder / name, sha256))
        except FileNotFoundError:
            return None

    def _load(self, path: Path, sha256: str | None) -> Shelved:
        found = read_shelved(path)
        if found is None:
            raise FileNotFoundError(path)
        if sha256 is not None and found.sha256 != sha256:
            raise CatalogueFault("damaged", f"{path} is not what its name says: its SHA-256 differs.")
        return found


class Manifests:
    """The sealed manifests of at most `MAX_MANIFEST` bytes. For one event loop; they are read in threads."""

    def __init__(self, blobs: Blobs, *, max_held: int = MAX_MANIFESTS) -> None:
        self._blobs = blobs
        self._cache = Cache[Shelved](max_held)

    def held(self, seal: Seal) -> Shelved | None:
        """The manifest that is signed for by `seal`, if it is in memory, at once."""
        return self._cache.held(seal.head)

    async def read(self, key: str, seal: Seal) -> Shelved:
        """The manifest that lies in the store as `key`, once it is known to be what is signed for by `seal`.

        Its `sha256` is that of its head, which tells it from any other.

        Raises:
            BlobFault: reason `damaged` or `wrong-length`, or as `Blobs.pieces`.
        """
        return await self._cache.read(seal.head, partial(self._load, key, seal))

    def _load(self, key: str, seal: Seal) -> Shelved:
        raw = b"".join(self._blobs.pieces(key, (seal.length,)))
        try:
            sealed.check(raw, seal, what=key)
        except WireError as error:
            raise BlobFault("damaged", str(error)) from error
        return Shelved(raw, seal.head)
