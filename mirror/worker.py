"""The composition of one worker: it serves, and writes nothing but its audit lines. Control started it.

It lives as long as the channel to control: where that ends, control has died, and the worker accepts nothing more,
gives what runs a few seconds, and ends as well. Signals are for control, which tells its workers.
"""

import asyncio
import gc
import os
import random
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Final, Literal

import msgspec
import uvloop
from cryptography import x509
from structlog.typing import FilteringBoundLogger

from ca.errors import CaError
from mirror.blobs import LocalBlobs, make_folder
from mirror.config import Config, Content
from mirror.content.app import App, Parts
from mirror.content.audit import Audit
from mirror.content.certificates import Certificates
from mirror.content.conversation import Terms
from mirror.content.customers import Customers
from mirror.content.files import Files
from mirror.content.limits import Rates
from mirror.content.listener import Listener
from mirror.content.memory import Memory
from mirror.content.seen import Seen
from mirror.control import orders, reports
from mirror.control.asking import Asking
from mirror.control.channel import Channel, open_channel
from mirror.control.orders import Order, Setup
from mirror.control.reports import MAX_SEEN, Report
from mirror.counters import Counted
from mirror.errors import MirrorError
from mirror.log import program_log, summary
from mirror.memory.place import open_to_read
from mirror.ring import SUFFIX
from mirror.serving import Serving, serving_of, utc_now

_BEAT_SECONDS: Final = 1.0
_COLLECT_EVERY: Final = 20_000  # objects that may be garbage
_ORPHAN_SECONDS: Final = 5.0
"""How long running requests get once control is gone: nobody tells of revocations any more."""


def main(descriptor: int) -> None:
    """Entry point of the process. `descriptor`: the open channel to control."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # What is here now stays: the collector need not go through it again and again, nor at every 700th object.
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_work(socket.socket(fileno=descriptor))))


async def _work(end: socket.socket) -> Literal[0, 1]:
    end.set_inheritable(False)
    log, channel = program_log(sys.stderr), await open_channel(end, Order)
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: log.error("event loop", problem=summary(told)))
    setup = await channel.receive()
    if not isinstance(setup, Setup):
        return 1
    sockets = [socket.socket(fileno=descriptor) for descriptor in setup.sockets]
    for one in sockets:
        one.set_inheritable(False)
    try:
        issuers = [x509.load_der_x509_certificate(issuer) for issuer in setup.issuers]
        serving = serving_of(msgspec.convert(setup.config, Config), setup.credentials, issuers)
        memory = Memory(open_to_read(Path(setup.memory)), serving.fixed)
        make_folder(Path(setup.rings))  # somebody may have cleaned up
        audit = Audit(Path(setup.rings) / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}", log)
    except (CaError, MirrorError, OSError) as error:
        channel.send(reports.Failed(getattr(error, "reason", "io"), str(error)))
        await channel.close()
        return 1
    serving = msgspec.structs.replace(serving, content=_share(serving.content, setup.workers))
    await Worker(Given(serving, memory, audit, log, setup.workers), sockets, channel).run()
    audit.close()
    await channel.close()
    return 0


def _share(content: Content, workers: int) -> Content:
    return msgspec.structs.replace(content, limits=content.limits.for_worker(workers))


class Given(msgspec.Struct, frozen=True):
    """What a worker serves by. workers: how many there are."""

    serving: Serving
    memory: Memory
    audit: Audit
    log: FilteringBoundLogger
    workers: int = 1


class Worker:
    """Does what control orders, until it is told to drain, or control is gone."""

    def __init__(self, given: Given, sockets: list[socket.socket], channel: Channel[Order]) -> None:
        self._sockets, self._audit, self._channel = sockets, given.audit, channel
        self._memory, self._seen, self._counted = given.memory, Seen(), Counted()
        self._asking = Asking(channel.send)
        content = given.serving.content
        terms = Terms(new_app(given, self._asking, self._seen, self._counted), content.limits, self._counted)
        self._listener = Listener(terms, given.serving.context, given.log, content.proxies)
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
        await asyncio.gather(beats, return_exceptions=True)
        await self._listener.ended()
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
                self._listener.listen(self._sockets)
                self._send(reports.Ready())
            case orders.Changed(turn):
                self._memory.renew()
                self._listener.recheck()
                self._send(reports.Took(turn))
            case orders.Written():
                self._asking.written(order)
            case orders.Narrow(issuers, days):
                self._memory.narrow(issuers, timedelta(days=days))
                self._listener.recheck()
            case orders.Drain(seconds):
                self._drain(seconds)
            case orders.Setup():
                pass

    def _drain(self, seconds: float) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._listener.drain(seconds))
        else:  # there is less time than was said before; then what is left is cut
            asyncio.get_running_loop().call_later(seconds, self._draining.cancel)

    async def _beat(self) -> None:
        """Tell each second what was counted: control takes a worker that is silent for one that hangs."""
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            self._counted.audit_waiting, self._counted.audit_lost = self._audit.waiting, self._audit.lost
            self._tell_seen()
            self._send(reports.Count(self._counted))

    def _tell_seen(self) -> None:
        noted = [*self._seen.take()]
        for start in range(0, len(noted), MAX_SEEN):
            self._send(reports.Seen(tuple(noted[start : start + MAX_SEEN])))

    def _send(self, report: Report) -> None:
        with suppress(ConnectionError):  # control does not read: it is as good as gone, and receiving tells
            self._channel.send(report)


def new_app(given: Given, asking: Asking, seen: Seen, counted: Counted) -> App:
    """What answers requests."""
    serving, data, log = given.serving, given.serving.config.data_dir, given.log
    return App(
        Parts(
            memory=given.memory,
            files=Files(data / "catalogue", LocalBlobs(data), log, given.workers),
            customers=Customers(asking, secrets.token_bytes),
            certificates=Certificates(asking, utc_now, random.random),
            audit=given.audit,
            seen=seen,
            counted=counted,
            rates=Rates(serving.content.limits),
            clock=utc_now,
            ids=_ids(),
            chance=random.random,
            log=log,
            log_addresses=serving.content.log_addresses,
        )
    )


def _ids() -> Callable[[], str]:
    """Ids of requests: which process, and how many there were before."""
    begin, numbers = secrets.token_hex(4), count()
    return lambda: f"{begin}{next(numbers) & 0xFFFFFFFF:08x}"
