"""An HTTP server of control's own, whose connections are few, brief, and of one request: aiohttp, with an end in any
case. For the listeners that few call: health, and operators.
"""

import asyncio
import errno
import logging
import ssl
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from mirror.errors import ServeError

_REASONS: Final = {
    errno.EADDRINUSE: ("port-in-use", "another process listens there. Stop it, or change {}"),
    errno.EACCES: ("no-permission", "this user may not. Take a port above 1023 for {}"),
    errno.EADDRNOTAVAIL: ("no-such-address", "this machine has no such address. Change {}"),
}


_HANDSHAKE_SECONDS: Final = 10.0


class Bounds(msgspec.Struct, frozen=True):
    """What callers can cost. life_seconds: of a connection, whatever its caller does; target, header: bytes."""

    connections: int
    life_seconds: float
    target: int = 1024
    header: int = 4096
    headers: int = 32


class Place(msgspec.Struct, frozen=True):
    """Where to listen: `HOST:PORT`, which `key` of the configuration says; over TLS, if there is a context for it."""

    where: str
    key: str
    tls: ssl.SSLContext | None = None


class Listening:
    """A listener that runs. `address`: where, with the port that port 0 became."""

    def __init__(self, server: asyncio.Server, http: web.Server) -> None:
        self._server, self._http = server, http
        host, port, *_ = server.sockets[0].getsockname()
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def close(self, seconds: float = 0.1) -> None:
        """Accept nothing any more; what is being answered gets so many seconds."""
        self._server.close()
        await self._http.shutdown(seconds)


async def listen(
    place: Place, handle: Callable[[web.BaseRequest], Any], broken: Callable[[int], web.Response], bounds: Bounds
) -> Listening:
    """Listen there.

    Args:
        handle: answers a request.
        broken: what is answered, with that status, to what is not HTTP; it repeats nothing of it.

    Raises:
        ServeError: reason `port-in-use`, `no-permission`, `no-such-address` or `cannot-listen`.
    """
    http = _Server(handle, broken, bounds)
    host, _, port = place.where.rpartition(":")
    try:
        server = await asyncio.get_running_loop().create_server(
            http,
            host.strip("[]"),
            int(port),
            backlog=bounds.connections,
            ssl=place.tls,
            ssl_handshake_timeout=None if place.tls is None else _HANDSHAKE_SECONDS,
        )
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, ("cannot-listen", f"{error.strerror}. Check {{}}"))
        raise ServeError(reason, f"Cannot listen on {place.where}: {hint.format(place.key)}.") from error
    return Listening(server, http)


class _Connection(web.RequestHandler):
    __slots__ = ("_broken", "_end", "_seconds")

    def __init__(self, broken: Callable[[int], web.Response], seconds: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._broken, self._seconds = broken, seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._end = asyncio.get_running_loop().call_later(self._seconds, _abort, transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end.cancel()
        super().connection_lost(exc)

    def handle_error(self, _request: web.BaseRequest, status: int = 500, *_told: object) -> web.StreamResponse:
        """Say no more than the status."""
        response = self._broken(status)
        response.force_close()
        return response


class _Server(web.Server):
    def __init__(
        self, handle: Callable[[web.BaseRequest], Any], broken: Callable[[int], web.Response], bounds: Bounds
    ) -> None:
        super().__init__(
            handle,
            keepalive_timeout=bounds.life_seconds,
            lingering_time=0.0,
            auto_decompress=False,
            max_line_size=bounds.target,
            max_field_size=bounds.header,
            max_headers=bounds.headers,
            access_log=None,
            logger=_silent(),
        )
        self._broken, self._bounds = broken, bounds

    def __call__(self) -> web.RequestHandler:
        if len(self.connections) >= self._bounds.connections:
            return _Full()  # type: ignore[return-value]  # aiohttp names its own protocol; the loop takes any
        return _Connection(self._broken, self._bounds.life_seconds, self, loop=self._loop, **self._kwargs)


class _Full(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        _abort(transport)


def _abort(transport: asyncio.BaseTransport) -> None:
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def _silent() -> logging.Logger:
    """aiohttp logs with tracebacks what is not HTTP: anybody who gets here could fill the log with it."""
    logger = logging.getLogger("mirror.brief.http")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    return logger
