"""What the mirror remembers about customers, and the protocol that every store of it keeps. Pure.

Moments are UTC, to the second. Days are UTC; a licence holds from the beginning of its first to the end of its last
day. `tests/mirror/records/contract.py` is this protocol as tests: every adapter passes it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol, TypeVar

import msgspec

from mirror.errors import RecordsError
from mirror.records.requests import CertificateRequests
from mirror.records.told import Changed, Holdings, Minted, Received


class Suspension(msgspec.Struct, frozen=True):
    """Since when a customer is refused everything, and why, as ops wrote it down (may be empty)."""

    since: datetime
    reason: str


class Customer(msgspec.Struct, frozen=True):
    """A customer, and since when; `suspended` while it is refused everything, whatever it is licensed for."""

    name: str
    added: datetime
    suspended: Suspension | None = None


class Licence(msgspec.Struct, frozen=True):
    """What a customer may fetch: channels (sorted), first and last day (None: open), installations paid for."""

    customer: str
    product: str
    channels: tuple[str, ...]
    valid_from: date
    valid_until: date | None
    installations: int

    def holds(self, today: date) -> bool:
        """Whether the licence is in force on the day `today`, in UTC."""
        return self.valid_from <= today and (self.valid_until is None or today <= self.valid_until)

    def is_over(self, today: date) -> bool:
        """Whether it is not in force on `today`, and will not be again; also one that ended before it began."""
        return self.valid_until is not None and self.valid_until < max(today, self.valid_from)


class Installation(msgspec.Struct, frozen=True):
    """An id that was minted. `last_seen`: the newest accepted request; `versions_as_of`: the newest thin snapshot."""

    id: str
    customer: str
    enrolled: datetime
    last_seen: datetime
    versions_as_of: datetime | None


class ThinSnapshot(msgspec.Struct, frozen=True):
    """A line of an installation's history: the same versions from `first` to `last`, the moments they were received."""

    installation: str
    components: dict[str, str]
    first: datetime
    last: datetime


class Holder(msgspec.Struct, frozen=True):
    """A customer with its licences, by product. `number`: its own for ever, also if one comes again under its name."""

    number: int
    customer: Customer
    licences: tuple[Licence, ...]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done to customers and licences, in this order.

    add: names of customers. grant: as `Records.grant`. end: licences, each with the `valid_until` it is to get.
    """

    add: tuple[str, ...] = ()
    grant: tuple[Licence, ...] = ()
    end: tuple[Licence, ...] = ()


C = TypeVar("C", bound=Changes)


class Records(CertificateRequests, Protocol):
    """The store. All calls are synchronous and may come from any thread; each is one transaction, durable on return.

    Raises (every call): `StoreFault`; and `RecordsError` (`bad-name`) for a customer or product that no id names, where
    one that is not there is `NotThere`.
    """

    def add_customer(self, name: str, now: datetime) -> Customer:
        """Add a customer. Raises `AlreadyThere`, or `RecordsError` (`bad-name`) for a name that is not an id."""
        ...

    def customers(self) -> Sequence[Customer]:
        """All customers, by name."""
        ...

    def suspend(self, name: str, reason: str, now: datetime) -> Customer:
        """Suspend a customer; returns what it was before. Installations, licences and history stay as they are.

        One that is suspended stays so since it was; a `reason` that is not empty replaces the older one.

        Raises:
            NotThere: no such customer.
            RecordsError: reason `bad-reason`: over 200 characters, or some that cannot be printed.
        """
        ...

    def resume(self, name: str) -> Customer:
        """End a suspension, if there is one; returns what the customer was before. Raises `NotThere`."""
        ...

    def remove_customer(self, name: str, today: date, *, dry_run: bool = False) -> Holdings:
        """Remove a customer for ever, with licences, installations and their history; returns what went.

        The lists of versions themselves stay: they are stored once for all customers, and name none.

        Args:
            today: in UTC.
            dry_run: only tell what would go.

        Raises:
            NotThere: no such customer.
            RecordsError: reason `in-force`: it is not suspended, and holds a licence that is in force or to come.
        """
        ...

    def change(self, decide: Callable[[Sequence[Customer], Sequence[Licence]], C], now: datetime) -> C:
        """Carry out what `decide` makes of all customers and all licences: all of it, or nothing. Returns it.

        Nobody else writes between the moment that `decide` is shown and the end; what it raises is passed on.

        Raises:
            AlreadyThere, NotThere, RecordsError: as `add_customer`, `grant` and `end_licence`.
        """
        ...

    def grant(self, licence: Licence) -> Licence | None:
        """Grant a licence, or replace the one of this customer and product, which is returned.

        Raises:
            NotThere: no such customer.
            RecordsError: reason `bad-name` or `bad-licence` (no channel, ends before it begins, number below 1).
        """
        ...

    def end_licence(self, customer: str, product: str, last_day: date) -> Licence:
        """Let a licence end with `last_day`, never later than it does already; returns it as it ends.

        One that would end before it begins is removed. Raises `NotThere`.
        """
        ...

    def licences(self, customer: str | None = None) -> Sequence[Licence]:
        """Licences, ended ones too, by customer and product."""
        ...

    def mint(self, customer: str, request: bytes, draw: Callable[[], str], now: datetime) -> Installation:
        """Mint an id for an installation of `customer`.

        Args:
            request: what makes a repeated request the same one (an idempotency key's digest): the same `customer` and
                `request` get the same installation again.
            draw: draws a new id; called again while the first 8 characters of the id are taken.

        Raises:
            NotThere: no such customer.
            RecordsError: reason `no-free-id`, if every id drawn was taken.
        """
        ...

    def installation(self, installation: str) -> Installation | None:
        """One installation by its whole id."""
        ...

    def installations(
        self, customer: str | None = None, prefix: str = "", *, after: str = "", limit: int | None = None
    ) -> Sequence[Installation]:
        """Installations by customer and id; `prefix`: only ids that begin so.

        after, limit: pages of one customer's: ids behind that one only, and so many at most.
        """
        ...

    def seen(self, moments: Mapping[str, datetime]) -> None:
        """Move `last_seen` forward, by id; never back, and ids that do not exist are passed over."""
        ...

    def put_thin_snapshot(self, installation: str, components: Mapping[str, str], now: datetime) -> bool:
        """Store what an installation has; durable on return. True if it differs from the newest one stored.

        The same versions as the newest only move that line's `last`. Moves `last_seen` too.

        Raises:
            NotThere: no such installation.
            RecordsError: reason `bad-name`.
        """
        ...

    def put_thin_snapshots(self, batch: Sequence[Received]) -> Sequence[bool | RecordsError]:
        """Store several, in this order, as one transaction; what one of them comes to changes nothing for the others.

        Returns for each what `put_thin_snapshot` would return or raise; only a `StoreFault` is raised, and then nothing
        was stored.
        """
        ...

    def thin_snapshots(self, installation: str, limit: int | None = None) -> Sequence[ThinSnapshot]:
        """The history of an installation, newest first."""
        ...

    def newest_thin_snapshots(self, customer: str | None = None) -> Sequence[ThinSnapshot]:
        """The newest line of every installation that has one, by installation id."""
        ...

    def marker(self) -> int:
        """A number that grows whenever customers, licences or the set of installations change; cheap to ask.

        Suspensions are among it.
        """
        ...

    def changes(self, since: int) -> Changed:
        """Whose customer or licences changed since the marker was `since`; more than happened may be named, never less.

        Installations that were minted are not among it: `minted` tells them.
        """
        ...

    def holder(self, name: str) -> Holder | None:
        """One customer with its licences."""
        ...

    def holders(self, after: str, limit: int) -> Sequence[Holder]:
        """At most `limit` customers behind the name `after`, by name, with their licences."""
        ...

    def minted(self, after: int, limit: int) -> Sequence[Minted]:
        """At most `limit` installations behind the number `after`, by number.

        What is minted gets a number behind all that are and were, and is read by whoever asks after the mint returned.
        """
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...
