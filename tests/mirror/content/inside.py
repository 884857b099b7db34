"""A listener within the test's own process, over real TLS, whose application answers what a test says."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec

from ca.tls import client_context, read_credentials
from mirror.content.answer import Answer
from mirror.content.app import App
from mirror.content.caller import Caller
from mirror.content.conversation import Terms
from mirror.content.exchange import Exchange
from mirror.content.head import Request
from mirror.content.listener import Listener
from mirror.content.moment import moment_of
from mirror.content.problems import Refused
from mirror.counters import Counted
from mirror.limits import Limits
from mirror.log import program_log
from mirror.tls import listener_context
from tests.ca.house import House, der_of, pem_of

Handler = Callable[[Request], Answer | Coroutine[Any, Any, Answer]]


class Saying(App):
    """Answers by a handler, and keeps what ended: everything else is as it is served."""

    def __init__(self, handler: Handler) -> None:
        self.draining, self.working = False, 0
        self._handler = handler
        self.over: list[Exchange] = []
        self.broke: list[Exchange] = []

    def begin(self, request: Request, caller: Caller, address: str) -> Exchange:
        exchange = self._new(request, caller, address)
        found = self._handler(request)
        if isinstance(found, Answer):
            exchange.answer = found
        else:
            exchange.work = self._work(exchange, found)
        return exchange

    def recheck(self, _exchange: Exchange) -> None:
        pass

    def measured(self, busy: float) -> None:
        assert 0 <= busy <= 1

    def refuse(self, refused: Refused, caller: Caller, address: str) -> Exchange:
        exchange = self._new(None, caller, address)
        exchange.answer = self._failed(exchange, refused)
        return exchange

    def ended(self, exchange: Exchange) -> None:
        exchange.answer.let_go()
        self.over.append(exchange)

    def broken(self, exchange: Exchange) -> None:
        exchange.answer.let_go()
        self.broke.append(exchange)

    def _failed(self, _exchange: Exchange, error: Exception) -> Answer:
        assert isinstance(error, Refused), error
        return Answer(error.status, {"Reason": error.reason.value}, (error.detail.encode(),), closes=error.closes)

    def _new(self, request: Request | None, caller: Caller, address: str) -> Exchange:
        now = datetime.now(UTC)
        return Exchange(request, caller, "", moment_of(now), now, 0.0, address)


class Inside(msgspec.Struct):
    """What a test may look at, and how it connects."""

    listener: Listener
    app: Saying
    counted: Counted
    log: StringIO
    port: int
    context: ssl.SSLContext

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context, server_hostname="127.0.0.1")

    async def until(self, holds: Callable[[], bool], seconds: float = 5) -> None:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def inside(
    house: House, folder: Path, handler: Handler, *, balancers: tuple[str, ...] = (), fails: bool = False, **limits: int
) -> AsyncIterator[Inside]:
    """`limits`: as in `Limits`; `fails`: whether a mistake of ours is made on purpose."""
    server = listener_context(read_credentials(**house.server.files(folder, "server")), [house.issuing.certificate])
    client = client_context(**house.client.files(folder, "client"), pins=[der_of(house.server.certificate)], tls12=True)
    (folder / "pin.pem").write_bytes(pem_of(house.server.certificate))
    app, counted, log = Saying(handler), Counted(), StringIO()
    listener = Listener(Terms(app, Limits(**limits), counted), server, program_log(log), balancers)
    bound = socket.create_server(("127.0.0.1", 0))
    listener.listen([bound])
    port = bound.getsockname()[1]
    try:
        yield Inside(listener, app, counted, log, port, client)
        assert ("a connection failed" in log.getvalue()) is fails
    finally:
        await listener.close()
