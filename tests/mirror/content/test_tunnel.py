"""mirror.content.tunnel: how bytes come and go. What the handshake lets through is tested with the listener."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from OpenSSL import SSL

from mirror.content.answer import Answer
from mirror.content.tunnel import TlsBroken
from tests.ca.house import House
from tests.mirror.content.inside import Inside, inside

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@pytest.fixture
async def mirror(house: House, tmp_path: Path) -> AsyncIterator[Inside]:
    async with inside(house, tmp_path, lambda _: Answer(200, {}, (b"here",))) as made:
        yield made


class Wire:
    """A client that holds its encrypted bytes in the hand."""

    def __init__(self, mirror: Inside, version: ssl.TLSVersion) -> None:
        mirror.context.minimum_version = mirror.context.maximum_version = version
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = mirror.context.wrap_bio(self._came, self._goes, server_hostname="127.0.0.1")
        self.plain = socket.create_connection(("127.0.0.1", mirror.port))
        self.plain.setblocking(False)
        self.plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def shake(self) -> bytes:
        """What is still to be sent at the end of it."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.send(self._goes.read())
                await self.hear()
            else:
                return self._goes.read()

    def said(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self._goes.read()

    async def send(self, raw: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.plain, raw)

    async def hear(self) -> None:
        raw = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.plain, 2**16), 5)
        assert raw, "the mirror closed the connection"
        self._came.write(raw)

    async def answers(self, count: int) -> bytes:
        """So many of them."""
        answer = b""
        while answer.count(b"here") < count:
            try:
                answer += self.tls.read(2**14)
            except ssl.SSLWantReadError:
                await self.hear()
        return answer


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("piece", [1, 7, 60, 10_000])
async def test_requests_are_answered_however_their_records_are_cut(
    mirror: Inside, version: ssl.TLSVersion, piece: int
) -> None:
    """Some come with the end of the handshake; of others a part comes, and the rest with the next one."""
    wire = Wire(mirror, version)
    raw = await wire.shake() if version is ssl.TLSVersion.TLSv1_3 else b""
    if version is ssl.TLSVersion.TLSv1_2:
        await wire.shake()
    raw += b"".join(wire.said(GET) for _ in range(4))
    raw += wire.said(GET[:20]) + wire.said(GET[20:])
    for begin in range(0, len(raw), piece):
        await wire.send(raw[begin : begin + piece])
        await asyncio.sleep(0.001 if piece > 1 else 0)
    assert (await wire.answers(5)).count(b"200 OK") == 5
    await wire.send(wire.said(GET))
    await wire.answers(1)
    assert len(mirror.app.over) == 6
    wire.plain.close()


async def test_a_long_answer_goes_out_whole(house: House, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096
    async with inside(house, tmp_path, lambda _: Answer(200, {}, (content,))) as mirror:
        reader, writer = await mirror.connect()
        writer.write(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert (await reader.read()).endswith(b"\r\n\r\n" + content)
        writer.close()


async def test_bytes_that_are_no_record_end_the_connection(mirror: Inside) -> None:
    wire = Wire(mirror, VERSIONS[1])
    await wire.send(await wire.shake())
    await wire.send(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        await wire.answers(1)
    wire.plain.close()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SSL.Error([("SSL routines", "", "unknown ca"), ("x", "", "y")]), "UNKNOWN_CA"),
        (SSL.SysCallError(-1, "Unexpected EOF"), "UNEXPECTED_EOF"),
        (SSL.Error([]), "UNKNOWN"),
        (SSL.Error(), "UNKNOWN"),
    ],
)
def test_what_openssl_says_is_a_reason_in_one_word(error: SSL.Error, reason: str) -> None:
    broken = TlsBroken(error)
    assert broken.reason == reason
    assert isinstance(broken, OSError)
