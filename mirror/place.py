"""Where a mirror keeps what it publishes, and the lock files there. Names only; nothing is read or written here."""

from pathlib import Path

import msgspec

from mirror.blobs import Blobs


class Place(msgspec.Struct, frozen=True):
    """A mirror's data folder, and the store of its blobs."""

    data: Path
    blobs: Blobs

    @property
    def catalogue(self) -> Path:
        """The folder of the catalogue that clients see."""
        return self.data / "catalogue"

    @property
    def folder(self) -> Path:
        """The folder of what is in progress."""
        return self.data / "publishing"

    @property
    def staged(self) -> Path:
        """The file of what waits for signatures."""
        return self.folder / "staged.json"

    @property
    def floors(self) -> Path:
        """The file of versions that a restored catalogue has to be signed above."""
        return self.folder / "floors.json"

    @property
    def staging(self) -> Path:
        """The folder of files in the making."""
        return self.folder / "staging"
