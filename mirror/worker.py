"""The composition of one worker: it serves, and writes nothing but its audit lines. Control started it.

It lives as long as the channel to control: where that ends, control has died, and the worker accepts nothing more,
gives what runs a few seconds, and ends as well. Signals are for control, which tells its workers.
"""

import asyncio
import secrets
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, Literal

import msgspec
import uvloop
from structlog.typing import FilteringBoundLogger

from ca.errors import CaError
from mirror.blobs import LocalBlobs
from mirror.config import Config
from mirror.content.app import App, Parts
from mirror.content.audit import Audit
from mirror.content.customers import Customers
from mirror.content.files import Files
from mirror.content.listener import Listener
from mirror.content.seen import Seen
from mirror.content.shelf import Shelf
from mirror.control import orders, reports
from mirror.control.asking import Asking
from mirror.control.channel import Channel, open_channel
from mirror.control.orders import Order, Setup
from mirror.control.reports import MAX_SEEN, Report
from mirror.counters import Counted
from mirror.errors import MirrorError
from mirror.log import program_log
from mirror.records.sqlite import FILE_NAME, open_records
from mirror.serving import Serving, read_serving, utc_now

_BEAT_SECONDS: Final = 1.0
_ORPHAN_SECONDS: Final = 5.0
"""How long running requests get once control is gone: nobody tells of revocations any more."""


def main(descriptor: int) -> None:
    """Entry point of the process. `descriptor`: the open channel to control."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_work(socket.socket(fileno=descriptor))))


async def _work(end: socket.socket) -> Literal[0, 1]:
    end.set_inheritable(False)
    log, channel = program_log(sys.stderr), await open_channel(end, Order)
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, told: log.error("event loop", problem=_summary(told))
    )
    setup = await channel.receive()
    if not isinstance(setup, Setup):
        return 1
    sockets = [socket.socket(fileno=descriptor) for descriptor in setup.sockets]
    for one in sockets:
        one.set_inheritable(False)
    try:
        serving = _load(msgspec.convert(setup.config, Config))
        audit = Audit(serving.config.data_dir / "audit.jsonl", log)
    except (CaError, MirrorError, OSError) as error:
        channel.send(reports.Failed(getattr(error, "reason", "io"), str(error)))
        await channel.close()
        return 1
    await Worker(serving, sockets, audit, channel, log).run()
    await channel.close()
    return 0


def _load(config: Config) -> Serving:
    """Control has read all of it already, and told what is wrong with it: here it is read once more, in silence."""
    return read_serving(config, open_records(config.data_dir / FILE_NAME), program_log(sys.stderr, "critical"))


class Worker:
    """Does what control orders, until it is told to drain, or control is gone."""

    def __init__(
        self,
        serving: Serving,
        sockets: list[socket.socket],
        audit: Audit,
        channel: Channel[Order],
        log: FilteringBoundLogger,
    ) -> None:
        self._sockets, self._audit, self._channel = sockets, audit, channel
        self._memory, self._seen, self._counted = serving.memory, Seen(), Counted()
        self._asking = Asking(channel.send)
        self._listener = Listener(new_app(serving, self._asking, audit, self._seen, log), serving.context, log)
        self._refreshing = ThreadPoolExecutor(1, "memory")
        self._refreshes: set[asyncio.Task[None]] = set()
        self._draining: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve; returns when everything has ended."""
        beats = asyncio.create_task(self._beat())
        self._send(reports.Loaded())
        await self._obey()
        if self._draining is None:
            self._asking.end()
            await self._listener.drain(_ORPHAN_SECONDS)
        beats.cancel()
        await asyncio.gather(beats, *self._refreshes, return_exceptions=True)
        self._tell_seen()
        self._send(reports.Count(self._counted))

    async def _obey(self) -> None:
        """Carry out orders; returns once it has drained, or control is gone."""
        while True:
            next_order = asyncio.ensure_future(self._channel.receive())
            await asyncio.wait({next_order, *filter(None, [self._draining])}, return_when=asyncio.FIRST_COMPLETED)
            if self._draining is not None and self._draining.done():
                next_order.cancel()
                await asyncio.gather(next_order, return_exceptions=True)
                return
            try:
                order = next_order.result()
            except ConnectionError:
                return
            if order is None:
                return
            await self._carry_out(order)

    async def _carry_out(self, order: Order) -> None:
        match order:
            case orders.Serve():
                await self._listener.listen_on(self._sockets)
                self._send(reports.Ready())
            case orders.Changed(turn, minted) if minted:
                for installation, customer in minted.items():
                    self._memory.minted(installation, customer)
                self._send(reports.Took(turn))
            case orders.Changed(turn):
                task = asyncio.create_task(self._refresh(turn))
                self._refreshes.add(task)
                task.add_done_callback(self._refreshes.discard)
            case orders.Written():
                self._asking.written(order)
            case orders.Reopen():
                self._audit.reopen()
            case orders.Drain(seconds):
                self._drain(seconds)
            case orders.Setup():
                pass

    def _drain(self, seconds: float) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._listener.drain(seconds))
        elif not seconds:
            self._draining.cancel()  # cuts what is left

    async def _refresh(self, turn: int) -> None:
        """In a thread of its own: a revocation waits for nothing."""
        await asyncio.get_running_loop().run_in_executor(self._refreshing, self._memory.refresh, utc_now())
        self._send(reports.Took(turn))

    async def _beat(self) -> None:
        """Tell each second what was counted: control takes a worker that is silent for one that hangs."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _BEAT_SECONDS
            await asyncio.sleep(_BEAT_SECONDS)
            self._counted.lag = max(0.0, loop.time() - due)
            self._tell_seen()
            self._send(reports.Count(self._counted))

    def _tell_seen(self) -> None:
        noted = [*self._seen.take()]
        for start in range(0, len(noted), MAX_SEEN):
            self._send(reports.Seen(tuple(noted[start : start + MAX_SEEN])))

    def _send(self, report: Report) -> None:
        with suppress(ConnectionError):  # control does not read: it is as good as gone, and receiving tells
            self._channel.send(report)


def new_app(serving: Serving, asking: Asking, audit: Audit, seen: Seen, log: FilteringBoundLogger) -> App:
    """What answers requests."""
    data = serving.config.data_dir
    return App(
        Parts(
            memory=serving.memory,
            files=Files(Shelf(data / "catalogue"), LocalBlobs(data), log),
            customers=Customers(asking, secrets.token_bytes),
            audit=audit,
            seen=seen,
            clock=utc_now,
            random=secrets.token_bytes,
            log=log,
            log_addresses=serving.content.log_addresses,
        )
    )


def _summary(told: dict[str, object]) -> str:
    return f"{told.get('message')}: {told.get('exception')!r}"[:300]
