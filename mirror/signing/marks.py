"""How far the catalogue has gone, written down elsewhere: what a restored one has to be signed above.

    HIGH-WATER FILE             on another disk (`high_water` in mirror.toml); written before anything becomes visible
                                (`mirror.signing.advance`)
    publishing/floors.json      versions and roots of it, brought by a restore, until the catalogue is above it

Clients refuse a catalogue that went back. After a restore every role that had moved on since the backup is signed anew,
with a version above the mark. Roots, targets, halts and official mirrors come from the mark as they were signed: older
ones might name a key or a pin that was stolen, or let a release go on that was halted. A withdrawal is put back, since
clients refuse an index that lost one; and a release that was lost is known by its head, since they refuse another one
under its name.
"""

from pathlib import Path
from typing import Final

import msgspec
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root
from tuf.api.serialization import DeserializationError

from ca import files
from mirror.catalogue import Chain
from mirror.errors import SigningError
from mirror.place import Place
from spot_client.wire import document
from spot_client.wire.errors import FormatError
from spot_client.wire.index import Tombstone

MAX_BYTES: Final = 64 * 2**20


ANEW: Final = "'spot-mirror restore --above' writes it anew."
"""What to do about damaged floors."""


class HighWater(document.Document, frozen=True):
    """What may not be forgotten.

    `versions` by role; `roots` by number, as JSON; `statements` of targets, halts and house, as JSON; `files` that
    these lead to by name in the catalogue's folder, base64. By `PRODUCT/COMPONENT`: `tombstones`; and `heads`, the
    digest that is signed for a manifest by `VERSION PLATFORM`, of every release that was ever visible and not
    withdrawn.
    """

    versions: dict[str, int] = msgspec.field(default_factory=dict)
    roots: dict[str, str] = msgspec.field(default_factory=dict)
    statements: dict[str, str] = msgspec.field(default_factory=dict)
    files: dict[str, str] = msgspec.field(default_factory=dict)
    tombstones: dict[str, tuple[Tombstone, ...]] = msgspec.field(default_factory=dict)
    heads: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)

    @property
    def floors(self) -> "HighWater":
        """That of it which binds until the catalogue is above it."""
        return HighWater(versions=self.versions, roots=self.roots)


def read(path: Path, hint: str = "Restore it, or move it away for a new one.") -> HighWater | None:
    """The mark in a file; None where there is no such file. `hint`: what to do where it is damaged.

    Raises:
        SigningError: reason `bad-mark`.
    """
    try:
        with files.open_ordinary(path) as file:
            raw = file.read(MAX_BYTES + 1)
        return document.decode(raw, HighWater, max_bytes=MAX_BYTES, what=str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SigningError("bad-mark", f"The high-water mark {path} cannot be read: {error.strerror}.") from error
    except FormatError as error:
        raise SigningError("bad-mark", f"{error} {hint}") from error


def write(path: Path, mark: HighWater) -> None:
    """Write a mark; durable on return. Raises SigningError: reason `bad-mark`, also for one too long to be read."""
    raw = document.encode(mark)
    if len(raw) > MAX_BYTES:
        raise SigningError("bad-mark", f"The high-water mark would have more than the {MAX_BYTES} bytes that are read.")
    try:
        files.replace(path, raw, files.PRIVATE)
    except OSError as error:
        hint = "Nothing becomes visible before it is written: mount its disk, or change high_water."
        what = f"The high-water mark {path} cannot be written: {error.strerror}. {hint}"
        raise SigningError("bad-mark", what) from error


def floors(place: Place) -> HighWater:
    """What a restore brought, and the catalogue is not above yet; empty in ordinary times."""
    return read(place.floors, ANEW) or HighWater()


def newest_root(chain: Chain, mark: HighWater) -> Chain:
    """The catalogue under the newest root of a mark. Raises SigningError: reason `bad-mark`."""
    root = chain.root
    try:
        while (text := mark.roots.get(str(root.version + 1))) is not None:
            newer = Metadata[Root].from_bytes(text.encode())
            root.verify_delegate("root", newer.signed_bytes, newer.signatures)
            newer.signed.verify_delegate("root", newer.signed_bytes, newer.signatures)
            if newer.signed.version != root.version + 1:
                break
            root = newer.signed
    except (RepositoryError, DeserializationError, ValueError) as error:
        raise SigningError("bad-mark", f"A root in the high-water mark does not follow on ours: {error}.") from error
    return msgspec.structs.replace(chain, root=root)
