"""What lies in a catalogue's folder, read back: the newest root, and whether what came in before it still counts.

TUF's rule for versions that a thief signed far ahead (specification §5.3.11): once a new root replaces a key of
timestamp or of snapshot, both are forgotten, with the versions that they hold others to.
"""

from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Timestamp

from spot_client import durable


def newest_root(folder: Path) -> bytes:
    """The newest that was verified here. root.json leads to it, but is gone for a moment while it is changed."""
    history = folder / "root_history"
    newest = max((int(path.name.partition(".")[0]) for path in history.glob("*.root.json")), default=1)
    return (history / f"{newest}.root.json").read_bytes()


def roots(folder: Path) -> tuple[bytes, ...]:
    """All that were verified here, and are not missing."""
    return tuple(path.read_bytes() for path in (folder / "root_history").glob("*.root.json"))


def forget_undone(folder: Path) -> None:
    """Forget timestamp and snapshot if the newest root has replaced a key of either; durable on return.

    python-tuf lets go only of the one whose key it was. Whether it was is seen by the signatures here, so a run that
    was killed in between does not matter: the timestamp goes first, and a snapshot without one goes, too.

    Raises:
        RepositoryError: the newest root cannot be read.
    """
    root = Metadata[Root].from_bytes(newest_root(folder)).signed
    if not all(_counts(root, folder, role) for role in (Timestamp.type, Snapshot.type)):
        for role in (Timestamp.type, Snapshot.type):
            durable.remove(folder / f"{role}.json")


def snapshot_that_counts(root: Root, folder: Path) -> Snapshot | None:
    """The snapshot in a folder, if it and the timestamp there are signed by keys of `root`."""
    path = folder / f"{Snapshot.type}.json"
    if not path.exists() or not all(_counts(root, folder, role) for role in (Timestamp.type, Snapshot.type)):
        return None
    return Metadata[Snapshot].from_bytes(path.read_bytes()).signed


def _counts(root: Root, folder: Path, role: str) -> bool:
    try:
        found = Metadata.from_bytes((folder / f"{role}.json").read_bytes())
        root.verify_delegate(role, found.signed_bytes, found.signatures)
    except FileNotFoundError:
        return role == Snapshot.type  # the timestamp comes first
    except RepositoryError:
        return False
    return True
