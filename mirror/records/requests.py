"""What the mirror remembers of requests for certificates, and the protocol that every store of it keeps. Pure.

A request waits until the host that signs has answered it. Whoever sends the very same bytes again asks about the same
request, and gets the same answer. `tests/mirror/records/requests.py` is this protocol as tests.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec


class Asked(msgspec.Struct, frozen=True):
    """A request as it came. digest: SHA-256 of `request`, 32 bytes; request, requester: DER, of the request and of the
    certificate that it came with. enrols: that one is not the installation's own."""

    digest: bytes
    installation: str
    enrols: bool
    request: bytes
    requester: bytes


class Answered(msgspec.Struct, frozen=True):
    """What came of a request. certificate: DER. denied: why, in a word; None: it is not. since: of one that waits."""

    certificate: bytes | None = None
    denied: str | None = None
    since: datetime | None = None


class Waiting(msgspec.Struct, frozen=True):
    """A request that waits. number: its place in the order of coming."""

    number: int
    asked: Asked
    received: datetime


class Owned(msgspec.Struct, frozen=True):
    """An installation that has a certificate of its own: a number of the marker, its id, the number of its `Holder`."""

    number: int
    id: str
    holder: int


class CertificateRequests(Protocol):
    """Part of `mirror.records.protocol.Records`, and like it in all else."""

    def ask(self, asked: Asked, now: datetime) -> Answered:
        """Have a request wait, if it is not known yet; returns what has come of it.

        Raises:
            NotThere: no such installation.
            TooOften: of this installation, as many wait as may.
            RecordsError: reason `own-certificate`: it enrols, and the installation has a certificate of its own;
                `other-installation`: this request was sent for another one.
        """
        ...

    def waiting(self, after: int, limit: int) -> Sequence[Waiting]:
        """At most `limit` requests that wait, behind the number `after`, by number."""
        ...

    def find_request(self, digest: bytes) -> Asked | None:
        """A request, whether it waits or not."""
        ...

    def answer(self, digest: bytes, answered: Answered, now: datetime) -> bool:
        """Answer a request; False if it was answered otherwise, and that stays. With a certificate, the installation
        has one of its own from then on. Raises NotThere: no such request."""
        ...

    def owned(self, after: int, limit: int) -> Sequence[Owned]:
        """At most `limit` installations that have a certificate of their own, behind the number `after`, by number."""
        ...
