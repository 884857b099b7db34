"""Answers about the caller itself: its licences, a new installation id, its thin snapshots.

Only these write, through a `Writer`, and each answers only after the store has committed. A thin snapshot holds
versions that were published in products that the customer holds or held a licence for, and nothing else is kept
(DESIGN §2.6).
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Final, Protocol

from mirror.content.answer import Answer
from mirror.content.bodies import read_body
from mirror.content.head import Request
from mirror.content.memory import State
from mirror.content.policy import Allow
from mirror.content.problems import Refused
from mirror.errors import NotThere, TooOften
from mirror.records.protocol import Licence
from spot_client.wire import document, installation, thin_snapshot
from spot_client.wire.errors import FormatError
from spot_client.wire.licences import LicenceLine, LicenceList
from spot_client.wire.problem import Reason

_JSON: Final = {"Content-Type": "application/json", "Cache-Control": "private, no-store"}
_IDEMPOTENCY_KEY: Final = re.compile(r"[A-Za-z0-9-]{16,64}", re.ASCII)
_UNIQUE_BYTES: Final = 32


class Writer(Protocol):
    """What writes into the store, elsewhere. It is durable on return, and written at the moment it came there."""

    async def mint(self, customer: str, request: bytes) -> str:
        """The id of a new installation of a customer, which everybody who answers knows on return.

        Args:
            request: a digest of 32 bytes: the same `customer` and `request` get the same installation again.

        Raises:
            NotThere: no such customer.
            StoreFault: nothing was written.
        """
        ...

    async def put_thin_snapshot(self, installation: str, components: Mapping[str, str]) -> None:
        """Store what an installation has.

        Raises:
            TooOften: it stored others just now.
            NotThere: no such installation.
            StoreFault: nothing was written.
        """
        ...


class Customers:
    """Answers `Kind.LICENCES`, `INSTALLATIONS` and `THIN_SNAPSHOT`, for callers that the policy let in."""

    def __init__(self, writer: Writer, random: Callable[[int], bytes]) -> None:
        """`random` gives so many random bytes, fit for secrets."""
        self._writer = writer
        self._random = random

    def licences(self, allowed: Allow, state: State) -> Answer:
        """The customer's licences, ended ones too: SPOT tells an ended one from none."""
        customer = allowed.identity.name
        lines = sorted(map(_line, _licences(customer, state)), key=lambda line: line.product)
        body = document.encode(LicenceList(customer=customer, licences=tuple(lines)))
        return Answer(200, dict(_JSON), (body,))

    async def mint(self, allowed: Allow, request: Request, check: Callable[[], None]) -> Answer:
        """A new installation id; the same one for a repeated `Idempotency-Key`, of which only the digest is kept.

        `check` raises Refused if the caller is not let in any more; it is asked when the body is there.

        Raises:
            Refused: `bad-request` for a key that is not 16 to 64 letters, digits or hyphens; `too-large` for a body.
        """
        key = request.single("idempotency-key")
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise Refused(Reason.BAD_REQUEST, "bad Idempotency-Key")
        await read_body(request, 0)
        check()
        digest = self._random(_UNIQUE_BYTES) if key is None else hashlib.sha256(key.encode()).digest()
        try:
            minted = await self._writer.mint(allowed.identity.name, digest)
        except NotThere as error:
            raise Refused(Reason.UNKNOWN_CUSTOMER, str(error)) from error
        return Answer(201, dict(_JSON), (document.encode(installation.Minted(installation=minted)),))

    async def put_thin_snapshot(
        self, allowed: Allow, request: Request, state: State, now: datetime, check: Callable[[], None]
    ) -> Answer:
        """Store what an installation has; 204 once it is durable. `check`: as for `mint`.

        Raises:
            Refused: `bad-thin-snapshot`, `too-large`, or `bad-request`; or 429, for one too soon after others (RFC 6585
                §4); nothing was stored.
        """
        raw = await read_body(request, thin_snapshot.MAX_BYTES)
        check()
        try:
            components = thin_snapshot.decode(raw).components
        except FormatError as error:
            raise Refused(Reason.BAD_THIN_SNAPSHOT, error.reason) from error
        _check_published(components, allowed.identity.name, state, now.astimezone(UTC).date())
        try:
            await self._writer.put_thin_snapshot(allowed.installation or "", components)
        except NotThere as error:
            raise Refused(Reason.NOT_YOUR_INSTALLATION, str(error)) from error
        except TooOften as error:
            later = {"Retry-After": str(error.seconds)}
            raise Refused(Reason.TOO_MANY_REQUESTS, error.reason, later) from error
        return Answer(204, {"Cache-Control": "private, no-store"})


def _licences(customer: str, state: State) -> tuple[Licence, ...]:
    holding = state.world.holders.get(customer)
    return () if holding is None else holding.licences


def _check_published(components: Mapping[str, str], customer: str, state: State, today: date) -> None:
    """Products never licensed and versions never published are refused alike."""
    held = {licence.product for licence in _licences(customer, state) if licence.valid_from <= today}
    for ref, version in components.items():
        product, _, component = ref.partition("/")
        if product not in held or version not in state.catalogue.ever_published(product, component):
            raise Refused(Reason.BAD_THIN_SNAPSHOT, "never published, or in a product never licensed")


def _line(licence: Licence) -> LicenceLine:
    until = licence.valid_until
    return LicenceLine(
        product=licence.product,
        channels=licence.channels,
        valid_from=licence.valid_from.isoformat(),
        valid_until=None if until is None else until.isoformat(),
        installations=licence.installations,
    )
