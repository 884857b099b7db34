"""What SPOT did here, change by change: `.spot/history.jsonl`, for people. Nothing of it ever leaves this machine.

One line of JSON an event, the newest last, durable on return. Past a size the oldest go. No line is needed for
anything, so none ever stops SPOT: what a power cut tore, what is damaged, what a newer SPOT wrote is passed over.
"""

import os
from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import msgspec

from ca import strict_json
from ca.errors import JsonError
from spot_client import durable
from spot_client.wire.index import Moment

MAX_BYTES: Final = 2**20
"""Longest history, in bytes; beyond it, the newest `KEPT` events stay."""

KEPT: Final = 2000
_MAX_LINE = 1024

_Word = Annotated[str, msgspec.Meta(max_length=200)]


class Action(Enum):
    """What was to be done with a component."""

    INSTALL = "install"
    UPDATE = "update"
    ROLLBACK = "rollback"
    REPAIR = "repair"
    UNINSTALL = "uninstall"


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One change, when it had ended.

    at: moment in UTC (RFC 3339).
    old, new: the version in use before and the one that was to be in use after, None where there is none.
    outcome: `done`, `finished-after-interruption`, `undone-after-interruption`, or `failed: REASON`.
    """

    at: Moment
    component: _Word
    action: Action
    old: _Word | None
    new: _Word | None
    outcome: _Word


class History:
    """The history in the file `path`; whoever adds to it holds the installation's lock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, event: Event) -> None:
        """Add an event; durable on return. Raises OSError: the disk is full, ...; the events before it stay."""
        line = strict_json.encode(event) + b"\n"
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "ab") as file:
            if file.tell() and not self._ends_whole():
                line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        if size == len(line):
            durable.sync_folder(self._path.parent)
        if size > MAX_BYTES:
            kept = [strict_json.encode(event) + b"\n" for event in self.read()[:KEPT]]
            durable.write(self._path, b"".join(reversed(kept)))

    def read(self) -> tuple[Event, ...]:
        """All events that can be read, the newest first; none where there is no history. Raises OSError."""
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 2 * MAX_BYTES))
                lines = file.read(2 * MAX_BYTES).split(b"\n")
        except FileNotFoundError:
            return ()
        events = (_read(line) for line in reversed(lines))
        return tuple(event for event in events if event is not None)

    def _ends_whole(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def _read(line: bytes) -> Event | None:
    try:
        return strict_json.decode(line, Event, max_bytes=_MAX_LINE)
    except JsonError:
        return None
