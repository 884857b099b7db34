"""Who may do what: one decision for every request, from what the mirror knows at that moment (DESIGN §2.1, §2.5).

The handshake proved possession of a certificate that one of our issuing CAs signed. Everything else is decided here,
per request, so that it binds live and resumed sessions as well. The order of the checks is part of the rule: what is
wrong with the certificate is said before anything about routes, and licences before what exists, so an answer never
tells a caller of something it may not see. What is not allowed is refused; nothing is allowed by falling through.

Pure: the peer, the request, the world and the clock come in, a decision goes out.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from ca.identity import Identity, Role
from ca.peer import Peer
from mirror.content.world import Validity, World
from mirror.memory.values import Holding
from spot_client.wire.problem import Reason
from spot_client.wire.routes import METHODS, Kind, Route

_READABLE_BY_MIRRORS: Final = frozenset(
    {Kind.METADATA, Kind.TARGET, Kind.BASELINES, Kind.HALTS, Kind.TRUST, Kind.MANIFEST, Kind.PACK}
)
_CUSTOMERS: Final = (Role.CLIENT, Role.ENROL)
_FOR_CERTIFICATES: Final = frozenset({Kind.ENROL, Kind.REENROL})
_FOR_ENROLLING: Final = frozenset({Kind.INSTALLATIONS, Kind.ENROL})


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


class Standing(msgspec.Struct, frozen=True):
    """Who a caller is, and what that is worth at one moment, whatever it asks for.

    denial: that of a customer, of which nothing is said before routes are. lapsed: that of a certificate which has
    ended just now, and can do nothing but be renewed with. channels: those that licences in force name, by product.
    """

    identity: Identity
    denial: Deny | None = None
    lapsed: Deny | None = None
    channels: Mapping[str, frozenset[str]] = {}


def decide(
    *, peer: Peer, route: Route | None, method: str, world: World, now: datetime, installation: str | None = None
) -> Allow | Deny:
    """Decide one request: `judge`, then `ask`.

    Args:
        route: None if the path leads nowhere.
        now: UTC; licences hold by its day.
        installation: the one the caller says it is, beside its certificate.
    """
    return ask(judge(peer, world, now), world, route, method, installation)


def counted_as(peer: Peer, realm: str) -> str | None:
    """The customer whose requests a caller's are; also those that will be denied, which it could make without end."""
    identity = peer.identity
    if identity is None or peer.problems or identity.role not in _CUSTOMERS or identity.realm != realm:
        return None
    return identity.name


def judge(peer: Peer, world: World, now: datetime) -> Standing | Deny:
    """The part of a decision that no request changes: all that the certificate and the customer decide. `now`: UTC."""
    identity = peer.identity
    if identity is None or peer.problems:
        return Deny(Reason.BAD_CERTIFICATE, " ".join(peer.problems))
    lapsed = _dates(peer, now, "certificate")
    if lapsed is not None and _may_renew(identity, peer, world, now):
        dates, ending = None, lapsed
    else:
        dates, ending = lapsed, None
    denial = _issuer(peer, world, now) or _realm(identity, world) or dates or _revocation(peer, world, now)
    if denial is not None:
        return denial
    if identity.role not in _CUSTOMERS:
        return Standing(identity)
    holding = world.holders.get(identity.name)
    if holding is None:
        return Standing(identity, Deny(Reason.UNKNOWN_CUSTOMER, identity.name), ending)
    # A suspension comes before licences: it holds for all that a client may ask, with a product in it or without.
    suspension = Deny(Reason.SUSPENDED, identity.name) if holding.suspended else None
    return Standing(identity, suspension, ending, _channels(holding, now))


def ask(
    standing: Standing | Deny, world: World, route: Route | None, method: str, installation: str | None = None
) -> Allow | Deny:
    """The rest of it, in the world of `judge`; see `decide`."""
    if isinstance(standing, Deny):
        return standing
    identity = standing.identity
    denial = (standing.lapsed and _lapsed(standing.lapsed, route)) or _role(identity, route)
    if denial is not None:
        return denial
    if route is None:
        return Deny(Reason.NOT_FOUND, "no such route")
    if method not in METHODS[route.kind]:
        return Deny(Reason.METHOD_NOT_ALLOWED, route.kind.value)
    if identity.role is Role.MIRROR:
        return Allow(identity, route, None)
    channels: frozenset[str] | None = frozenset()
    denial = standing.denial
    if denial is None and route.product is not None:
        # Any licence in force for the product lets in; a release must then be offered in a channel that it names.
        channels = standing.channels.get(route.product)
        denial = Deny(Reason.NOT_LICENSED, route.product) if channels is None else None
    denial = denial or _installation(identity, route, installation, world)
    if denial is not None:
        return denial
    return Allow(identity, route, identity.installation or route.installation or installation, channels)


def _channels(holding: Holding, now: datetime) -> dict[str, frozenset[str]]:
    today = now.astimezone(UTC).date()
    found: dict[str, frozenset[str]] = {}
    for licence in holding.licences:
        if licence.holds(today):
            named = frozenset(licence.channels)
            before = found.get(licence.product)
            found[licence.product] = named if before is None else before | named
    return found


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


def _may_renew(identity: Identity, peer: Peer, world: World, now: datetime) -> bool:
    """Whether a client's certificate ended so short a time ago that another can be asked for with it."""
    return identity.role is Role.CLIENT and timedelta(0) < now - peer.not_after <= world.renewal_grace


def _lapsed(denial: Deny, route: Route | None) -> Deny | None:
    return None if route is not None and route.kind in _FOR_CERTIFICATES else denial


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
    """Clients may ask for anything, who enrols enrols, mirrors read what they copy; nobody else has business here."""
    if identity.role is Role.CLIENT:
        return None
    if identity.role is Role.ENROL:
        may = route is not None and route.kind in _FOR_ENROLLING
        return None if may else Deny(Reason.ENROL_ONLY, identity.name)
    if identity.role is Role.MIRROR and (route is None or route.kind in _READABLE_BY_MIRRORS):
        return None
    return Deny(Reason.WRONG_ROLE, identity.role.value)


def _installation(identity: Identity, route: Route, claimed: str | None, world: World) -> Deny | None:
    """Certificate, path and claim name one installation, if any; it is the customer's, and one that was minted.

    One that has a certificate of its own is spoken for by no other.
    """
    kind = route.kind
    if identity.installation is not None:
        if kind is Kind.ENROL or kind is Kind.INSTALLATIONS:
            return Deny(Reason.NOT_YOUR_INSTALLATION, "the certificate names an installation already")
    elif kind is Kind.REENROL:
        return Deny(Reason.NOT_YOUR_INSTALLATION, "the certificate names no installation: simpleenroll is for it")
    elif route.installation is not None and world.owns(route.installation):
        return Deny(Reason.OWN_CERTIFICATE, "another certificate of the customer")
    if claimed is None and route.installation is None and identity.installation is None:
        return None
    named = {name for name in (identity.installation, route.installation, claimed) if name is not None}
    if len(named) > 1:
        return Deny(Reason.NOT_YOUR_INSTALLATION, "two installations are named")
    for name in named:
        if world.installations.get(name) != identity.name:
            return Deny(Reason.NOT_YOUR_INSTALLATION, "not one of this customer")
    return None
