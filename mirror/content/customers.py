"""Answers about the caller itself: its licences, a new installation id, its thin snapshots.

Only these write, and each answers only after the store has committed, in a thread. A thin snapshot holds versions that
were published in products that the customer holds or held a licence for, and nothing else is kept (DESIGN §2.6).
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import UTC, date, datetime
from functools import partial
from typing import Final, ParamSpec, TypeVar

from mirror.content.answer import Answer
from mirror.content.bodies import read_body
from mirror.content.head import Request
from mirror.content.memory import Memory, State
from mirror.content.policy import Allow
from mirror.content.problems import Refused
from mirror.errors import NotThere
from mirror.records.protocol import Installation, Licence, Records
from spot_client.wire import document, installation, thin_snapshot
from spot_client.wire.errors import FormatError
from spot_client.wire.licences import LicenceLine, LicenceList
from spot_client.wire.problem import Reason

P = ParamSpec("P")
T = TypeVar("T")

_JSON: Final = {"Content-Type": "application/json", "Cache-Control": "private, no-store"}
_IDEMPOTENCY_KEY: Final = re.compile(r"[A-Za-z0-9-]{16,64}", re.ASCII)
_UNIQUE_BYTES: Final = 32


class Customers:
    """Answers `Kind.LICENCES`, `INSTALLATIONS` and `THIN_SNAPSHOT`, for callers that the policy let in."""

    def __init__(self, records: Records, memory: Memory, random: Callable[[int], bytes], writers: Executor) -> None:
        """`random` gives so many random bytes, fit for secrets.

        `writers`: threads for nothing else, since those that wait for a locked store must not keep files from being
        read.
        """
        self._records = records
        self._memory = memory
        self._random = random
        self._writers = writers

    def licences(self, allowed: Allow, state: State) -> Answer:
        """The customer's licences, ended ones too: SPOT tells an ended one from none."""
        customer = allowed.identity.name
        lines = sorted(map(_line, state.world.licences.get(customer) or ()), key=lambda line: line.product)
        body = document.encode(LicenceList(customer=customer, licences=tuple(lines)))
        return Answer(200, dict(_JSON), (body,))

    async def mint(self, allowed: Allow, request: Request, now: datetime) -> Answer:
        """A new installation id; the same one for a repeated `Idempotency-Key`, of which only the digest is kept.

        Raises:
            Refused: `bad-request` for a key that is not 16 to 64 letters, digits or hyphens; `too-large` for a body.
        """
        key = request.single("idempotency-key")
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise Refused(Reason.BAD_REQUEST, "bad Idempotency-Key")
        await read_body(request, 0)
        digest = self._random(_UNIQUE_BYTES) if key is None else hashlib.sha256(key.encode()).digest()
        try:
            minted = await self._write(self._mint, allowed.identity.name, digest, now)
        except NotThere as error:
            raise Refused(Reason.UNKNOWN_CUSTOMER, str(error)) from error
        return Answer(201, dict(_JSON), (document.encode(installation.Minted(installation=minted.id)),))

    async def put_thin_snapshot(self, allowed: Allow, request: Request, state: State, now: datetime) -> Answer:
        """Store what an installation has; 204 once it is durable.

        Raises:
            Refused: `bad-thin-snapshot`, `too-large`, or `bad-request`; nothing was stored.
        """
        raw = await read_body(request, thin_snapshot.MAX_BYTES)
        try:
            components = thin_snapshot.decode(raw).components
        except FormatError as error:
            raise Refused(Reason.BAD_THIN_SNAPSHOT, error.reason) from error
        _check_published(components, allowed.identity.name, state, now.astimezone(UTC).date())
        try:
            await self._write(self._records.put_thin_snapshot, allowed.installation or "", components, now)
        except NotThere as error:
            raise Refused(Reason.NOT_YOUR_INSTALLATION, str(error)) from error
        return Answer(204, {"Cache-Control": "private, no-store"})

    def _mint(self, customer: str, request: bytes, now: datetime) -> Installation:
        minted = self._records.mint(customer, request, self._draw, now)
        self._memory.minted(now)
        return minted

    async def _write(self, call: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        run = partial(call, *arguments, **keywords)
        return await asyncio.get_running_loop().run_in_executor(self._writers, run)

    def _draw(self) -> str:
        return installation.mint(self._random(installation.ID_BYTES))


def _check_published(components: Mapping[str, str], customer: str, state: State, today: date) -> None:
    """Products never licensed and versions never published are refused alike."""
    held = {licence.product for licence in state.world.licences.get(customer) or () if licence.valid_from <= today}
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
