"""Callers that stop in the middle: of a body they send (bodies), or of one they read (answer). Real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from mirror.content import answer
from mirror.content.answer import Answer, send
from mirror.content.bodies import read_body
from mirror.content.problems import Refused
from spot_client.wire.problem import Reason

BIG = 64 * 2**20  # bytes: more than the buffers on the way hold

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def connected(handler: Handler, sent: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """A connection to a server of this handler, over which `sent` was sent, and nothing more comes."""
    http, port = web.Server(handler, access_log=None), unused_port()
    server = await asyncio.get_running_loop().create_server(http, "127.0.0.1", port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        yield reader
    finally:
        writer.close()
        server.close()
        await http.shutdown(1)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"Content-Length: 5\r\n\r\nabcd", Reason.BAD_REQUEST),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", Reason.BAD_REQUEST),
        (b"Content-Length: 11\r\n\r\n", Reason.TOO_LARGE),
        (b"Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n", Reason.TOO_LARGE),
    ],
)
async def test_a_body_that_stalls_or_grows_too_long_is_given_up_in_time(sent: bytes, reason: Reason) -> None:
    refused: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        with pytest.raises(Refused) as caught:
            await read_body(request, 10, seconds=0.2)
        refused.set_result(caught.value.reason)
        return await send(request, Answer(400, {}, closes=True), lambda _: None)

    async with connected(handler, b"PUT / HTTP/1.1\r\nHost: x\r\n" + sent), asyncio.timeout(5):
        assert await refused is reason


async def test_a_caller_that_stops_reading_is_cut_and_what_was_written_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answer, "STALL_SECONDS", 0.3)
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    slices: list[int] = []
    let_go: list[bool] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        whole = Answer(200, {}, (bytes(BIG),), let_go=lambda: let_go.append(True))
        try:
            return await send(request, whole, slices.append)
        except ConnectionAbortedError:
            ended.set_result(sum(slices))
            raise

    async with connected(handler, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), asyncio.timeout(5):
        assert 0 < await ended < BIG
    assert let_go == [True]


async def test_while_one_caller_reads_a_long_body_others_get_their_turn() -> None:
    turns: list[int] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return await send(request, Answer(200, {}, (bytes(BIG),), closes=True), lambda _: None)

    async def other() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    async with connected(handler, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") as reader:
        task = asyncio.create_task(other())
        assert len(await reader.read()) > BIG
        task.cancel()
    assert len(turns) >= BIG // answer.SLICE
