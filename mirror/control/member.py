"""One worker, from its start to its end, as control sees it.

It is a fresh process of the same Python and the same modules, not a fork: control has threads. It gets the channel and
its sockets as open descriptors, and everything else over the channel.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Final, Self

import msgspec

from mirror.control import orders, reports
from mirror.control.channel import Channel, open_channel
from mirror.control.orders import Order, Setup
from mirror.control.reports import Report
from mirror.errors import ServeError
from mirror.tls import CONFIGURATION

START_SECONDS: Final = 60
"""How long a worker may take until it is ready: it may have much to read."""
SILENT_SECONDS: Final = 30
"""A worker tells what it counted each second; one that is silent for so long hangs, and is killed."""
_PROGRAM: Final = "import sys; sys.path[:] = sys.argv[2:]; from mirror.worker import main; main(int(sys.argv[1]))"
_ALLOCATOR: Final = {"MALLOC_TRIM_THRESHOLD_": str(128 * 2**20), "MALLOC_TOP_PAD_": str(16 * 2**20)}
"""For glibc (mallopt(3)): what a connection frees is not handed back to the system, which the next one would ask for it
again; that was a twelfth of a handshake's CPU."""
_OURS: Final = ("NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_")  # what systemd told control is not for workers


class Member:
    """A running worker; `start_member` makes one."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel[Report]) -> None:
        self._process, self._channel = process, channel
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.loaded = False
        """Whether it knows all that it needs: from then on it has to take changes."""
        self.was_told_to_end = False
        self.silent_seconds: int | None = None
        """How long it had been silent when it was killed for that."""
        self.pid = process.pid

    async def run(self, hear: Callable[[Self, Report], None]) -> int:
        """Hear its reports until it ends; returns its exit status, below 0 for the signal that killed it."""
        try:
            while True:
                report = await self._next(SILENT_SECONDS if self.loaded else START_SECONDS)
                if report is None:
                    break
                self._note(report)
                hear(self, report)
        except (ConnectionError, TimeoutError):  # neither is what a worker does that is well
            self.kill()
        finally:
            self._channel.abort()
        status = await self._process.wait()
        if not self._ready.done():
            self._ready.set_exception(_not_started(status))
        return status

    @property
    def serves(self) -> bool:
        """Whether it accepts connections."""
        return self._ready.done() and not self._ready.cancelled() and self._ready.exception() is None

    async def ready(self) -> None:
        """Returns once it accepts connections.

        Raises:
            ServeError: reason `worker-failed`, or what it says: it cannot.
        """
        await asyncio.shield(self._ready)

    def tell(self, order: Order) -> None:
        """Give an order; nothing happens if it is gone."""
        self.was_told_to_end |= isinstance(order, orders.Drain)
        try:
            self._channel.send(order)
        except ConnectionError:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self._process.returncode is None:
            self._process.kill()

    async def _next(self, seconds: int) -> Report | None:
        try:
            async with asyncio.timeout(seconds):
                return await self._channel.receive()
        except TimeoutError:
            self.silent_seconds = seconds
            raise

    def _note(self, report: Report) -> None:
        match report:
            case reports.Loaded():
                self.loaded = True
                self.tell(orders.Serve())
            case reports.Ready() if not self._ready.done():
                self._ready.set_result(None)
            case reports.Failed() if not self._ready.done():
                self._ready.set_exception(ServeError(report.reason, report.message))
            case _:
                pass


async def start_member(setup: Setup, sockets: Sequence[socket.socket]) -> Member:
    """Start a worker; it is ready later. Raises OSError: there can be no more processes or descriptors."""
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno()), *sys.path),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *(one.fileno() for one in sockets)),
                env=_environment(),
            )
        member = Member(process, await open_channel(ours, Report))
    except BaseException:
        ours.close()
        raise
    member.tell(msgspec.structs.replace(setup, sockets=tuple(one.fileno() for one in sockets)))
    return member


def _environment() -> dict[str, str]:
    passed = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return _ALLOCATOR | passed | {"OPENSSL_CONF": str(CONFIGURATION)}


def _not_started(status: int) -> ServeError:
    how = f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
    return ServeError("worker-failed", f"A worker {how} before it was ready: what it said last stands in the log.")
