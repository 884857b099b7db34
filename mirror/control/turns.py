"""Work that is done again and again, and work that an event ends."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from structlog.typing import FilteringBoundLogger

from mirror.errors import StoreFault


class Repeated:
    """A call that is made again and again in a thread of its own, where it may wait; no failure ends that.

    What is done ten times a second costs half as much so as by way of an event loop, which would be woken each time.
    """

    def __init__(self, name: str, seconds: float, call: Callable[[], None], log: FilteringBoundLogger) -> None:
        """Begin, with the first call after so many `seconds`, as between any two of them."""
        self._seconds, self._call, self._failures = seconds, call, _Failures(log)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Make no more calls; returns when the one that is being made has ended."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._call()
            except Exception as error:  # noqa: BLE001
                self._failures.tell(error)
            else:
                self._failures.over()


async def every(seconds: float, call: Callable[[], Awaitable[None]], log: FilteringBoundLogger) -> None:
    """Make a call again and again; no failure ends that."""
    failures = _Failures(log)
    while True:
        await asyncio.sleep(seconds)
        try:
            await call()
        except Exception as error:  # noqa: BLE001
            failures.tell(error)
        else:
            failures.over()


class _Failures:
    """One of the store is logged once while it lasts."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._complaint = ""

    def tell(self, error: Exception) -> None:
        if not isinstance(error, StoreFault):
            self._log.error("a turn failed", exc_info=error)
            return
        if str(error) != self._complaint:
            self._log.warning("the store does not answer", reason=error.reason, problem=str(error))
        self._complaint = str(error)

    def over(self) -> None:
        self._complaint = ""


async def any_of(*events: asyncio.Event) -> None:
    """Returns when one of them is set."""
    waiters = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)


async def unless(event: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do `work`, and cut it off at `event`; whether it came to its end. What it raises is passed on."""
    task, waiter = asyncio.ensure_future(work), asyncio.create_task(event.wait())
    await asyncio.wait((task, waiter), return_when=asyncio.FIRST_COMPLETED)
    ended = task.done()
    for one in (task, waiter):
        one.cancel()
    await asyncio.gather(task, waiter, return_exceptions=True)
    if ended:
        task.result()
    return ended
