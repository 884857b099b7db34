"""What a request reads: customers and licences, revocations, and the catalogue, all at one moment.

A request takes `state` once and sees nothing change under it. No issuing CA is added while a worker lives: they are the
anchors of the TLS context too. One that a reload took out is trusted no more by the workers that drain, either.
"""

from collections.abc import Container, Sequence
from datetime import timedelta
from itertools import count

import msgspec
from cryptography import x509

from mirror.content.shelf import Shelved
from mirror.content.world import Validity, World
from mirror.memory.place import Opened
from mirror.memory.read import CatalogueView, Reader
from spot_client.wire.digest import sha256_hex


class Fixed(msgspec.Struct, frozen=True):
    """What a worker begins with.

    grace: how long a revocation list counts after it has lapsed. renewal_grace: how long after its end a client's
    certificate can still be renewed with.
    """

    realm: str
    issuers: Sequence[x509.Certificate]
    grace: timedelta
    renewal_grace: timedelta


class State(msgspec.Struct, frozen=True):
    """All of it at one moment. `timestamp`: the timestamp.json of `catalogue`. `customers`: how many there are."""

    world: World
    catalogue: CatalogueView
    timestamp: Shelved
    customers: int


class Memory:
    """The newest state of a memory that is filled elsewhere; `renew` replaces it whole."""

    def __init__(self, opened: Opened, fixed: Fixed) -> None:
        """Take the memory as it is now. Raises MemoryFault: reason `memory-unusable`."""
        self._reader, self._realm, self._grace = Reader(opened), fixed.realm, fixed.grace
        self._renewal_grace = fixed.renewal_grace
        self._issuers = {_key_id(issuer): _validity(issuer) for issuer in fixed.issuers}
        self._numbers = count(1)
        self.state = self._read()

    def renew(self) -> None:
        """See what has changed. Raises MemoryFault: reason `memory-unusable`; the state stays."""
        self.state = self._read()

    def narrow(self, issuers: Container[str], grace: timedelta) -> None:
        """Trust none but these issuing CAs any more (key identifiers, hexadecimal), and no lapsed list for longer."""
        self._issuers = {key: validity for key, validity in self._issuers.items() if key.hex() in issuers}
        self._grace = min(self._grace, grace)
        world = msgspec.structs.replace(
            self.state.world, issuers=self._issuers, grace=self._grace, number=next(self._numbers)
        )
        self.state = msgspec.structs.replace(self.state, world=world)

    def _read(self) -> State:
        view = self._reader.view()
        world = World(
            realm=self._realm,
            issuers=self._issuers,
            revocations=view.revocations,
            grace=self._grace,
            holders=view.holders,
            installations=view.installations,
            owns=view.installations.owns,
            renewal_grace=self._renewal_grace,
            number=next(self._numbers),
        )
        return State(world, view.catalogue, Shelved(view.timestamp, sha256_hex(view.timestamp)), view.count)


def _key_id(issuer: x509.Certificate) -> bytes:
    return issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.key_identifier


def _validity(issuer: x509.Certificate) -> Validity:
    return Validity(issuer.not_valid_before_utc, issuer.not_valid_after_utc)
