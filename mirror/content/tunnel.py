"""TLS over one non-blocking socket: bytes in and out, with nothing in between but OpenSSL's memory.

The event loop's own TLS was measured beside it: 0.78 ms of CPU a handshake against 0.65 here (nginx: 0.61), and 304 or
52 KiB an idle connection. Also it would tell a refused client nothing, and read a PROXY header as TLS.
"""

import contextlib
import fcntl
import socket
import struct
import termios
from typing import Final

from OpenSSL import SSL, crypto

from mirror.content.bios import Bios
from mirror.tls import Context

CHUNK: Final = 16 * 2**10
"""Most bytes that are taken out of TLS at once: a record's."""
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


class TlsBroken(ConnectionError):
    """OpenSSL cannot go on. `reason`: why, in its words, as `PEER_DID_NOT_RETURN_A_CERTIFICATE`."""

    def __init__(self, error: SSL.Error) -> None:
        found = error.args[0] if error.args else None
        # A list of (library, function, reason), the cause first; or a number and a text.
        told = found[0][2] if isinstance(found, list) and found else error.args[1] if len(error.args) > 1 else "unknown"
        super().__init__(told)
        self.reason = str(told).upper().replace(" ", "_")


class Tunnel:
    """One connection. Every call raises `OSError` (`TlsBroken` is one) when it is broken."""

    __slots__ = ("_allowed", "_bios", "_held", "_socket", "_unsent", "handed")

    def __init__(self, plain: socket.socket, context: Context, handshake_bytes: int) -> None:
        """`plain`: from a socket that was `prepare`d. `handshake_bytes`: most that the peer's part may have."""
        self._socket = plain
        self._bios = Bios(context)
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
        if allowed is not None:
            # It would read 100 KB of certificates before it looks at the first: 25 ms for a stranger.
            self._held, self._allowed = raw[allowed:], max(0, allowed - len(raw))
            raw = raw[:allowed]
        self._bios.put(raw)

    def shake(self) -> bool:
        """Go on with the handshake; whether it is done.

        Raises:
            TlsBroken: it failed; what tells the peer so waits to be flushed.
            LongHandshake: nothing tells the peer so.
        """
        tls = self._bios.connection
        try:
            tls.do_handshake()
        except SSL.WantReadError:
            if self._held:
                raise LongHandshake("more bytes than it may have") from None
            self.flush()
            return False
        except SSL.Error as error:
            raise TlsBroken(error) from None
        self._allowed = None
        if self._held:
            self._bios.put(self._held)
            self._held = b""
        self.flush()
        # Without tickets the server has nothing to say now, and a client without TCP_NODELAY would wait 40 ms for our
        # delayed acknowledgement before it sends its request.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return True

    def certificate(self) -> bytes | None:
        """The peer's, DER, once the handshake is done."""
        found = self._bios.connection.get_peer_certificate()
        return None if found is None else crypto.dump_certificate(crypto.FILETYPE_ASN1, found)

    def read(self) -> bytes | None:
        """Decrypted bytes; None if there are no more now, b"" if the peer said that it is done."""
        try:
            return self._bios.read(CHUNK)
        except SSL.WantReadError:
            self.flush()  # an answer of TLS itself, to new keys
            return None
        except SSL.ZeroReturnError:
            return b""
        except SSL.Error as error:
            self.flush()  # an alert, which says why
            raise TlsBroken(error) from None

    @property
    def waiting(self) -> int:
        """Bytes that came and were not read."""
        return self._bios.waiting

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt bytes, to be flushed."""
        try:
            self._bios.write(data)
        except SSL.Error as error:
            raise TlsBroken(error) from None

    def flush(self) -> bool:
        """Hand what was written to the kernel; whether all of it left."""
        data = self._unsent + self._bios.take() if self._unsent else self._bios.take()
        if not data:
            return True
        try:
            count = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            count = 0
        self.handed += count
        if count == len(data):
            self._unsent = b""
            return True
        self._unsent = data[count:]
        if len(self._unsent) > _MOST_UNSENT:  # of an answer there is never so much: it asks for answers of TLS itself
            raise ConnectionAbortedError("it takes nothing and asks for more")
        return False

    def is_dead(self) -> bool:
        """Whether the peer has reset the connection."""
        return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == _CLOSED

    def on_the_way(self) -> int:
        """Bytes that the kernel took and the peer did not acknowledge."""
        queued = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\x00" * 4)
        count: int = struct.unpack("i", queued)[0]
        return count

    def last(self) -> None:
        """Say in TLS that nothing more comes, to be flushed."""
        with contextlib.suppress(SSL.Error):  # it waits for the peer's; or it was said before, or there was no TLS
            self._bios.connection.shutdown()

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
        del self._bios
