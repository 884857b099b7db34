"""mirror.content.conversation and its connection: callers that stop in the middle, that are slow, that ask ahead."""

import asyncio
import itertools
import re
import socket
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from mirror.content import sending
from mirror.content.answer import Answer
from mirror.content.bodies import read_body
from mirror.content.caller import Caller
from mirror.content.exchange import Exchange
from mirror.content.head import MAX_AHEAD, Request
from mirror.content.sending import SLICE
from tests.ca.house import House
from tests.mirror.content.inside import Inside, inside

BIG = 64 * 2**20  # bytes: more than the buffers on the way hold
GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"


def plainly(request: Request) -> Answer:
    return Answer(200, {}, (request.target.encode(),))


async def body(request: Request) -> Answer:
    return Answer(200, {}, (await read_body(request, 10),))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"Content-Length: 5\r\n\r\nabcd", b"408"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", b"408"),
        (b"Content-Length: 11\r\n\r\n", b"413"),
        (b"Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n", b"413"),
    ],
)
async def test_a_body_that_stalls_or_grows_too_long_is_given_up_in_time(
    house: House, tmp_path: Path, sent: bytes, status: bytes
) -> None:
    async with inside(house, tmp_path, body, body_seconds=1) as own, asyncio.timeout(10):
        reader, writer = await own.connect()
        writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\n" + sent)
        answer = await reader.read()
        assert answer.split(b" ")[1] == status
        assert b"Connection: close\r\n" in answer
        assert own.counted.closed == ({"slow-body": 1} if status == b"408" else {})
        writer.close()


async def test_a_body_that_keeps_its_pace_may_take_its_time_and_one_that_does_not_may_not(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.content.conversation.BODY_GRACE", 0.2)
    async with inside(house, tmp_path, body, body_rate=20) as own, asyncio.timeout(20):
        answers = []
        for pause in (0.02, 0.7):
            reader, writer = await own.connect()
            writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\n")
            for _ in range(10):
                writer.write(b"x")
                await asyncio.sleep(pause)
                if reader.at_eof() or own.counted.closed:
                    break
            answers.append((await reader.read()).split(b" ")[1])
            writer.close()
        assert answers == [b"200", b"408"]


async def test_a_caller_that_expects_it_is_told_to_go_on_with_its_body(house: House, tmp_path: Path) -> None:
    async with inside(house, tmp_path, body) as own, asyncio.timeout(5):
        reader, writer = await own.connect()
        writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hi")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_a_caller_that_stops_reading_is_cut_and_what_was_written_is_counted(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WINDOW_SECONDS", 0.5)
    let_go: list[bool] = []
    whole = Answer(200, {}, (bytes(BIG),), let_go=lambda: let_go.append(True))
    async with inside(house, tmp_path, lambda _: whole) as own:
        _, writer = await own.connect()
        writer.write(GET % 1)  # what comes back is read up to the stream's own limit, and no further
        await own.until(lambda: bool(own.app.broke))
        assert 0 < own.app.broke[0].sent < BIG
        assert own.counted.closed == {"slow-reader": 1}
        writer.close()
    assert let_go == [True]


async def test_a_caller_that_reads_slowly_but_keeps_its_pace_gets_everything(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WINDOW_SECONDS", 0.3)
    size = 12 * 2**20
    async with inside(house, tmp_path, lambda _: Answer(200, {}, (bytes(size),)), answer_rate=1000) as own:
        reader, writer = await own.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        read = 0
        async with asyncio.timeout(30):
            while piece := await reader.read(2**19):
                read += len(piece)
                await asyncio.sleep(0.03)
        assert read > size
        writer.close()


async def test_while_one_caller_reads_a_long_body_others_get_their_turn(house: House, tmp_path: Path) -> None:
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    async with inside(house, tmp_path, lambda _: Answer(200, {}, (bytes(BIG),), closes=True)) as own:
        reader, writer = await own.connect()
        writer.write(GET % 1)
        task = asyncio.create_task(other())
        assert len(await reader.read()) > BIG
        task.cancel()
        writer.close()
    assert len(turns) >= BIG // SLICE // 4


async def test_many_requests_sent_ahead_are_answered_in_order_and_held_back(house: House, tmp_path: Path) -> None:
    count = 3000
    async with inside(house, tmp_path, plainly) as own, asyncio.timeout(20):
        reader, writer = await own.connect()
        last = b"GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % count
        writer.write(b"".join(GET % number for number in range(count)) + last)
        answers = await reader.read()
        assert [int(found) for found in re.findall(rb"\r\n\r\n/(\d+)", answers)] == list(range(count + 1))
        writer.close()


async def test_half_a_header_is_not_waited_for_for_ever(house: House, tmp_path: Path) -> None:
    async with inside(house, tmp_path, plainly, header_seconds=1) as own, asyncio.timeout(10):
        reader, writer = await own.connect()
        for byte in (b"G", b"E", b"T", b" ", b"/"):  # a drip does not renew the deadline
            writer.write(byte)
            await asyncio.sleep(0.05)
        assert await reader.read() == b""
        assert own.counted.closed == {"slow-header": 1}
        writer.close()


async def test_a_connection_without_requests_ends(house: House, tmp_path: Path) -> None:
    async with inside(house, tmp_path, plainly, idle_seconds=1) as own, asyncio.timeout(10):
        reader, writer = await own.connect()
        writer.write(GET % 1)
        assert (await reader.read()).endswith(b"/1")
        assert own.counted.closed == {"idle": 1}
        writer.close()


async def test_a_handshake_that_never_ends_is_not_waited_for(house: House, tmp_path: Path) -> None:
    async with inside(house, tmp_path, plainly, handshake_seconds=1) as own, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", own.port)
        writer.write(b"\x16\x03\x01")
        assert await reader.read() == b""
        assert own.counted.handshakes == {"timeout": 1}
        writer.close()


async def test_a_mistake_of_ours_ends_the_connection_concerned_and_no_other(house: House, tmp_path: Path) -> None:
    def handler(request: Request) -> Answer:
        if request.target == "/1":
            raise RuntimeError("a mistake")
        return plainly(request)

    async with inside(house, tmp_path, handler, fails=True) as own, asyncio.timeout(5):
        (first, one), (second, two) = await own.connect(), await own.connect()
        one.write(GET % 1)
        assert await first.read() == b""
        two.write(GET % 2)
        assert (await second.readuntil(b"/2")).startswith(b"HTTP/1.1 200 ")
        assert "a connection failed" in own.log.getvalue()
        one.close()
        two.close()


async def test_an_answer_to_a_caller_that_hung_up_is_told_as_broken(house: House, tmp_path: Path) -> None:
    async with inside(house, tmp_path, lambda _: Answer(200, {}, (bytes(BIG),))) as own:
        _, writer = await own.connect()
        writer.write(GET % 1)
        await asyncio.sleep(0.1)
        writer.transport.abort()
        await own.until(lambda: bool(own.app.broke))
        assert not own.app.over


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01", b""])
async def test_who_resets_behind_what_it_sends_holds_no_place(house: House, tmp_path: Path, sent: bytes) -> None:
    async with inside(house, tmp_path, plainly) as own:
        for _ in range(20):
            plain = socket.create_connection(("127.0.0.1", own.port))
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            plain.sendall(sent)
            plain.close()
        await own.until(lambda: sum(own.counted.handshakes.values()) == 20, 2)
        await own.until(lambda: own.counted.connections == 0, 2)


async def test_who_resets_behind_a_request_holds_no_place(house: House, tmp_path: Path) -> None:
    async with inside(house, tmp_path, plainly) as own:
        for _ in range(20):
            _, writer = await own.connect()
            writer.write(GET % 1)
            writer.transport.abort()
        await own.until(lambda: own.counted.handshakes.get("ok") == 20)
        await own.until(lambda: own.counted.connections == 0, 4)


async def test_between_requests_that_were_sent_ahead_others_get_their_turn(house: House, tmp_path: Path) -> None:
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(len(own.app.over))
            await asyncio.sleep(0)

    async with inside(house, tmp_path, plainly) as own, asyncio.timeout(20):
        reader, writer = await own.connect()
        task = asyncio.create_task(other())
        writer.write(
            b"".join(GET % number for number in range(1000))
            + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % 0
        )
        await reader.read()
        task.cancel()
        writer.close()
    assert max(later - earlier for earlier, later in itertools.pairwise(turns)) <= 16


async def test_a_request_whose_body_breaks_off_is_told_as_broken(house: House, tmp_path: Path) -> None:
    async with inside(house, tmp_path, body) as own:
        _, writer = await own.connect()
        writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhi")
        await asyncio.sleep(0.2)
        writer.transport.abort()
        await own.until(lambda: len(own.app.broke) + len(own.app.over) == 1)
        await own.until(lambda: own.app.working == 0)


async def test_trailers_without_an_end_are_refused(house: House, tmp_path: Path) -> None:
    async with inside(house, tmp_path, body) as own, asyncio.timeout(10):
        reader, writer = await own.connect()
        writer.write(
            b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: " + b"y" * 100_000
        )
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
        writer.close()


async def test_who_says_no_more_is_answered_what_was_asked_before(house: House, tmp_path: Path) -> None:
    count = 100

    def ask(own: Inside) -> bytes:
        plain = socket.create_connection(("127.0.0.1", own.port), timeout=10)
        with own.context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            secure.sendall(b"".join(GET % number for number in range(count)))
            socket.socket.shutdown(secure, socket.SHUT_WR)  # beneath TLS, which is still to be read
            answers = b""
            while piece := secure.recv(2**16):
                answers += piece
        return answers

    async with inside(house, tmp_path, plainly) as own, asyncio.timeout(20):
        answers = await asyncio.to_thread(ask, own)
    assert [int(found) for found in re.findall(rb"\r\n\r\n/(\d+)", answers)] == list(range(count))


async def test_a_caller_that_is_ahead_holds_few_requests_here_and_is_read_no_further(
    house: House, tmp_path: Path
) -> None:
    most = 0

    def watched(request: Request) -> Answer:
        nonlocal most
        readers = [one._conversation._reader for one in own.listener._connections if one._conversation is not None]
        most = max(most, *(len(reader.requests) for reader in readers))
        return plainly(request)

    count = 4000
    async with inside(house, tmp_path, watched) as own, asyncio.timeout(30):
        reader, writer = await own.connect()
        last = b"GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % count
        writer.write(b"".join(GET % number for number in range(count)) + last)
        answers = await reader.read()
        assert answers.count(b"HTTP/1.1 200") == count + 1
        assert 0 < most < 2 * MAX_AHEAD + 64
        writer.close()


@pytest.mark.parametrize("long", [9000, 12000, 16000])
async def test_limits_of_headers_hold_for_one_that_begins_behind_another(
    house: House, tmp_path: Path, long: int
) -> None:
    async with inside(house, tmp_path, plainly, header_bytes=16384) as own, asyncio.timeout(10):
        reader, writer = await own.connect()
        begun = GET % 1 + b"GET /2 HTTP/1.1\r\nHost: x\r\nX: "
        writer.write(begun + b"a" * long)
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.write(b"\r\n\r\n")
        answers = await reader.read()
        assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"431"]
        writer.close()


async def test_who_is_gone_before_its_body_is_asked_for_disturbs_nobody(house: House, tmp_path: Path) -> None:
    async def reads(request: Request) -> Answer:
        await request.body.read(100)
        return Answer(200, {})

    async with inside(house, tmp_path, reads) as own, asyncio.timeout(10):
        loop, problems = asyncio.get_running_loop(), list[str]()
        loop.set_exception_handler(lambda _loop, told: problems.append(str(told)))
        began = own.app.begin

        def begin(request: Request, caller: Caller, address: str) -> Exchange:
            exchange = began(request, caller, address)
            for one in [*own.listener._connections]:
                loop.call_soon(one.end)  # before the first step of its task
            return exchange

        own.app.begin = begin  # type: ignore[method-assign]
        reader, writer = await own.connect()
        writer.write(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        with suppress(ConnectionError):
            assert await reader.read() == b""
        await own.until(lambda: not own.listener._connections and not own.app.working)
        assert problems == []
        assert len(own.app.broke) == 1
        writer.close()
