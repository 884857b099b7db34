"""What SPOT was doing, so that the next run can finish or undo it.

A change writes the journal before its first step and removes it after its last. In between, one question decides what
a following run does: does the component's pointer name the new folder? Then the change happened, and only the state
has to say so; else it did not, and what was staged goes. An uninstallation that has begun is always finished.
"""

from typing import Final

import msgspec

from spot_client import durable
from spot_client.config import Paths
from spot_client.errors import LocalFault
from spot_client.history import Action
from spot_client.state import Installed
from spot_client.wire import document
from spot_client.wire.errors import FormatError

MAX_BYTES: Final = 64 * 2**20
MAX_NOTICES: Final = 200


class Laid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a change does to the state before its switch (`install.heir`), so that it can be taken back.

    new: paths below the folder of state where nothing was; "" is that folder itself.
    aside: paths of state that were moved away, each with its place below the folder `saved`.
    """

    new: tuple[str, ...] = ()
    aside: tuple[tuple[str, str], ...] = ()


class Entry(document.Document, frozen=True):
    """A change under way.

    target: the release it goes to; for an uninstallation, the one that goes.
    old: the version in use before.
    staged: whether the target's folder is new, to be removed if not reached, or one that was kept.
    purge: whether nothing is to stay of what is uninstalled.
    notices: sentences for people, for when it has ended.
    laid: what it did to the state.
    """

    component: str
    action: Action
    target: Installed
    old: str | None = None
    staged: bool = False
    purge: bool = False
    notices: tuple[str, ...] = ()
    laid: Laid | None = None


class Journal:
    """The journal of an installation; used while its lock is held."""

    def __init__(self, paths: Paths) -> None:
        self._path = paths.own / "journal.json"

    def read(self) -> Entry | None:
        """The change that was under way, or None. Raises `LocalFault` (`bad-journal`)."""
        try:
            with self._path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        try:
            return document.decode(raw, Entry, max_bytes=MAX_BYTES, what=str(self._path))
        except FormatError as error:
            way_out = (
                "Use the SPOT that wrote it, or a newer one."
                if error.reason == "too-new"
                else "Remove it: a change that was under way is then as far as it came; 'spot verify' looks it over."
            )
            raise LocalFault("bad-journal", f"{error} {way_out}") from error

    def begin(self, entry: Entry) -> None:
        """Say what is about to be changed; durable on return."""
        durable.write(self._path, document.encode(entry))

    def end(self) -> None:
        """Say that nothing is under way; durable on return."""
        durable.remove(self._path)
