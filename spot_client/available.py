"""What is on offer to this customer: where a component could go, and which there are altogether.

Licences come from the mirror, components from each product's signed role.

A licence list only says where to look: what exists is said by the signed catalogue. A mirror that leaves something out
of it hides it from this list, and from nothing else.
"""

import logging
from functools import partial
from typing import Protocol

import msgspec

from spot_client.believe import believing
from spot_client.decide.choose import Decision, Situation, choose
from spot_client.decide.site import Rule
from spot_client.decide.stops import Stop, Stops
from spot_client.errors import NotLicensed, NotTrusted
from spot_client.fetch.answer import Answer
from spot_client.offers import Offers
from spot_client.state import State
from spot_client.wire import document, licences, names
from spot_client.wire.errors import BadName
from spot_client.wire.licences import LicenceList
from spot_client.wire.routes import Kind, Route

_log = logging.getLogger(__name__)


class Getter(Protocol):
    """What fetches: `spot_client.fetch.transport.Transport`."""

    def get(self, path: str, *, max_bytes: int) -> Answer:
        """The whole answer to a GET of `path`. Raises `SpotError`."""
        ...


class Place(msgspec.Struct, frozen=True):
    """What this machine takes: releases of a channel, for a platform, that the site's own `rule` allows."""

    channel: str
    platform: str
    rule: Rule


class Available(msgspec.Struct, frozen=True):
    """A component on offer: the version in use here, if any, where it could go, and whether that in use was stopped.

    waiting: newer versions that are not on the site's list, oldest first.
    """

    component: str
    installed: str | None
    decision: Decision
    stopped: Stop | None
    waiting: tuple[str, ...] = ()


def fetch_licences(getter: Getter) -> LicenceList:
    """The customer's licences, ended ones too.

    Raises:
        NotTrusted: the answer is not a list of licences, or names a product that none may be called.
        SpotError: what the getter raises.
    """
    raw = getter.get(Route(kind=Kind.LICENCES).path, max_bytes=licences.MAX_BYTES).body
    with believing():
        found = document.decode(raw, LicenceList, max_bytes=licences.MAX_BYTES, what="The mirror's list of licences")
    try:
        for line in found.licences:
            names.check_product(line.product)
    except BadName as error:
        raise NotTrusted(error.reason, f"The mirror's list of licences cannot be used: {error}") from error
    return found


def look(offers: Offers, component: str, state: State, place: Place, *, wanted: str | None = None) -> Available:
    """Where `component` could go on this machine: to the version `wanted`, or to the newest.

    Raises:
        NotLicensed, NotTrusted, NotReachable, Refused, RefusedLocally, LocalFault: as `Offers.index`.
    """
    known, others = state.components.get(component), state.versions
    here, built_for = others.pop(component, None), known.current.platform if known else "any"
    index, halts = offers.index(component), offers.halts(component)
    objection = partial(place.rule.objection, component)
    situation = Situation(here, place.channel, place.platform, others, built_for, objection)
    decision = choose(index, situation, wanted=wanted, halts=halts)
    stopped = Stops(index.tombstones, halts).of(here, built_for) if here else None
    waiting = place.rule.waiting(index, channel=place.channel, platform=place.platform, after=here)
    return Available(component, here, decision, stopped, waiting)


def available(offers: Offers, licensed: LicenceList, state: State, place: Place) -> tuple[Available, ...]:
    """Every component of the licensed products, and where it could go here; sorted.

    Raises:
        NotTrusted, NotReachable, Refused, RefusedLocally, LocalFault: as `Offers.index`.
    """
    found = []
    for product in sorted({line.product for line in licensed.licences}):
        try:
            components = offers.components(product)
        except NotLicensed as error:  # a licence that has ended, or has not begun
            _log.debug("%s: %s", product, error)
            continue
        found += [look(offers, component, state, place) for component in components]
    return tuple(found)
