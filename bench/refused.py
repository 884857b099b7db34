"""What a client does until it is refused, in every situation in which it may be; each tells when."""

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from threading import Barrier
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from bench.measure import ProgramFailed
from bench.stage import LARGE

_PATH: Final = "/licences"
_PAUSE_SECONDS: Final = 0.01  # between two tries: what is measured is no finer than that
_PATIENCE_SECONDS: Final = 30.0
_PIECE: Final = 64 * 2**10


class Party(NamedTuple):
    """A client's certificate: `context` gives what connects with it, in one version of TLS."""

    url: str
    serial: int
    context: Callable[[ssl.TLSVersion], ssl.SSLContext]

    def connect(self, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        """A connection; `session`: to be resumed, if the mirror does that."""
        place = urlsplit(self.url)
        host = place.hostname or ""
        plain = socket.create_connection((host, place.port or 443), timeout=_PATIENCE_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(plain, server_hostname=host, session=session)


def fresh(party: Party, served: Barrier) -> float:
    """A new handshake each time."""
    context = party.context(ssl.TLSVersion.TLSv1_3)
    return _again(lambda: _asked_once(party.connect(context)), served)


def resumed_12(party: Party, served: Barrier) -> float:
    """A session of TLS 1.2 is offered; the mirror remembers none, so the handshake is a full one."""
    return _resumed(party, served, ssl.TLSVersion.TLSv1_2)


def resumed_13(party: Party, served: Barrier) -> float:
    """A session of TLS 1.3 is offered; the mirror gives no ticket, so the handshake is a full one."""
    return _resumed(party, served, ssl.TLSVersion.TLSv1_3)


def kept(party: Party, served: Barrier) -> float:
    """Requests on a connection that stays open."""
    with party.connect(party.context(ssl.TLSVersion.TLSv1_3)) as connection:
        return _again(lambda: _asked(connection), served)


def download(party: Party, served: Barrier) -> float:
    """An answer that has begun, until it ends before its end."""
    with party.connect(party.context(ssl.TLSVersion.TLSv1_3)) as connection:
        connection.sendall(f"GET {LARGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        if not connection.recv(_PIECE).startswith(b"HTTP/1.1 200 "):
            raise ProgramFailed("the download does not begin")
        served.wait()
        end = time.monotonic() + _PATIENCE_SECONDS
        try:
            while connection.recv(_PIECE):
                if time.monotonic() > end:
                    raise ProgramFailed("the download goes on")
                time.sleep(_PAUSE_SECONDS)
        except OSError:
            pass
        return time.time()


SITUATIONS: Final[Mapping[str, Callable[[Party, Barrier], float]]] = {
    "new handshake": fresh,
    "resumed TLS 1.2": resumed_12,
    "resumed TLS 1.3": resumed_13,
    "open keep-alive connection": kept,
    "download in flight": download,
}


def _resumed(party: Party, served: Barrier, version: ssl.TLSVersion) -> float:
    context = party.context(version)
    with party.connect(context) as first:
        _asked(first)
        session = first.session

        def ask() -> bool:
            connection = party.connect(context, session)
            if connection.session_reused:
                raise ProgramFailed(f"a session was resumed in {connection.version()}")
            return _asked_once(connection)

        return _again(ask, served)


def _again(ask: Callable[[], bool], served: Barrier) -> float:
    """Ask until it is refused; the moment, by the clock."""
    if not ask():
        raise ProgramFailed("a new certificate is refused")
    served.wait()
    end = time.monotonic() + _PATIENCE_SECONDS
    while ask():
        if time.monotonic() > end:
            raise ProgramFailed("a revoked certificate is not refused")
        time.sleep(_PAUSE_SECONDS)
    return time.time()


def _asked_once(connection: ssl.SSLSocket) -> bool:
    with connection:
        return _asked(connection, "Connection: close\r\n")


def _asked(connection: ssl.SSLSocket, header: str = "") -> bool:
    """Whether it is served: refused is who is told that it was revoked, and nobody else."""
    connection.sendall(f"GET {_PATH} HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode())
    answer = connection.recv(_PIECE)
    if answer.startswith(b"HTTP/1.1 200 "):
        return True
    if answer.startswith(b"HTTP/1.1 403 ") and b'"revoked"' in answer:
        return False
    raise ProgramFailed(f"neither served nor refused: {answer[:200]!r}")
