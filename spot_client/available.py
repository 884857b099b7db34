"""What is on offer to this customer altogether: licences from the mirror, components from each product's signed role.

A licence list only says where to look: what exists is said by the signed catalogue. A mirror that leaves something out
of it hides it from this list, and from nothing else.
"""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Protocol

import msgspec

from spot_client.believe import believing
from spot_client.decide.choose import Decision, Situation, choose
from spot_client.decide.site import Rule
from spot_client.errors import NotLicensed, NotTrusted
from spot_client.fetch.transport import Answer
from spot_client.offers import Offers
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


class Available(msgspec.Struct, frozen=True):
    """A component on offer: the version in use here, if any, and where it could go."""

    component: str
    installed: str | None
    decision: Decision


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


def available(
    offers: Offers, licensed: LicenceList, installed: Mapping[str, str], *, channel: str, platform: str, rule: Rule
) -> tuple[Available, ...]:
    """Every component of the licensed products, and where it could go here; sorted.

    Args:
        installed: the version in use by `PRODUCT/COMPONENT`.
        rule: the site's own.

    Raises:
        NotTrusted, NotReachable, Refused: the catalogue could not be had.
    """
    found = []
    for product in sorted({line.product for line in licensed.licences}):
        try:
            components = offers.components(product)
        except NotLicensed as error:  # a licence that has ended, or has not begun
            _log.debug("%s: %s", product, error)
            continue
        for component in components:
            others = {name: version for name, version in installed.items() if name != component}
            here = installed.get(component)
            situation = Situation(here, channel, platform, others, partial(rule.objection, component))
            found.append(Available(component, here, choose(offers.index(component), situation)))
    return tuple(found)
