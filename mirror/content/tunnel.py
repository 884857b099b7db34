"""TLS over one non-blocking socket: bytes in and out, with nothing in between but OpenSSL's memory.

The event loop's own TLS was measured beside it: 0.78 ms of CPU a handshake against 0.65 here (nginx: 0.61), and 304 or
52 KiB an idle connection. Also it would tell a refused client nothing, and read a PROXY header as TLS.
"""

import contextlib
import fcntl
import socket
import ssl
import struct
import termios
from typing import Final

from ca.tls import ServerContexts, check_cipher

CHUNK: Final = 16 * 2**10
"""Most bytes that are taken out of TLS at once: a record's."""
MAX_SESSIONS: Final = 1000
"""Of TLS 1.2 that OpenSSL may remember, beside those of open connections; each has its client's certificates."""
_RECEIVE: Final = 64 * 2**10
_NOT_SENT: Final = (
    128 * 2**10
)  # bytes that the kernel takes beyond what is under way: a slow reader holds no more of ours
_MOST_UNSENT: Final = 256 * 2**10  # bytes
_TCP_NOTSENT_LOWAT: Final = 25
_CLOSED: Final = b"\x07"  # TCP_CLOSE, the first byte of TCP_INFO


def prepare(listening: socket.socket) -> None:
    """Set what the connections that are accepted from it take over."""
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _NOT_SENT)


class LongHandshake(Exception):
    """The peer's part of a handshake has more bytes than it may have."""

    reason = "long-handshake"


class Tunnel:
    """One connection. Every call raises `OSError` (`ssl.SSLError` is one) when it is broken."""

    __slots__ = ("_allowed", "_contexts", "_held", "_in", "_out", "_socket", "_tls", "_unsent", "handed")

    def __init__(self, plain: socket.socket, contexts: ServerContexts, handshake_bytes: int) -> None:
        """`plain`: from a socket that was `prepare`d. `handshake_bytes`: most that the peer's part may have."""
        self._socket = plain
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = contexts.opening.wrap_bio(self._in, self._out, server_side=True)
        self._contexts = contexts
        self._allowed: int | None = handshake_bytes  # None: it is done
        self._held = b""  # what came beyond that
        self._unsent = b""
        self.handed = 0
        """Bytes that the kernel took."""

    def receive(self) -> bytes | None:
        """What the socket has, still encrypted; None if nothing, b"" at its end."""
        try:
            return self._socket.recv(_RECEIVE)
        except (BlockingIOError, InterruptedError):
            return None

    def take(self, raw: bytes) -> None:
        """Bytes that `receive` gave; OpenSSL gets no more of them for a handshake than it may have."""
        allowed = self._allowed
        if allowed is None:
            self._in.write(raw)
            return
        # It would read 100 KB of certificates before it looks at the first: 25 ms for a stranger.
        self._in.write(raw[:allowed])
        self._held, self._allowed = raw[allowed:], max(0, allowed - len(raw))

    def shake(self) -> bool:
        """Go on with the handshake; whether it is done.

        Raises:
            ssl.SSLError: it failed; what tells the peer so waits to be flushed.
            LongHandshake: nothing tells the peer so.
            TlsError: it ended in a cipher that Python cannot switch off.
        """
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            if self._held:
                raise LongHandshake("more bytes than it may have") from None
            # Our first flight is out: from here on, a client certificate can be a good one. (After a HelloRetryRequest
            # it is not yet out, and the issuing CA's certificate goes along.)
            if self._out.pending:
                self._tls.context = self._contexts.whole
            self.flush()
            return False
        check_cipher(self._tls.cipher())
        self._allowed = None
        if self._held:
            self._in.write(self._held)
            self._held = b""
        self.flush()
        # Without tickets the server has nothing to say now, and a client without TCP_NODELAY would wait 40 ms for our
        # delayed acknowledgement before it sends its request.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return True

    def certificate(self) -> bytes | None:
        """The peer's, DER, once the handshake is done."""
        return self._tls.getpeercert(binary_form=True)

    def read(self) -> bytes | None:
        """Decrypted bytes; None if there are no more now, b"" if the peer said that it is done."""
        try:
            return self._tls.read(CHUNK)
        except ssl.SSLWantReadError:
            if self._out.pending:  # an answer of TLS itself, to new keys
                self.flush()
            return None

    @property
    def waiting(self) -> int:
        """Bytes that came and were not read."""
        return self._in.pending + self._tls.pending()

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt bytes, to be flushed."""
        self._tls.write(data)

    def flush(self) -> bool:
        """Hand what was written to the kernel; whether all of it left."""
        data = self._unsent + self._out.read() if self._unsent else self._out.read()
        if not data:
            return True
        try:
            count = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            count = 0
        self.handed += count
        self._unsent = data[count:]
        if len(self._unsent) > _MOST_UNSENT:  # of an answer there is never so much: it asks for answers of TLS itself
            raise ConnectionAbortedError("it takes nothing and asks for more")
        return not self._unsent

    def is_dead(self) -> bool:
        """Whether the peer has reset the connection."""
        return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == _CLOSED

    def on_the_way(self) -> int:
        """Bytes that the kernel took and the peer did not acknowledge."""
        queued = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\x00" * 4)
        count: int = struct.unpack("i", queued)[0]
        return count

    def last(self) -> None:
        """Say in TLS that nothing more comes, to be flushed.

        Of a connection that ends without, OpenSSL forgets the session: in TLS 1.2, where Python cannot turn resumption
        off, it remembers twenty thousand otherwise.
        """
        if self._tls.version() == "TLSv1.2" and self._contexts.opening.session_stats()["number"] >= MAX_SESSIONS:
            return
        with contextlib.suppress(ssl.SSLError):  # it waits for the peer's; or it was said before, or there was no TLS
            self._tls.unwrap()

    def farewell(self) -> None:
        """Say that nothing more comes, in TLS and below it."""
        self.last()
        self.flush()
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Have the socket reset the connection when it is closed: bytes that wait are thrown away (TCP: RST)."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        """Let go of the socket, and of OpenSSL's memory at once: it is warm for the next connection."""
        self._socket.close()
        del self._tls, self._in, self._out
