"""What a worker tells control. Pure: messages, and what their values may be.

A worker faces outside, so control believes it little: names have their form, lists an end, and no message carries a
moment. Control's own clock says when something was written or seen.
"""

from typing import Annotated, Final

import msgspec

from mirror.control.values import InstallationId, Number
from mirror.control.writes import Write
from mirror.counters import Counted

MAX_SEEN: Final = 1000
"""Installations in one `Seen`."""


class Loaded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="loaded"):
    """It has read all that it needs, and waits for `orders.Serve`."""


class Ready(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ready"):
    """It accepts connections."""


class Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="failed"):
    """It cannot start, and ends. reason, message: as of an error of ours."""

    reason: Annotated[str, msgspec.Meta(max_length=64)]
    message: Annotated[str, msgspec.Meta(max_length=4096)]


class Took(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="took"):
    """From now on it answers by what changed at that turn."""

    turn: Number


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="seen"):
    """Installations that asked for something since the last one, and were let in."""

    installations: Annotated[tuple[InstallationId, ...], msgspec.Meta(max_length=MAX_SEEN)]


class Count(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="count"):
    """What it counted since it began."""

    counted: Counted


Report = Loaded | Ready | Failed | Took | Seen | Count | Write
