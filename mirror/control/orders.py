"""What control tells a worker. Pure: messages, and what their values may be."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from ca.credentials import Credentials


class Setup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="setup"):
    """The first order. config: a `mirror.config.Config` as builtins, paths absolute; sockets: inherited descriptors.

    credentials, issuers: the server's, and the issuing CAs' certificates (DER), as control read and checked them.
    workers: how many of them serve, this one too. memory: the folder of what they all read. rings: that of audit lines.
    """

    config: dict[str, Any]
    credentials: Credentials
    issuers: tuple[bytes, ...]
    sockets: tuple[int, ...]
    workers: int
    memory: str
    rings: str


class Serve(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="serve"):
    """Begin to accept connections; answered by `reports.Ready`."""


class Changed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="changed"):
    """Something in the memory has changed; answered by `reports.Took` of the same turn."""

    turn: int


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why nothing was written. refused: for a reason of the records. seconds: how long to wait, for `too-often`."""

    kind: Literal["not-there", "store", "too-often", "refused"]
    reason: str
    message: str
    seconds: Annotated[int, msgspec.Meta(ge=0)] = 0


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="written"):
    """What came of the request to write of that number: it is durable, or there is a fault.

    installation: the id, for a `writes.Mint`. certificate: DER, and denied: why, for a `writes.Ask`; since: it
    waits.
    """

    number: int
    installation: str | None = None
    certificate: bytes | None = None
    denied: str | None = None
    since: datetime | None = None
    fault: Fault | None = None


class Narrow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="narrow"):
    """Let nobody go on whom the configuration that follows would not let in.

    issuers: the key identifiers of its issuing CAs, in hexadecimal; what is not among them is trusted no more.
    grace_days: for how long it lets a revocation list count that has lapsed; a longer time than before counts not.
    """

    issuers: tuple[str, ...]
    grace_days: Annotated[int, msgspec.Meta(ge=0)]


class Drain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="drain"):
    """Accept nothing any more, finish what runs in so many seconds, then end. A second one shortens the time."""

    seconds: Annotated[float, msgspec.Meta(ge=0)]


Order = Setup | Serve | Changed | Written | Narrow | Drain
