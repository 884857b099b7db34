"""The socket between control and a worker: framed messages, both ways.

    length   4 bytes, big-endian, 1 to MAX_FRAME
    message  MessagePack, one of the structs that the other side may send, and nothing that they do not name

Whoever gets anything else ends the connection: then the other process is not what it should be. Sending never waits;
a side that does not read what it is sent is given up once `MAX_WAITING` bytes wait for it.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

import msgspec

MAX_FRAME: Final = 2**20
"""Longest message, in bytes."""
MAX_WAITING: Final = 16 * 2**20
"""Most bytes that wait to be read by the other side."""
_HEAD: Final = 4

In = TypeVar("In")


class Channel(Generic[In]):
    """One end; `open_channel` makes one. For one event loop, and one reader."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: Any) -> None:
        self._reader, self._writer = reader, writer
        self._decoder: msgspec.msgpack.Decoder[In] = msgspec.msgpack.Decoder(kind, strict=True)
        self._encoder = msgspec.msgpack.Encoder()

    async def receive(self) -> In | None:
        """The next message; None once the other side is gone.

        Raises:
            ConnectionError: what came is no message, or breaks off within one; the connection is ended.
        """
        try:
            length = int.from_bytes(await self._reader.readexactly(_HEAD), "big")
            if not 0 < length <= MAX_FRAME:
                raise self._end(f"a message of {length} bytes")
            return self._decoder.decode(await self._reader.readexactly(length))
        except asyncio.IncompleteReadError as error:
            if error.partial or error.expected != _HEAD:
                raise self._end("half a message") from error
            return None
        except msgspec.DecodeError as error:  # a value that may not be is one, too
            raise self._end(f"no message of ours: {error}") from error

    def send(self, message: msgspec.Struct) -> None:
        """Send a message; it leaves in its own time, and is lost if the other side is gone.

        Raises:
            ConnectionError: the other side does not read; the connection is ended.
            ValueError: the message is longer than `MAX_FRAME`: a mistake of ours.
        """
        raw = self._encoder.encode(message)
        if len(raw) > MAX_FRAME:
            raise ValueError(f"a message of {len(raw)} bytes")
        if self._writer.transport.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > MAX_WAITING:
            raise self._end("nothing is read there")
        self._writer.write(len(raw).to_bytes(_HEAD, "big") + raw)

    async def close(self) -> None:
        """End it, after what was sent has left."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def abort(self) -> None:
        """End it at once."""
        self._writer.transport.abort()

    def _end(self, why: str) -> ConnectionError:
        self.abort()
        return ConnectionAbortedError(f"The channel between control and worker was ended: {why}.")


async def open_channel(end: socket.socket, kind: Any) -> Channel[Any]:
    """One end of a `socket.socketpair()`. `kind`: what the other side may send, a struct or a union of them."""
    reader, writer = await asyncio.open_unix_connection(sock=end, limit=MAX_FRAME)
    return Channel(reader, writer, kind)
