"""Work that is done again and again, and work that an event ends."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from structlog.typing import FilteringBoundLogger

from mirror.errors import StoreFault


async def every(seconds: float, call: Callable[[], Awaitable[None]], log: FilteringBoundLogger) -> None:
    """Make a call again and again; no failure ends that. One of the store is logged once while it lasts."""
    complaint = ""
    while True:
        await asyncio.sleep(seconds)
        try:
            await call()
        except StoreFault as error:
            if str(error) != complaint:
                log.warning("the store does not answer", reason=error.reason, problem=str(error))
            complaint = str(error)
        except Exception:
            log.exception("a turn failed")
        else:
            complaint = ""


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
