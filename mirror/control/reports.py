"""What a worker tells control. Pure: messages, and what their values may be.

A worker faces outside, so control believes it little: names have their form, lists an end, and no message carries a
moment. Control's own clock says when something was written or seen.
"""

from typing import Annotated, Final

import msgspec

from ca.peer import MAX_CERTIFICATE
from ca.request import MAX_REQUEST
from mirror.counters import Counted

MAX_SEEN: Final = 1000
"""Installations in one `Seen`."""

Number = Annotated[int, msgspec.Meta(ge=0)]
InstallationId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-hjkmnp-tv-z]{16}\Z")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=63)]


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


class Mint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="mint"):
    """Mint an id for an installation of a customer. request: the digest that makes a repeated one the same."""

    number: Number
    customer: Name
    request: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class Put(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="put"):
    """Store what an installation has: versions by component."""

    number: Number
    installation: InstallationId
    components: dict[Text, Text]


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ask"):
    """Have a request for a certificate wait, or tell what has come of it; as `mirror.records.requests.Asked`."""

    number: Number
    installation: InstallationId
    enrols: bool
    request: Annotated[bytes, msgspec.Meta(max_length=MAX_REQUEST)]
    requester: Annotated[bytes, msgspec.Meta(max_length=MAX_CERTIFICATE)]


Report = Loaded | Ready | Failed | Took | Seen | Count | Mint | Put | Ask
