"""The store's only writer while the mirror serves: what waits is written together, in a thread of its own.

Whoever waits is answered after the commit, and not before. A store that is locked or full holds up nothing but what
has to be written: all that waits then is refused together, so that nobody waits for those before it as well.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from math import ceil
from typing import Any, Final, TypeVar

import msgspec
from structlog.typing import FilteringBoundLogger

from mirror.control.pace import Pace
from mirror.errors import StoreFault, TooOften
from mirror.records.protocol import Installation, Records
from mirror.records.requests import Answered, Asked
from mirror.records.told import Received

MAX_WAITING: Final = 4096
"""Most requests that wait to be written."""
MAX_COMPONENTS: Final = 400_000
"""Most lines of thin snapshots among them."""
MAX_SEEN: Final = 2_000_000
"""Most installations whose last-seen moments wait."""
_MAX_BATCH: Final = 256


T = TypeVar("T")


class _Job(msgspec.Struct):
    """Something to write, by a call or a thin snapshot, and who waits for it. weight: lines of a thin snapshot."""

    what: Callable[[], Any] | Received
    done: "asyncio.Future[Any]"
    weight: int


class Writer:
    """For one event loop. `draw` draws a new id; `now`: UTC; `clock`: seconds that never go back."""

    def __init__(
        self,
        records: Records,
        draw: Callable[[], str],
        pace: Pace,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._records, self._draw = records, draw
        self.pace = pace
        self._now, self._clock = now, clock
        self._jobs: deque[_Job] = deque()
        self._weight = 0
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "writer")
        self._seen: dict[str, datetime] = {}

    async def mint(self, customer: str, request: bytes) -> Installation:
        """A new installation of a customer; the same one for the same `request`. Durable on return.

        Raises:
            NotThere: no such customer.
            StoreFault, RecordsError: nothing was written; reason `overloaded`: too much waits.
        """
        return await self._write(partial(self._records.mint, customer, request, self._draw, self._now()), 0)

    async def put_thin_snapshot(self, installation: str, components: Mapping[str, str]) -> None:
        """Store what an installation has. Durable on return.

        Raises:
            TooOften: it stored others just now.
            NotThere: no such installation.
            StoreFault, RecordsError: as `mint`.
        """
        wait = self.pace.take(installation, self._clock())
        if wait:
            raise TooOften("too-often", f"That was too often: wait {ceil(wait)} s.", ceil(wait))
        try:
            await self._write(Received(installation, dict(components), self._now()), len(components))
        except BaseException:
            self.pace.give_back(installation)
            raise

    async def ask(self, asked: Asked) -> Answered:
        """Have a request for a certificate wait; what has come of it. Durable on return.

        Raises:
            NotThere, TooOften, RecordsError: as `mirror.records.requests`.
            StoreFault: as `mint`.
        """
        return await self._write(partial(self._records.ask, asked, self._now()), 0)

    async def answer(self, digest: bytes, answered: Answered) -> bool:
        """Answer a request. Durable on return. Raises: as `mirror.records.requests`, and StoreFault as `mint`."""
        return await self._write(partial(self._records.answer, digest, answered, self._now()), 0)

    def seen(self, installations: Iterable[str]) -> None:
        """They were seen now; written down by `flush`."""
        now = self._now()
        if len(self._seen) < MAX_SEEN:
            self._seen |= dict.fromkeys(installations, now)

    async def flush(self) -> None:
        """Write down when installations were last seen; what the store does not take is kept for the next time.

        Raises:
            StoreFault: from the store.
        """
        moments, self._seen = self._seen, {}
        if not moments:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._records.seen, moments)
        except BaseException as error:
            self._seen = {**moments, **self._seen}
            if isinstance(error, StoreFault):
                self._refuse(error)
            raise

    async def run(self, log: FilteringBoundLogger) -> None:
        """Write what comes, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._jobs:
                await self._write_some(log)

    def close(self) -> None:
        """Let go of the thread, once what it does has ended; who still waits is refused."""
        self._refuse(StoreFault("overloaded", "The mirror is stopping: nothing was written."))
        self._thread.shutdown()

    async def _write(self, what: Callable[[], T] | Received, weight: int) -> T:
        if len(self._jobs) >= MAX_WAITING or self._weight + weight > MAX_COMPONENTS:
            raise StoreFault("overloaded", "More waits to be written than can be held: try again later.")
        job = _Job(what, asyncio.get_running_loop().create_future(), weight)
        self._jobs.append(job)
        self._weight += weight
        self._wake.set()
        written: T = await job.done
        return written

    async def _write_some(self, log: FilteringBoundLogger) -> None:
        batch = [self._taken() for _ in range(min(len(self._jobs), _MAX_BATCH))]
        waiting = [job.what for job in batch]
        results = await asyncio.get_running_loop().run_in_executor(self._thread, _written, self._records, waiting)
        for job, result in zip(batch, results, strict=True):
            _settle(job, result)
        faults = [one for one in results if isinstance(one, StoreFault)]
        if faults:
            log.critical("the store does not answer", reason=faults[0].reason, problem=str(faults[0]))
            self._refuse(faults[0])

    def _taken(self) -> _Job:
        job = self._jobs.popleft()
        self._weight -= job.weight
        return job

    def _refuse(self, fault: StoreFault) -> None:
        """All that waits: it would wait for the store as long again."""
        while self._jobs:
            _settle(self._taken(), fault)


def _written(records: Records, waiting: Sequence[Callable[[], Any] | Received]) -> list[Any]:
    """Write, thin snapshots in one transaction; what came of each, or the error.

    After a fault of the store, no more is tried. An id is known before a thin snapshot is sent for it, so their order
    does not matter.
    """
    results: dict[int, Any] = {}
    fault: StoreFault | None = None
    for place, call in enumerate(waiting):
        if isinstance(call, Received):
            continue
        try:
            results[place] = fault or call()
        except Exception as error:  # noqa: BLE001  whoever waits is told, whatever it is
            results[place] = error
            fault = error if isinstance(error, StoreFault) else None
    received = {place: one for place, one in enumerate(waiting) if isinstance(one, Received)}
    if received:
        try:
            outcomes: Sequence[Any] = (
                [fault] * len(received) if fault else records.put_thin_snapshots([*received.values()])
            )
        except Exception as error:  # noqa: BLE001  as above
            outcomes = [error] * len(received)
        results |= dict(zip(received, outcomes, strict=True))
    return [results[place] for place in range(len(waiting))]


def _settle(job: _Job, result: Any) -> None:
    if job.done.done():  # who waited is gone
        return
    if isinstance(result, Exception):
        job.done.set_exception(result)
    else:
        job.done.set_result(result)
