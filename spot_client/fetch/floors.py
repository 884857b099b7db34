"""Two catalogues of one vendor on this machine, of the mirrors and of offline sets: neither may be behind the other.

Each has a folder of its own, with its own timestamps and snapshots. Root, targets and the roles of products are the
same statements in both, so what one has taught binds the other: the newest root of both is where trust begins, and no
role may have a lower version than in the other.

A version in the other folder binds as long as the keys that vouched for it count: it stands in the role's verified
file, and a snapshot and a timestamp that the newest root's keys signed name it or a newer one. So a vendor who replaces
a key of snapshot or timestamp undoes what a thief signed far ahead (TUF specification §5.3.11), whatever old set turns
up later; and a set that was refused binds by what of it was verified whole, and by nothing else. A root is another
matter: its successor was signed by its holders, and counts from wherever it came.
"""

from pathlib import Path
from typing import Final, Protocol

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets

from spot_client.errors import NotTrusted
from spot_client.fetch.kept import snapshot_that_counts

_BEHIND: Final = {
    True: "The offline set is behind: it has {role} in version {ours}, and a mirror had version {known} before. "
    "Use a newer set, or a mirror.",
    False: "The mirror is behind: it has {role} in version {ours}, and an offline set had version {known} before. "
    "Use the newest set; if this goes on, tell your vendor.",
}
"""By whether it is the offline set that is used now."""


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

    Args:
        offline: this is the one of offline sets, and the other that of mirrors; else the other way round.

    All calls raise, beside what the catalogue raises:
        NotTrusted: reason `older-set`.
    """

    def __init__(self, catalogue: Verified, here: Path, other: Path, *, offline: bool) -> None:
        self._catalogue = catalogue
        self._here, self._other = here, other
        self._offline = offline

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
        root, ours = _root(self._here), _version(self._here / f"{role}.json")
        known = _floor(self._other, role, root) if root else None
        if ours is not None and known is not None and ours < known:
            raise NotTrusted("older-set", _BEHIND[self._offline].format(role=role, ours=ours, known=known))


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


def _floor(folder: Path, role: str, root: Root) -> int | None:
    """The version of a role that a folder vouches for; None where nothing there is signed by keys of `root`."""
    snapshot, known = snapshot_that_counts(root, folder), _version(folder / f"{role}.json")
    listed = snapshot.meta.get(f"{role}.json") if snapshot else None
    return known if listed and known is not None and known <= listed.version else None


def _version(path: Path) -> int | None:
    """The version of a role that was verified into a folder; None where there is none, or it is damaged."""
    try:
        return int(Metadata[Targets].from_bytes(path.read_bytes()).signed.version)
    except (RepositoryError, OSError):
        return None
