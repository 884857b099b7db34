"""A server on loopback that answers each request as a test tells it to: real sockets, real TLS, any misbehaviour."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import msgspec

Behave = Callable[["Asked"], bytes | Iterator[bytes]]
"""What to send in answer, byte for byte; the connection is closed after an answer that says so, or an empty one.

Pieces that come one by one are sent as they come, until the other side has gone; then the connection is closed.
"""


class Asked(msgspec.Struct, frozen=True):
    """A request as it came in; headers by lower-case name. `peer`: the client's certificate, DER."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer: bytes = b""

    def span(self, content: bytes) -> bytes:
        """The part of `content` that a Range header asks for."""
        first, _, last = self.headers["range"].removeprefix("bytes=").partition("-")
        return content[int(first) : int(last) + 1]


def reply(status: str = "200 OK", body: bytes = b"", **headers: str) -> bytes:
    """An answer with its length; header names are written with underscores."""
    named = {"Content_Length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def ranged(asked: Asked, content: bytes) -> bytes:
    """The right answer to a request with a Range header."""
    part = asked.span(content)
    first = asked.headers["range"].removeprefix("bytes=").partition("-")[0]
    where = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
    return reply("206 Partial Content", part, Content_Range=where)


def problem(status: str, reason: str, detail: str = "No.") -> bytes:
    """A refusal as the mirror words it (RFC 9457)."""
    body = msgspec.json.encode({"reason": reason, "detail": detail, "request": "req-1", "title": "x"})
    return reply(status, body, Content_Type="application/problem+json")


def in_turn(*answers: bytes) -> Behave:
    """These answers one after another, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


class Server:
    """Listens from the start; `asked` is every request that came through, `connections` counts them.

    `sheds`: how many connections it closes as soon as they come.
    """

    def __init__(self, context: ssl.SSLContext | None, behave: Behave) -> None:
        self._context = context
        self.behave = behave
        self.asked: list[Asked] = []
        self.connections = 0
        self.sheds = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def show(self, context: ssl.SSLContext) -> None:
        """Show another certificate, from the next connection on."""
        self._context = context

    def close(self) -> None:
        """Stop, and wait until all threads have ended."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                plain, _ = self._listener.accept()
                self.connections += 1
                if self.connections <= self.sheds:
                    plain.close()
                    continue
                thread = threading.Thread(target=self._serve, args=(plain,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, plain: socket.socket) -> None:
        with plain, suppress(OSError, EOFError):
            if self._context is None:
                self._open.append(plain)
                plain.recv(2**14)
                _send(plain, self.behave(Asked("", "", {}, b"")))
                return
            with (
                plain.dup() as raw,
                self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as connection,
            ):
                self._open.append(connection)
                try:
                    connection.do_handshake()
                except ssl.SSLError:
                    _hear_out(raw)  # else a reset overtakes the alert that says why
                    return
                while self._answer(connection):
                    pass

    def _answer(self, connection: ssl.SSLSocket) -> bool:
        asked = _read(connection)
        self.asked.append(asked)
        answer = self.behave(asked)
        _send(connection, answer)
        return isinstance(answer, bytes) and bool(answer) and b"connection: close" not in answer.lower()


def _hear_out(raw: socket.socket) -> None:
    raw.shutdown(socket.SHUT_WR)
    raw.settimeout(5)
    while raw.recv(2**14):
        pass


def _read(connection: ssl.SSLSocket) -> Asked:
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += _some(connection)
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += _some(connection)
    return Asked(method, path, headers, body, connection.getpeercert(binary_form=True) or b"")


def _send(connection: socket.socket, answer: bytes | Iterator[bytes]) -> None:
    for piece in (answer,) if isinstance(answer, bytes) else answer:
        connection.sendall(piece)


def _some(connection: ssl.SSLSocket) -> bytes:
    piece = connection.recv(2**14)
    if not piece:
        raise EOFError
    return piece


Serve = Callable[..., Server]
"""The fixture `serve`: starts a server that is closed with the test."""


def paths(asked: Sequence[Asked]) -> list[str]:
    """What was asked for, in order."""
    return [one.path for one in asked]
