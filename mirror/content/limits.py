"""What one worker lets its callers cost it: how many connections, and how many requests. Pure: the clock is passed in.

Connections are counted from the moment they are accepted, in all and by address, and by customer once they have proved
a certificate. Those that have not are the cheapest to make and the dearest to bear: an address may have as many of them
as there are places left. So one that takes all it can has half of the places, and however many others do the same,
there is room for who has none.

Requests are counted by token buckets, of which only what is not full is remembered, so that to forget one gives nobody
anything; and, while the worker is busy, by fair shares (max-min): what it managed in the last second is divided among
the customers that asked. Whoever asks for less than an equal share gets all of it; what that leaves is divided among
the others. While it is not busy nobody is held to a share, nor is a customer that asks alone.
"""

import math
from collections.abc import Collection
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from mirror.limits import Limits

BUSY: Final = 0.9
"""The part of a second's time from which on a worker is busy."""

MAX_WAIT: Final = 60.0
"""Most seconds that a caller is told to wait because others wait with it."""

SAVED_SECONDS: Final = 2.0
"""How many seconds' worth of requests may be saved up."""

MAX_NAMES: Final = 50_000
"""Installations, and customers, in each of the two parts of their buckets: these fill within seconds."""

_LEAST = 100.0  # requests a second that nobody is held below: they cost a worker 3 ms
_MARGIN = 1.25  # of an equal share: equal customers are not held to each other by chance
_LESS, _MORE = 0.97, 1.1  # of what the last second brought, while it is busy, and while it is not busy any more
_FLOOR = 0.7  # of what was managed before anybody was held: refusing itself may be what keeps it busy
_ROUNDING = 1e-6  # seconds


class Connections:
    """The connections of one worker, by who has them. `limits`: those of a worker (`Limits.for_worker`).

    A connection is told of with `admit`, then `proved`, at last `left`: that once, if it was admitted.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._addresses: dict[str, int] = {}
        self._unproved: dict[str, int] = {}
        self._customers: dict[str, int] = {}
        self.count = 0
        """Connections now."""
        self.handshaking = 0
        """Those of them that have not proved a certificate."""

    def admit(self, address: str) -> str | None:
        """A connection came from a textual IP address: None if it may stay, else why it is to be closed.

        That is `too-many`, `too-many-of-address` or `handshake-limit`; it is then not counted.
        """
        limits, key = self._limits, counted_as(address)
        if self.count >= limits.connections:
            return "too-many"
        if self._addresses.get(key, 0) >= limits.connections_per_address:
            return "too-many-of-address"
        if self._unproved.get(key, 0) >= limits.handshakes - self.handshaking:
            return "handshake-limit"
        self.count += 1
        self.handshaking += 1
        self._addresses[key] = self._addresses.get(key, 0) + 1
        self._unproved[key] = self._unproved.get(key, 0) + 1
        return None

    def proved(self, address: str, customer: str) -> str | None:
        """It has proved a certificate of the customer: None if it may stay, else `too-many-of-customer`.

        It then still counts as one that has proved nothing, until it has left.
        """
        if self._customers.get(customer, 0) >= self._limits.connections_per_customer:
            return "too-many-of-customer"
        self._customers[customer] = self._customers.get(customer, 0) + 1
        self.handshaking -= 1
        _less(self._unproved, counted_as(address))
        return None

    def left(self, address: str, customer: str | None = None) -> None:
        """It is closed. `customer`: if `proved` let it stay."""
        key = counted_as(address)
        self.count -= 1
        _less(self._addresses, key)
        if customer is None:
            self.handshaking -= 1
            _less(self._unproved, key)
        else:
            _less(self._customers, customer)


class Buckets:
    """A token bucket for each name.

    Of each is kept when it will be full again. What lay untouched for as long as a bucket takes to fill is full, and
    goes with the older of two parts.

    Args:
        every: seconds in which one token comes. saved: tokens in a full bucket, 1 at least.
        most: names in each of the parts.
    """

    def __init__(self, every: float, saved: float, most: int) -> None:
        self._most = most
        self._every = every
        self._bearable = every * (saved - 1)
        self._period = every * saved
        self._turned = -math.inf
        self._young: dict[str, float] = {}
        self._old: dict[str, float] = {}

    def wait(self, name: str, now: float) -> float:
        """0.0 if there is a token, else the seconds until there is one. Nothing is taken.

        A name for which there is no room waits until there is.
        """
        if now - self._turned >= self._period:
            self._turn(now)
        full = self._young.get(name)
        if full is None:
            if len(self._young) >= self._most:
                return self._turned + self._period - now
            full = self._old.get(name, now)
        ahead = full - now - self._bearable
        return ahead if ahead > _ROUNDING else 0.0

    def take(self, name: str, now: float) -> None:
        """Take the token that `wait` has just promised."""
        full = self._young.get(name)
        if full is None:
            full = self._old.get(name, now)
        self._young[name] = (max(now, full)) + self._every

    def give_back(self, name: str) -> None:
        """Take back what was taken just now."""
        if name in self._young:
            self._young[name] -= self._every

    def _turn(self, now: float) -> None:
        self._old = self._young if now - self._turned < 2 * self._period else {}
        self._young = {}
        self._turned = now


class Rates:
    """The requests of one worker. `limits`: those of a worker; `now`: seconds of a clock that never jumps."""

    def __init__(self, limits: Limits) -> None:
        self._installations = per_second(limits.requests_per_installation)
        self._customers = per_second(limits.requests_per_customer)
        self._per_customer = float(limits.requests_per_customer)
        self._share = math.inf
        self._since = -math.inf
        self._asked: dict[str, int] = {}
        self._given: dict[str, int] = {}
        self._held = False
        self._shown = 0.0

    def take(self, customer: str, now: float) -> float:
        """0.0 if a request may go on, else for how many seconds it is to wait: see `retry_after`.

        Of many that are refused, each is told to wait until those before it could be served.
        """
        asked = self._asked[customer] = self._asked.get(customer, 0) + 1
        given = self._given.get(customer, 0)
        if given >= self._share and given >= self._share * (now - self._since):
            self._held = True
            return self._queued(1.0, asked / self._share, now)
        wait = self._customers.wait(customer, now)
        if wait:
            return self._queued(wait, asked / self._per_customer, now)
        self._customers.take(customer, now)
        self._given[customer] = given + 1
        return 0.0

    def take_of(self, installation: str, customer: str, now: float) -> float:
        """As `take`, for one installation; to be asked behind it, once it is known to be the customer's.

        One that is refused costs its customer nothing: others of it need not suffer for it.
        """
        wait = self._installations.wait(installation, now)
        if wait:
            self._customers.give_back(customer)
            self._given[customer] = max(0, self._given.get(customer, 0) - 1)
        else:
            self._installations.take(installation, now)
        return wait

    def measured(self, busy: float, now: float) -> None:
        """Once a second: which part of the time since the last call the worker was at work, 0 to 1.

        A busy worker takes what it can; what it could not take waits, and is not seen. So those who have most get
        a little less from second to second until it is not busy any more, then a little more, until nobody is refused.
        """
        seconds, others = now - self._since, len(self._asked)
        given = sum(self._given.values()) / seconds if seconds > 0 else 0.0
        if not self._held:
            self._shown = given
        if (self._held or busy >= BUSY) and others > 1 and given:
            room = max(given * (_LESS if busy >= BUSY else _MORE), _FLOOR * self._shown)
            share = fair_share(room, [asked / seconds for asked in self._asked.values()])
            self._share = max(share, _MARGIN * given / others, _LEAST)
        else:
            self._share = math.inf
        self._since = now
        self._asked, self._given, self._held = {}, {}, False

    def _queued(self, wait: float, place: float, now: float) -> float:
        """`wait`, or until all are served that asked before in this second; `place`: their seconds."""
        return max(wait, min(place - (now - self._since), MAX_WAIT))


def fair_share(room: float, wanted: Collection[float]) -> float:
    """The most that each may get where the room is less than what all want together (max-min); else without end."""
    ordered = sorted(wanted)
    for place, one in enumerate(ordered):
        share = room / (len(ordered) - place)
        if one > share:
            return share
        room -= one
    return math.inf


def retry_after(wait: float, spread: float) -> int:
    """Whole seconds for the header `Retry-After` (RFC 9110 §10.2.3): not before `wait` is over, and at most twice that.

    `spread`: a random number from 0 to 1, so that those who were refused together do not come back together.
    """
    return max(1, math.ceil(wait * (1 + spread)))


@lru_cache(maxsize=4096)
def counted_as(address: str) -> str:
    """What an address is counted by: IPv4 whole, IPv6 by its /64, which is what one subscriber has of it."""
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except AddressValueError:
        return address
    return str(parsed.ipv4_mapped or f"{int(parsed) >> 64:x}/64")


def _less(counts: dict[str, int], key: str) -> None:
    count = counts[key] - 1
    if count:
        counts[key] = count
    else:
        del counts[key]


def per_second(rate: int) -> Buckets:
    """Buckets that fill at so many tokens a second."""
    return Buckets(1 / rate, SAVED_SECONDS * rate, MAX_NAMES)
