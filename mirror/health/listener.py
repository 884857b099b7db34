"""The sockets of the health listener, with limits of their own. Plain HTTP: for this machine, or a network inside.

A connection carries one request and lives ten seconds at most, whatever its caller does, and there are few at a time;
so a caller can cost next to nothing, and hold up nobody for long.
"""

import asyncio
import errno
import logging
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from mirror.errors import ServeError
from mirror.health.answers import Answer, Asked, answer
from mirror.health.status import Status

CONNECTIONS: Final = 64
LIFE_SECONDS: Final = 10.0
MAX_TARGET: Final = 1024
"""Longest path on a request line, in bytes."""
MAX_HEADER: Final = 4096
MAX_HEADERS: Final = 32

_BACKLOG = 64
_REASONS: Final = {
    errno.EADDRINUSE: ("port-in-use", "another process listens there. Stop it, or change health.listen"),
    errno.EACCES: ("no-permission", "this user may not. Take a port above 1023 for health.listen"),
    errno.EADDRNOTAVAIL: ("no-such-address", "this machine has no such address. Change health.listen"),
}


class Listening:
    """A listener that runs. `address`: where, with the port that port 0 became."""

    def __init__(self, server: asyncio.Server, http: "_Server") -> None:
        self._server = server
        self._http = http
        host, port, *_ = server.sockets[0].getsockname()
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def close(self) -> None:
        """Let go of everything at once."""
        self._server.close()
        await self._http.shutdown(0.1)


async def start(
    listen: str,
    token: Callable[[], bytes | None],
    status: Callable[[], Status],
    metrics: Callable[[], bytes],
    log: FilteringBoundLogger,
) -> Listening:
    """Listen on `HOST:PORT`. `token`, `status` and `metrics` are called at each request, in the event loop: they may
    not wait.

    Raises:
        ServeError: reason `port-in-use`, `no-permission`, `no-such-address` or `cannot-listen`.
    """

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        asked = Asked(request.method, request.path, request.headers.get("Authorization"))
        try:
            return _response(answer(asked, token=token(), status=status, metrics=metrics))
        except Exception:
            log.exception("no answer to a question about health", path=request.path)
            return _response(Answer(500, b"internal error\n"))

    http = _Server(handle)
    host, _, port = listen.rpartition(":")
    try:
        server = await asyncio.get_running_loop().create_server(http, host.strip("[]"), int(port), backlog=_BACKLOG)
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, ("cannot-listen", f"{error.strerror}. Check health.listen"))
        raise ServeError(reason, f"Cannot listen on {listen}: {hint}.") from error
    return Listening(server, http)


class _Connection(web.RequestHandler):
    """aiohttp's connection with an end that comes in any case; what is not HTTP is answered without repeating it."""

    __slots__ = ("_end",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._end = asyncio.get_running_loop().call_later(LIFE_SECONDS, _abort, transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end.cancel()
        super().connection_lost(exc)

    def handle_error(self, _request: web.BaseRequest, status: int = 500, *_told: object) -> web.StreamResponse:
        """Say no more than the status."""
        return _response(Answer(status, b"bad request\n" if status < 500 else b"internal error\n"))


class _Server(web.Server):
    def __init__(self, handler: Callable[[web.BaseRequest], Any]) -> None:
        super().__init__(
            handler,
            keepalive_timeout=LIFE_SECONDS,
            lingering_time=0.0,
            auto_decompress=False,
            max_line_size=MAX_TARGET,
            max_field_size=MAX_HEADER,
            max_headers=MAX_HEADERS,
            access_log=None,
            logger=_silent(),
        )

    def __call__(self) -> web.RequestHandler:
        if len(self.connections) >= CONNECTIONS:
            return _Full()  # type: ignore[return-value]  # aiohttp names its own protocol; the loop takes any
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Full(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        _abort(transport)


def _abort(transport: asyncio.BaseTransport) -> None:
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def _response(said: Answer) -> web.Response:
    response = web.Response(
        status=said.status,
        body=said.body,
        headers={"Server": "spot-mirror", "Content-Type": said.content_type, "Cache-Control": "no-store"},
    )
    response.headers.extend(said.headers)
    response.force_close()
    return response


def _silent() -> logging.Logger:
    """aiohttp logs with tracebacks what is not HTTP: anybody who gets here could fill the log with it."""
    logger = logging.getLogger("mirror.health.http")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    return logger
