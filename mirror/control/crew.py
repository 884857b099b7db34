"""The workers of one configuration: started together, kept alive, drained together.

One that dies is started anew: at once if it had lived for a while, later and later if it had not. While any of them
serves, that goes on without an end. Where none is left and none can be started, control gives up: whoever started it
(systemd) starts all of it anew, and people hear of it.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from structlog.typing import FilteringBoundLogger

from mirror.control import orders
from mirror.control.member import Member, start_member
from mirror.control.orders import Order, Setup
from mirror.control.reports import Report
from mirror.errors import ServeError

STEADY_SECONDS: Final = 10
"""A worker that lived for so long was well."""
MAX_FAILURES: Final = 8
"""So often in a row a worker may fail while no other serves."""
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0
_PATIENCE: Final = 5.0  # seconds beyond those for draining after which a worker is killed
_AT_ONCE: Final = 1.0


class Crew:
    """`setup.workers` workers. `hear` gets their reports, `gone` is told of each that has ended.

    `lend` says which sockets are those of the worker of a number, each time that one is started.
    """

    def __init__(
        self,
        setup: Setup,
        lend: Callable[[int], list[socket.socket]],
        hear: Callable[[Member, Report], None],
        gone: Callable[[Member], None],
        log: FilteringBoundLogger,
    ) -> None:
        self._setup, self._lend = setup, lend
        self._hear, self._gone, self._log = hear, gone, log
        self._stopping = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []
        self.members: dict[int, Member] = {}
        """Those that run, by number."""
        self.lost = asyncio.Event()
        """Set once there is none and there can be none."""

    async def start(self) -> None:
        """Start them; returns when all accept connections. If one cannot, all are ended.

        Raises:
            ServeError: reason `worker-failed`, or what one of them says.
        """
        started = [asyncio.get_running_loop().create_future() for _ in range(self._setup.workers)]
        self._keepers = [asyncio.create_task(self._keep(index, ready)) for index, ready in enumerate(started)]
        try:
            await asyncio.gather(*started)
        except BaseException:
            await self.kill()
            raise

    def tell(self, order: Order) -> None:
        """Give an order to all."""
        for member in self.members.values():
            member.tell(order)

    async def drain(self, seconds: float) -> None:
        """Let them finish what runs, for `seconds` at most; returns when all have ended. May be cancelled."""
        self._stopping.set()
        self.tell(orders.Drain(seconds))
        await self._ended(seconds + _PATIENCE)

    async def kill(self) -> None:
        """End them at once: they get a moment to hand over what they have noted."""
        self._stopping.set()
        self.tell(orders.Drain(0))
        await self._ended(_AT_ONCE)

    async def _ended(self, seconds: float) -> None:
        if self._keepers:
            await asyncio.wait(self._keepers, timeout=seconds)
        for member in self.members.values():
            self._log.warning("killed a worker that did not end", pid=member.pid)
            member.kill()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    async def _keep(self, index: int, started: "asyncio.Future[None]") -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                status = await self._live(index, started)
            except (ServeError, OSError) as error:
                if not started.done():
                    started.set_exception(_refusal(error))
                    return
                self._log.error("a worker cannot be started", problem=str(error))
            else:
                if not self._stopping.is_set():
                    self._log.error("a worker ended", **_how(status))
            failures = 0 if time.monotonic() - began > STEADY_SECONDS else failures + 1
            if failures >= MAX_FAILURES and not self.members:
                self.lost.set()
                return
            if failures:
                await self._pause(min(_FIRST_PAUSE * 2 ** (failures - 1), _LONGEST_PAUSE))

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _live(self, index: int, started: "asyncio.Future[None]") -> int:
        """One life of one worker; returns its exit status. Raises ServeError, OSError: it did not become ready."""
        member = await start_member(self._setup, self._lend(index))
        self.members[index] = member
        if self._stopping.is_set():  # while it was being started
            member.tell(orders.Drain(0))
        running = asyncio.create_task(member.run(self._hear))
        try:
            await member.ready()
            if started.done():
                self._log.info("a worker was started anew", pid=member.pid)
            elif not started.cancelled():
                started.set_result(None)
            return await running
        finally:
            if not running.done():
                member.kill()
                await running
            if (seconds := member.silent_seconds) is not None:
                what = f"a worker was silent for {seconds} s, and was killed"
                self._log.error(what, pid=member.pid, seconds=seconds)
            del self.members[index]
            self._gone(member)


def _refusal(error: ServeError | OSError) -> ServeError:
    if isinstance(error, ServeError):
        return error
    return ServeError("worker-failed", f"A worker cannot be started: {error.strerror or error}.")


def _how(status: int) -> dict[str, int]:
    return {"signal": -status} if status < 0 else {"status": status}
