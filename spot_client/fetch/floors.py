"""Two catalogues of one vendor on this machine, of the mirrors and of offline sets: neither may be behind the other.

Each has a folder of its own, with its own timestamps and snapshots. Root, targets and the roles of products are the
same statements in both, so what one has taught binds the other: the newest root of both is where trust begins, and no
role may have a lower version than in the other. A role's version may only fall where the keys of snapshot or timestamp
were exchanged in between: that is how a vendor undoes a version far ahead that a thief signed (TUF specification
§5.3.11).
"""

from pathlib import Path
from typing import Final, Protocol

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets

from spot_client.errors import NotTrusted

_ONLINE: Final = ("snapshot", "timestamp")


class Verified(Protocol):
    """A catalogue that verifies what it gives: `spot_client.fetch.catalogue.Catalogue`."""

    def refresh(self) -> None:
        """Bring it up to date."""
        ...

    def target(self, path: str, *, max_bytes: int) -> bytes | None:
        """One target by its path."""
        ...

    def listing(self, product: str) -> tuple[str, ...]:
        """The paths that a product's role names."""
        ...


class Floored:
    """A catalogue in the folder `here` that is held to the one in the folder `other`, if there is one.

    All calls raise, beside what the catalogue raises:
        NotTrusted: reason `older-set`.
    """

    def __init__(self, catalogue: Verified, here: Path, other: Path) -> None:
        self._catalogue = catalogue
        self._here, self._other = here, other

    def refresh(self) -> None:
        """As `Catalogue.refresh`."""
        self._catalogue.refresh()
        self._hold("targets")

    def target(self, path: str, *, max_bytes: int) -> bytes | None:
        """As `Catalogue.target`."""
        raw = self._catalogue.target(path, max_bytes=max_bytes)
        self._hold(path.partition("/")[0])
        return raw

    def listing(self, product: str) -> tuple[str, ...]:
        """As `Catalogue.listing`."""
        found = self._catalogue.listing(product)
        self._hold(product)
        return found

    def _hold(self, role: str) -> None:
        here, there = _root(self._here), _root(self._other)
        if here is None or there is None or any(here.roles[one].keyids != there.roles[one].keyids for one in _ONLINE):
            return
        ours, known = _version(self._here / f"{role}.json"), _version(self._other / f"{role}.json")
        if ours is not None and known is not None and ours < known:
            raise NotTrusted(
                "older-set",
                f"This machine has seen {role} in version {known}, and here it is {ours}: this is older than what was "
                "used here before. Use the newest offline set, or the mirror.",
            )


def newest_root(first: bytes, *folders: Path) -> bytes:
    """The root to begin with: `first`, the bundle's, or a newer one that was verified into one of the folders.

    `first` is given back if it is none: whoever reads it then says so, and nothing goes on without a beginning.
    """
    if not _root_version(first):
        return first
    found = [first]
    for folder in folders:
        try:
            found.append((folder / "root.json").read_bytes())
        except FileNotFoundError:
            continue
    return max(found, key=_root_version)


def _root_version(raw: bytes) -> int:
    try:
        return int(Metadata[Root].from_bytes(raw).signed.version)
    except RepositoryError:
        return 0


def _root(folder: Path) -> Root | None:
    try:
        return Metadata[Root].from_bytes((folder / "root.json").read_bytes()).signed
    except (RepositoryError, OSError):
        return None


def _version(path: Path) -> int | None:
    """The version of a role that was verified into a folder; None where there is none, or it is damaged."""
    try:
        return int(Metadata[Targets].from_bytes(path.read_bytes()).signed.version)
    except (RepositoryError, OSError):
        return None
