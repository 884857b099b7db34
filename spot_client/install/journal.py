"""What SPOT was doing, so that the next run can finish or undo it.

A change writes the journal before its first step and removes it after its last. In between, one question decides what
a following run does: does the component's pointer name the new folder? Then the change happened, and only the state
has to say so; else it did not, and what was staged goes.
"""

from typing import Final

from spot_client import durable
from spot_client.config import Paths
from spot_client.errors import LocalFault
from spot_client.state import Installed
from spot_client.wire import document
from spot_client.wire.errors import FormatError

MAX_BYTES: Final = 64 * 2**10


class Entry(document.Document, frozen=True):
    """A change under way: the component, the release it goes to, and whether its folder is new (to be removed if not
    reached) or one that was kept."""

    component: str
    target: Installed
    staged: bool


class Journal:
    """The journal of an installation; used while its lock is held."""

    def __init__(self, paths: Paths) -> None:
        self._path = paths.own / "journal.json"

    def read(self) -> Entry | None:
        """The change that was under way, or None. Raises `LocalFault` (`bad-journal`)."""
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return document.decode(raw, Entry, max_bytes=MAX_BYTES, what=str(self._path))
        except FormatError as error:
            raise LocalFault("bad-journal", f"{error} Use the SPOT that wrote it, or a newer one.") from error

    def begin(self, entry: Entry) -> None:
        """Say what is about to be changed; durable on return."""
        durable.write(self._path, document.encode(entry))

    def end(self) -> None:
        """Say that nothing is under way; durable on return."""
        durable.remove(self._path)
