"""The sockets of the content listener: bound, watched while they shake hands, and drained.

What aiohttp's own runner lacks is set here (DESIGN §7): a deadline for the handshake, one for headers
(`keepalive_timeout`), and a drain in which running requests end by themselves and the bytes that were written leave.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from structlog.typing import FilteringBoundLogger

from ca.errors import TlsError
from ca.tls import check_cipher
from mirror.content.app import App
from mirror.content.problems import Refused
from mirror.errors import ServeError
from spot_client.wire.problem import Reason

HANDSHAKE_SECONDS: Final = 10
HEADER_SECONDS: Final = 30
"""How long a connection may be without a whole request, new or between two requests."""
CLOSE_SECONDS: Final = 5
"""How long a connection that is being closed has for its last bytes, and the caller for its part of TLS's farewell."""
MAX_TARGET: Final = 4096
"""Longest path on a request line, in bytes. Not `MAX_HEADER`: which limit was passed is told by its number."""
MAX_HEADER: Final = 8190
"""Longest value of a header, and longest name of one, in bytes."""
MAX_HEADERS: Final = 64
"""Most headers: with `MAX_HEADER`, a connection holds half a MiB of them at most."""
_TOO_MANY = "Too many headers received"  # as aiohttp says it; a test holds that
_LINGER_SECONDS = 5.0  # how long a body that nobody asked for is read and thrown away
_BACKLOG = 1024
_POLL_SECONDS = 0.02
_CUT_SECONDS = 0.1
_REASONS: Final = {
    errno.EADDRINUSE: ("port-in-use", "another process listens there. Stop it, or change content.listen"),
    errno.EACCES: (
        "no-permission",
        "this user may not by itself. Use the systemd unit in deploy/, setpriv as in docs/ops.md, or a port above 1023",
    ),
    errno.EADDRNOTAVAIL: ("no-such-address", "this machine has no such address. Change content.listen"),
}


class Listener:
    """One application on any number of addresses."""

    def __init__(self, app: App, context: ssl.SSLContext, log: FilteringBoundLogger) -> None:
        """`context` from `ca.tls.server_context`; its failed handshakes are logged from now on."""
        watch_handshakes(context, log)
        self._app = app
        self._context = context
        self._log = log
        self._sockets: list[asyncio.Server] = []
        self._http = _Server(
            app,
            keepalive_timeout=HEADER_SECONDS,
            lingering_time=_LINGER_SECONDS,
            auto_decompress=False,
            max_line_size=MAX_TARGET,
            max_field_size=MAX_HEADER,
            max_headers=MAX_HEADERS,
            access_log=None,
            logger=_http_logger(log),
        )

    async def listen(self, addresses: Sequence[str]) -> list[str]:
        """Bind every address (`HOST:PORT`); returns them with the ports that port 0 became.

        Raises:
            ServeError: reason `port-in-use`, `no-permission`, `no-such-address` or `cannot-listen`.
        """
        for address in addresses:
            host, _, port = address.rpartition(":")
            try:
                server = await asyncio.get_running_loop().create_server(
                    self._http,
                    host.strip("[]"),
                    int(port),
                    ssl=self._context,
                    ssl_handshake_timeout=HANDSHAKE_SECONDS,
                    ssl_shutdown_timeout=CLOSE_SECONDS,
                    backlog=_BACKLOG,
                )
            except OSError as error:
                raise _cannot_listen(address, error) from error
            self._sockets.append(server)
        names = [one.getsockname() for server in self._sockets for one in server.sockets]
        return [f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}" for name in names]

    async def listen_on(self, sockets: Sequence[socket.socket]) -> None:
        """Accept on sockets that are bound already. Raises OSError."""
        for one in sockets:
            server = await asyncio.get_running_loop().create_server(
                self._http,
                sock=one,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=CLOSE_SECONDS,
                backlog=_BACKLOG,
            )
            self._sockets.append(server)

    async def drain(self, seconds: float) -> None:
        """Stop accepting, let running requests end for `seconds` at most, then cut what is left. May be cancelled."""
        for server in self._sockets:
            server.close()
        try:
            async with asyncio.timeout(seconds):
                await self._app.drain()
                # Closing is graceful: what was written still leaves. aiohttp's own shutdown forgets a connection before
                # its last bytes are gone, and offers no event for the end of one.
                for connection in self._http.connections:
                    if connection.transport is not None:
                        connection.transport.close()
                while self._http.connections:  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            self._log.warning("cut what did not end in time", seconds=seconds)
        finally:
            for connection in self._http.connections:
                if connection.transport is not None:
                    connection.transport.abort()

    async def close(self) -> None:
        """Let go of everything at once."""
        for server in self._sockets:
            server.close()
        await self._http.shutdown(_CUT_SECONDS)


def watch_handshakes(context: ssl.SSLContext, log: FilteringBoundLogger) -> None:
    """Log every handshake that fails as one line; the event loop itself is silent about them.

    A handshake that ends in a cipher of TLS 1.3 which Python cannot switch off fails here.
    """

    class Watched(ssl.SSLObject):
        """A connection's TLS, with an eye on the handshake."""

        def do_handshake(self) -> None:
            try:
                super().do_handshake()
                check_cipher(self.cipher())
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                log.warning("handshake failed", reason=error.reason, why=getattr(error, "verify_message", None))
                raise
            except TlsError as error:
                log.warning("handshake failed", reason=error.reason, why=str(error))
                raise ssl.SSLError(str(error)) from error

    context.sslobject_class = Watched


class _Connection(web.RequestHandler):
    """aiohttp's connection, which answers what is not HTTP as everything else is answered: without repeating it."""

    __slots__ = ("_app",)

    def __init__(self, app: App, manager: web.Server, **settings: Any) -> None:
        super().__init__(manager, **settings)
        self._app = app

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Log it as aiohttp does; the answer and the audit line are our own. Raises ConnectionError: too late."""
        super().handle_error(request, status, exc, message)
        response = self._app.refuse(request, _refused(exc))
        response.force_close()
        return response


class _Server(web.Server):
    def __init__(self, app: App, **settings: Any) -> None:
        super().__init__(app.handle, **settings)
        self._app = app

    def __call__(self) -> web.RequestHandler:
        return _Connection(self._app, self, loop=self._loop, **self._kwargs)


def _refused(error: BaseException | None) -> Refused:
    """What aiohttp says of a request that it cannot read, in our words (RFC 9110 §15.5.15, RFC 6585 §5)."""
    if isinstance(error, LineTooLong):
        if error.args[1] == MAX_TARGET:
            return Refused(Reason.BAD_REQUEST, f"a path over {MAX_TARGET} bytes", status=414)
        return Refused(Reason.BAD_REQUEST, f"a header over {MAX_HEADER} bytes", status=431)
    if not isinstance(error, HttpProcessingError):
        return Refused(Reason.UNAVAILABLE, type(error).__name__)
    if error.message == _TOO_MANY:
        return Refused(Reason.BAD_REQUEST, f"more than {MAX_HEADERS} headers", status=431)
    said = error.message.partition("\n")[0].rstrip(":")  # what follows quotes the caller at length
    return Refused(Reason.BAD_REQUEST, f"not HTTP as we speak it: {ascii(said[:120])[1:-1]}")


class _OneLine(logging.Handler):
    """What aiohttp has to say of requests that are not HTTP: one line, no traceback, no address."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ConnectionError):
            return  # the caller went away: its audit line says so
        # The text may quote what the caller sent: shown with escapes, and cut.
        self._log.warning("not HTTP as we speak it", kind=type(error).__name__, problem=ascii(str(error)[:120]))


def _http_logger(log: FilteringBoundLogger) -> logging.Logger:
    logger = logging.getLogger("mirror.content.http")
    logger.propagate = False
    logger.handlers = [_OneLine(log)]
    return logger


def _cannot_listen(address: str, error: OSError) -> ServeError:
    fallback = ("cannot-listen", f"{error.strerror or error}. Check content.listen")
    reason, hint = _REASONS.get(error.errno or 0, fallback)
    return ServeError(reason, f"Cannot listen on {address}: {hint}.")
