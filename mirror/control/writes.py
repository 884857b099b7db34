"""What a worker asks control to write: the store has one writer. Pure: messages, and what their values may be.

Each is answered by `orders.Written` of the same number.
"""

from typing import Annotated

import msgspec

from ca.peer import MAX_CERTIFICATE
from ca.request import MAX_REQUEST
from mirror.control.values import InstallationId, Name, Number, Text


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


Write = Mint | Put | Ask
