"""The worker's end of the writer: it asks control to write, and waits until that is durable."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from mirror.control.orders import Fault, Written
from mirror.control.writes import Ask, Mint, Put, Write
from mirror.errors import NotThere, RecordsError, StoreFault, TooOften
from mirror.records.requests import Answered, Asked

MAX_ASKED: Final = 4096
"""Most requests to write that a worker waits for."""


class Asking:
    """`send` sends a request to control, whose answers come back through `written`."""

    def __init__(self, send: Callable[[Write], None]) -> None:
        self._send = send
        self._number = 0
        self._asked: dict[int, asyncio.Future[Written | None]] = {}
        self._open = True

    async def mint(self, customer: str, request: bytes) -> str:
        """The id of a new installation, which every worker knows on return.

        Args:
            request: the digest, of 32 bytes, that makes a repeated request the same one.

        Raises:
            NotThere: no such customer.
            StoreFault: nothing was written, or nobody knows.
        """
        written = await self._ask(lambda number: Mint(number, customer, request))
        return written.installation or ""

    async def put_thin_snapshot(self, installation: str, components: Mapping[str, str]) -> None:
        """Store what an installation has; durable on return.

        Raises:
            TooOften: it stored others just now.
            NotThere: no such installation.
            StoreFault: as `mint`.
        """
        await self._ask(lambda number: Put(number, installation, dict(components)))

    async def ask(self, asked: Asked) -> Answered:
        """Have a request for a certificate wait; what has come of it. Durable on return.

        Raises:
            NotThere, TooOften, RecordsError: as `mirror.records.requests`.
            StoreFault: as `mint`.
        """
        written = await self._ask(
            lambda number: Ask(number, asked.installation, asked.enrols, asked.request, asked.requester)
        )
        return Answered(written.certificate, written.denied, written.since)

    def written(self, answer: Written) -> None:
        """An answer of control's."""
        asked = self._asked.get(answer.number)
        if asked is not None and not asked.done():
            asked.set_result(answer)

    def end(self) -> None:
        """Control is gone: nobody writes any more."""
        self._open = False
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(None)

    async def _ask(self, request: Callable[[int], Write]) -> Written:
        if len(self._asked) >= MAX_ASKED:
            raise StoreFault("overloaded", "More waits to be written than can be held: try again later.")
        self._number += 1
        number = self._number
        self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            if self._open:
                self._send(request(number))
            answer = await self._asked[number] if self._open else None
        finally:
            del self._asked[number]
        if answer is None:
            raise StoreFault("no-control", "The control process is gone: nothing is written until it is back.")
        if answer.fault is not None:
            raise _error(answer.fault)
        return answer


def _error(fault: Fault) -> RecordsError:
    match fault.kind:
        case "too-often":
            return TooOften(fault.reason, fault.message, fault.seconds)
        case "not-there":
            return NotThere(fault.reason, fault.message)
        case "store":
            return StoreFault(fault.reason, fault.message)
        case "refused":
            return RecordsError(fault.reason, fault.message)
