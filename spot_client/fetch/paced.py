"""Connections that give up on a peer that gives too little (`spot_client.fetch.pace`).

The pace is held where bytes come in, at the socket: below whatever reads lines of headers or pieces of a body, so that
nothing between (a head of endless lines, one interim answer after another) can wait beside it. OpenSSL's own loops are
bounded by the timeout that is set here before each call: CPython takes it as a deadline for the whole call, a handshake
or a record that comes drop by drop included.
"""

import contextlib
import ssl
import time
from typing import Any

from urllib3.connection import HTTPSConnection
from urllib3.response import HTTPResponse

from spot_client.fetch.pace import Pace, Patience


class PacedSocket(ssl.SSLSocket):
    """A TLS socket that reads at the pace it was given; without one, as any other."""

    pace: Pace | None = None

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Read into `buffer`.

        Raises `TooSlow` if the pace is not kept, `BrokenOff` at an end within a head, `TimeoutError` if nothing came.
        """
        pace = self.pace
        if pace is None:
            return super().recv_into(buffer, nbytes, flags)
        count = None
        while count is None:
            begun = time.monotonic()
            self.settimeout(pace.wait)
            with contextlib.suppress(TimeoutError):  # it may be the end of a window only
                count = super().recv_into(buffer, nbytes, flags)
            pace.took(count or 0, time.monotonic() - begun)
            if count is None and pace.is_silent:
                raise TimeoutError("the read operation timed out")
        if not count:  # http.client would take it for the end of the head, and what came for all of it
            pace.ended()
        return count


class PacedConnection(HTTPSConnection):
    """urllib3's connection, over a `PacedSocket`."""

    def __init__(self, *args: Any, patience: Patience, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience = patience

    def connect(self) -> None:
        """Connect and shake hands."""
        if self.ssl_context is not None:
            self.ssl_context.sslsocket_class = PacedSocket
        super().connect()

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # of urllib3, not of http.client
        """The head of the answer. Its body, read later, is held to its own pace."""
        sock = self.sock
        if not isinstance(sock, PacedSocket):
            raise TypeError("this connection cannot be paced")
        sock.pace = self._patience.for_head
        answer = super().getresponse()
        sock.pace = self._patience.for_body
        return answer
