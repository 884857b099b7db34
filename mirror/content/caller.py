"""Whom a connection's certificate names: read once a connection, and judged once a second."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

from ca.errors import IdentityError
from ca.identity import Role
from ca.peer import Peer, read_peer
from mirror.content.moment import Moment
from mirror.content.policy import Deny, Standing, counted_as, judge
from mirror.content.world import World

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Caller(msgspec.Struct):
    """Who calls, and how audit lines say that. Callers with the same certificate may be one and the same.

    certificate: DER; empty, if there is none. counted_as: the customer whose requests its own are. standing: what was
    judged of it last, in the world of that number at `moment`. It outlives connections, and must hold no world: each of
    them is a transaction of the memory.
    """

    peer: Peer
    certificate: bytes
    serial: str
    role: str | None
    customer: str | None
    name: str | None
    installation: str | None
    counted_as: str | None = None
    standing: Standing | Deny | None = None
    number: int = -1
    moment: Moment | None = None

    def judged(self, world: World, moment: Moment) -> Standing | Deny:
        """What the policy says of it, whatever it asks for; found out once for a second and a world."""
        standing = self.standing
        if standing is None or self.moment is not moment or self.number != world.number:
            standing = self.standing = judge(self.peer, world, moment.begin)
            self.counted_as = counted_as(self.peer, world.realm)
            self.number, self.moment = world.number, moment
        return standing


def caller_of(der: bytes | None) -> Caller:
    """Whom a certificate names; nobody, if there is none or it cannot be read."""
    try:
        return _NOBODY if der is None else _read(der)
    except IdentityError:
        return _NOBODY


@lru_cache(maxsize=4096)
def _read(der: bytes) -> Caller:
    return _caller(read_peer(der), der)


def _caller(peer: Peer, der: bytes = b"") -> Caller:
    identity, serial = peer.identity, f"{peer.serial:x}"
    if identity is None:
        return Caller(peer, der, serial, None, None, None, None)
    is_customer = identity.role in (Role.CLIENT, Role.ENROL)
    customer, name = (identity.name, None) if is_customer else (None, identity.name)
    return Caller(peer, der, serial, identity.role.value, customer, name, identity.installation)


_NOBODY: Final = _caller(Peer(None, ("bad-certificate",), 0, b"", _NEVER, _NEVER))
