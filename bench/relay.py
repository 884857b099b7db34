"""A relay for TCP that counts what goes by: everything that a network would carry but the headers of its packets.

Bytes of TLS, certificates and HTTP heads are in it; it sees none of what they say.
"""

import contextlib
import socket
import threading
from typing import NamedTuple, Self

_PIECE = 2**16


class Carried(NamedTuple):
    """Bytes that went up to the mirror and down from it, over how many connections."""

    up: int
    down: int
    connections: int


class Relay:
    """Carries to `port` of this machine what comes to its own `port`; a context manager."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._counts = [0, 0, 0]
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._accepts = threading.Thread(target=self._accept, daemon=True)
        self._accepts.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # for Linux: whoever waits to accept is woken
        self._accepts.join()
        self._listener.close()

    def carried(self) -> Carried:
        """So far, connections that are still open included."""
        with self._lock:
            return Carried(*self._counts)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                self._count(2, 1)
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._to)) as far:
            up = threading.Thread(target=self._carry, args=(0, near, far), daemon=True)
            up.start()
            self._carry(1, far, near)
            up.join()

    def _carry(self, which: int, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):  # either side may go at any time
            while piece := source.recv(_PIECE):
                self._count(which, len(piece))
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def _count(self, which: int, more: int) -> None:
        with self._lock:
            self._counts[which] += more
