"""Connections of the load generator: non-blocking TLS sockets, one read callback each, and every answer looked at.

An answer counts if its status line, its length and, where it is known, its content are those that were asked for.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

_READ = 256 * 2**10  # bytes; OpenSSL gives one record, 16 KiB at most, at a time


class Target(NamedTuple):
    """What is asked of whom. `length` is of the body; `content` the body itself, or None if only its length counts."""

    host: str
    port: int
    context: ssl.SSLContext
    request: bytes
    status: bytes
    length: int
    content: bytes | None = None


class Connection:
    """One connection. Its owner hears of three things: it is ready, an answer is whole, it failed (and is closed)."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        target: Target,
        ready: Callable[["Connection"], None],
        answered: Callable[["Connection"], None],
        failed: Callable[["Connection", str], None],
    ) -> None:
        self.begun = 0.0
        """When the connection was opened, or the newest request was sent; in seconds of `perf_counter`."""
        self.busy = False
        """Whether something is to come: the handshake's end, or an answer."""
        self._loop = loop
        self._target = target
        self._ready = ready
        self._answered = answered
        self._failed = failed
        self._socket: socket.socket | None = None
        self._tls: ssl.SSLSocket | None = None
        self._buffer = bytearray(_READ if target.content is None else 0)
        self._got = b""
        self._left = -1

    def open(self) -> None:
        """Connect, and shake hands in full."""
        self.begun, self.busy = perf_counter(), True
        self._socket = plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.connect_ex((self._target.host, self._target.port))
        self._loop.add_writer(plain.fileno(), self._connected, plain)

    def ask(self) -> None:
        """Send the request."""
        self.begun, self.busy, self._left, self._got = perf_counter(), True, -1, b""
        self.send()

    def send(self) -> None:
        """Send the request, and let the time run that began with `open`."""
        self.busy = True
        try:
            if self._tls is not None:
                self._tls.write(self._target.request)
        except OSError as error:
            self._fail(_kind(error))

    def close(self) -> None:
        """Close it, if it is open."""
        if self._socket is not None:
            number = self._socket.fileno()
            self._loop.remove_reader(number)
            self._loop.remove_writer(number)
            self._socket.close()
        self._socket = self._tls = None
        self._left, self._got, self.busy = -1, b"", False

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, or one begins."""
        return self._socket is not None

    @property
    def cipher(self) -> str:
        """TLS version and cipher, as `TLSv1.3 TLS_AES_256_GCM_SHA384`; empty without a connection."""
        found = self._tls.cipher() if self._tls else None
        return f"{found[1]} {found[0]}" if found else ""

    @property
    def ticket(self) -> bool:
        """Whether the server gave a session ticket, as far as was read."""
        return self._tls is not None and self._tls.session is not None and self._tls.session.has_ticket

    def _connected(self, plain: socket.socket) -> None:
        number = plain.fileno()
        self._loop.remove_writer(number)
        if plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._fail("refused")
            return
        try:
            tls = self._target.context.wrap_socket(
                plain, server_hostname=self._target.host, do_handshake_on_connect=False
            )
        except OSError as error:
            self._fail(_kind(error))
            return
        self._socket = self._tls = tls
        self._loop.add_reader(number, self._shake, tls)
        self._shake(tls)

    def _shake(self, tls: ssl.SSLSocket) -> None:
        try:
            tls.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self._fail(f"handshake-{_kind(error)}")
            return
        if tls.session_reused:
            self._fail("resumed")
            return
        self._loop.remove_reader(tls.fileno())
        self._loop.add_reader(tls.fileno(), self._large if self._target.content is None else self._small, tls)
        self.busy = False
        self._ready(self)

    def _small(self, tls: ssl.SSLSocket) -> None:
        """Take what came of an answer that is compared as a whole."""
        try:
            while not self._whole():
                data = tls.read(_READ)
                if not data:
                    self._fail("broken-off" if self.busy else "closed")
                    return
                self._got = self._got + data if self._got else data
        except ssl.SSLWantReadError:
            return
        except OSError as error:
            self._fail(_kind(error))
            return
        got, content = self._got, self._target.content or b""
        if not got.startswith(self._target.status):
            self._fail(_status(got))
        elif not got.endswith(b"\r\n\r\n" + content):
            self._fail("other-content")
        else:
            self._done()

    def _whole(self) -> bool:
        """Whether enough was read to say what the answer is."""
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return False
        return len(self._got) - end - 4 >= self._target.length or not self._got.startswith(self._target.status)

    def _large(self, tls: ssl.SSLSocket) -> None:
        """Take what came of an answer whose bytes are counted."""
        try:
            while self._left:
                count = tls.recv_into(self._buffer)
                if not count:
                    self._fail("broken-off" if self.busy else "closed")
                    return
                if self._left < 0:
                    raw = bytes(self._buffer[:count])
                    end = raw.find(b"\r\n\r\n")
                    if end < 0 or not raw.startswith(self._target.status):
                        self._fail("other-head" if end < 0 else _status(raw))
                        return
                    self._left, count = self._target.length, count - end - 4
                if count > self._left:
                    self._fail("other-length")
                    return
                self._left -= count
        except ssl.SSLWantReadError:
            return
        except OSError as error:
            self._fail(_kind(error))
            return
        self._left = -1
        self._done()

    def _done(self) -> None:
        self.busy, self._got = False, b""
        self._answered(self)

    def _fail(self, kind: str) -> None:
        self.close()
        self._failed(self, kind)


def _kind(error: OSError) -> str:
    match error:
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return "broken-off"
        case ssl.SSLError():
            return f"tls-{(error.reason or 'unknown').lower().replace('_', '-')}"
        case ConnectionError():
            return "reset"
        case _:
            return type(error).__name__.lower()


def _status(raw: bytes) -> str:
    word = raw[:16].split(b" ")
    return f"status-{word[1].decode('ascii', 'replace')}" if len(word) > 1 else "other-head"
