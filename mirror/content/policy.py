"""Who may do what: one decision for every request, from what the mirror knows at that moment (DESIGN §2.1, §2.5).

The handshake proved possession of a certificate that one of our issuing CAs signed. Everything else is decided here,
per request, so that it binds live and resumed sessions as well. The order of the checks is part of the rule: what is
wrong with the certificate is said before anything about routes, and licences before what exists, so an answer never
tells a caller of something it may not see. What is not allowed is refused; nothing is allowed by falling through.

Pure: the peer, the request, the world and the clock come in, a decision goes out.
"""

from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar

import msgspec

from ca.identity import Identity, Role
from ca.peer import Peer
from mirror.records.protocol import Licence
from spot_client.wire.problem import Reason
from spot_client.wire.routes import METHODS, Kind, Route

_READABLE_BY_MIRRORS: Final = frozenset(
    {Kind.METADATA, Kind.TARGET, Kind.BASELINES, Kind.HALTS, Kind.TRUST, Kind.MANIFEST, Kind.PACK}
)


K_contra = TypeVar("K_contra", contravariant=True)
V_co = TypeVar("V_co", covariant=True)


class Lookup(Protocol[K_contra, V_co]):
    """Something to look up in, however much there is of it; a dictionary is one."""

    def get(self, key: K_contra, /) -> V_co | None:
        """The value; None if there is none."""
        ...


class RevocationList(Protocol):
    """What one CRL says, as `ca.revocation.Revocations`."""

    @property
    def issuer_key(self) -> bytes:
        """The issuer's key identifier."""
        ...

    @property
    def serials(self) -> Container[int]:
        """What is revoked."""
        ...

    @property
    def number(self) -> int:
        """The CRL's number."""
        ...

    @property
    def this_update(self) -> datetime:
        """When it begins, UTC."""
        ...

    @property
    def next_update(self) -> datetime:
        """When the next one is due, UTC."""
        ...


class Validity(msgspec.Struct, frozen=True):
    """The first and the last second of an issuing CA's certificate, in UTC."""

    not_before: datetime
    not_after: datetime


class World(msgspec.Struct, frozen=True):
    """What the mirror knows at one moment.

    issuers, revocations: by the issuing CA's key identifier. grace: how long a CRL is believed after `next_update`.
    licences: by customer, ended ones too. installations: customer by installation id. suspended: those of `customers`
    who are refused everything.
    """

    realm: str
    issuers: Mapping[bytes, Validity]
    revocations: Mapping[bytes, RevocationList]
    grace: timedelta
    customers: Container[str]
    licences: Lookup[str, tuple[Licence, ...]]
    installations: Lookup[str, str]
    suspended: Container[str] = frozenset()


class Allow(msgspec.Struct, frozen=True):
    """Go on: `identity` is who asks, `installation` the one it speaks for, if it names one.

    channels: those that the caller's licences for the route's product name; None: all of them, for a mirror.
    """

    identity: Identity
    route: Route
    installation: str | None
    channels: frozenset[str] | None = None


class Deny(msgspec.Struct, frozen=True):
    """Refuse. `detail` is for the audit line only: the caller gets the one sentence of the reason."""

    reason: Reason
    detail: str


def decide(
    *, peer: Peer, route: Route | None, method: str, world: World, now: datetime, installation: str | None = None
) -> Allow | Deny:
    """Decide one request.

    Args:
        route: None if the path leads nowhere.
        now: UTC; licences hold by its day.
        installation: the one the caller says it is, beside its certificate.
    """
    identity = peer.identity
    if identity is None or peer.problems:
        return Deny(Reason.BAD_CERTIFICATE, " ".join(peer.problems))
    denial = (
        _issuer(peer, world, now)
        or _realm(identity, world)
        or _dates(peer, now, "certificate")
        or _revocation(peer, world, now)
        or _role(identity, route)
    )
    if denial:
        return denial
    if route is None:
        return Deny(Reason.NOT_FOUND, "no such route")
    if method not in METHODS[route.kind]:
        return Deny(Reason.METHOD_NOT_ALLOWED, route.kind.value)
    if identity.role is Role.MIRROR:
        return Allow(identity, route, None)
    held = _in_force(identity.name, route, world, now)
    denial = (
        _customer(identity.name, world) or _licensed(route, held) or _installation(identity, route, installation, world)
    )
    if denial:
        return denial
    spoken_for = identity.installation or route.installation or installation
    return Allow(identity, route, spoken_for, _channels(held))


def _channels(held: Sequence[Licence]) -> frozenset[str]:
    if len(held) == 1:
        return frozenset(held[0].channels)
    return frozenset(channel for licence in held for channel in licence.channels)


def _issuer(peer: Peer, world: World, now: datetime) -> Deny | None:
    issuer = world.issuers.get(peer.issuer_key)
    if issuer is None:
        return Deny(Reason.UNKNOWN_ISSUER, peer.issuer_key.hex())
    return _dates(issuer, now, "issuing CA")


def _realm(identity: Identity, world: World) -> Deny | None:
    return None if identity.realm == world.realm else Deny(Reason.OTHER_REALM, identity.realm)


def _dates(dated: Validity | Peer, now: datetime, what: str) -> Deny | None:
    """RFC 5280 §4.1.2.5: both ends belong to the period."""
    if now < dated.not_before:
        return Deny(Reason.NOT_YET_VALID, f"{what} begins {dated.not_before:%Y-%m-%dT%H:%M:%SZ}")
    if now > dated.not_after:
        return Deny(Reason.EXPIRED, f"{what} ended {dated.not_after:%Y-%m-%dT%H:%M:%SZ}")
    return None


def _revocation(peer: Peer, world: World, now: datetime) -> Deny | None:
    revocations = world.revocations.get(peer.issuer_key)
    if revocations is None:
        return Deny(Reason.REVOCATION_UNKNOWN, "no CRL of this issuer")
    if now > revocations.next_update + world.grace:
        return Deny(Reason.REVOCATION_UNKNOWN, f"CRL lapsed {revocations.next_update:%Y-%m-%dT%H:%M:%SZ}")
    if peer.serial in revocations.serials:
        return Deny(Reason.REVOKED, f"CRL {revocations.number}")
    return None


def _role(identity: Identity, route: Route | None) -> Deny | None:
    """Clients may ask for anything here, mirrors read what they copy; nobody else has business on this listener."""
    if identity.role is Role.CLIENT:
        return None
    if identity.role is Role.MIRROR and (route is None or route.kind in _READABLE_BY_MIRRORS):
        return None
    return Deny(Reason.WRONG_ROLE, identity.role.value)


def _customer(customer: str, world: World) -> Deny | None:
    """A suspension comes before licences: it holds for all that a client may ask, with a product in it or without."""
    if customer not in world.customers:
        return Deny(Reason.UNKNOWN_CUSTOMER, customer)
    if customer in world.suspended:
        return Deny(Reason.SUSPENDED, customer)
    return None


def _licensed(route: Route, held: Sequence[Licence]) -> Deny | None:
    """Any licence in force for the product lets in; a release must then be offered in a channel that it names."""
    return None if route.product is None or held else Deny(Reason.NOT_LICENSED, route.product)


def _in_force(customer: str, route: Route, world: World, now: datetime) -> list[Licence]:
    today = now.astimezone(UTC).date()
    held = world.licences.get(customer) or ()
    return [licence for licence in held if licence.product == route.product and licence.holds(today)]


def _installation(identity: Identity, route: Route, claimed: str | None, world: World) -> Deny | None:
    """Certificate, path and claim name one installation, if any; it is the customer's, and one that was minted."""
    if route.kind is Kind.INSTALLATIONS and identity.installation is not None:
        return Deny(Reason.NOT_YOUR_INSTALLATION, "the certificate names an installation already")
    named = {name for name in (identity.installation, route.installation, claimed) if name is not None}
    if len(named) > 1:
        return Deny(Reason.NOT_YOUR_INSTALLATION, "two installations are named")
    for name in named:
        if world.installations.get(name) != identity.name:
            return Deny(Reason.NOT_YOUR_INSTALLATION, "not one of this customer")
    return None
