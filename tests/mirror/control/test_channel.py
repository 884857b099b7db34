"""mirror.control.channel: messages go both ways, and whoever sends anything else is cut off. Real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from ca.credentials import Credentials
from mirror.control import channel, orders, reports, writes
from mirror.control.channel import MAX_FRAME, Channel, open_channel
from mirror.control.orders import Changed, Order, Setup, Written
from mirror.control.reports import Report
from mirror.counters import Counted

Ends = tuple[Channel[Report], socket.socket]
CREDENTIALS = Credentials(b"certificate", b"key")
MESSAGES = (
    reports.Loaded(),
    reports.Took(3),
    reports.Seen(("0" * 16,) * reports.MAX_SEEN),
    reports.Count(Counted(handshakes={"ok": 1}, latency={"pack": [0] * 13})),
    writes.Mint(1, "acme", bytes(32)),
    writes.Put(2, "0" * 16, {"sdk/botocore": "1.40.0"}),
    reports.Failed("bad-key", "There is no key."),
)


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    """Control's end, and the bare socket that a worker has."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    opened = await open_channel(ours, Report)
    yield opened, theirs
    opened.abort()
    theirs.close()


def framed(raw: bytes) -> bytes:
    return len(raw).to_bytes(4, "big") + raw


async def test_what_one_side_sends_the_other_gets() -> None:
    ours, theirs = socket.socketpair()
    control: Channel[Report] = await open_channel(ours, Report)
    worker: Channel[Order] = await open_channel(theirs, Order)
    setup = Setup({"realm": "x"}, CREDENTIALS, (b"ca",), (5, 6), 2, "/memory", "/rings")
    told = (setup, Changed(1), Written(9), orders.Drain(2.5))
    for order in told:
        control.send(order)
    for report in MESSAGES:
        worker.send(report)
    assert [await worker.receive() for _ in told] == [*told]
    assert [await control.receive() for _ in MESSAGES] == [*MESSAGES]
    await worker.close()
    assert await control.receive() is None
    await control.close()
    control.send(Written(1))  # to nobody


def packed(**fields: Any) -> bytes:
    return framed(msgspec.msgpack.encode(fields))


HOSTILE = {
    "an empty message": framed(b""),
    "a message that is too long": (MAX_FRAME + 1).to_bytes(4, "big"),
    "the longest length there is": b"\xff" * 4,
    "no MessagePack": framed(b"\xc1"),
    "two messages in one": framed(msgspec.msgpack.encode(reports.Loaded()) * 2),
    "no struct": framed(b"\x01"),
    "an order, not a report": framed(msgspec.msgpack.encode(orders.Drain(0))),
    "an unknown kind": packed(type="shutdown"),
    "an unknown field": packed(type="took", turn=1, more=2),
    "a missing field": packed(type="took"),
    "a number below nothing": packed(type="took", turn=-1),
    "no id of an installation": packed(type="put", number=1, installation="../etc", components={}),
    "a digest that is none": packed(type="mint", number=1, customer="acme", request=b"short"),
    "a name without an end": packed(type="mint", number=1, customer="a" * 64, request=bytes(32)),
    "more installations than may be": packed(type="seen", installations=["0" * 16] * (reports.MAX_SEEN + 1)),
    "an endless version": packed(type="put", number=1, installation="0" * 16, components={"sdk/x": "1" * 257}),
    "arrays in arrays": framed(b"\x91" * 100_000),
    "a map that is not there": framed(b"\xdf\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE)
async def test_what_is_no_message_ends_the_channel(ends: Ends, sent: bytes) -> None:
    control, worker = ends
    await asyncio.get_running_loop().sock_sendall(worker, sent)
    with pytest.raises(ConnectionError):
        await control.receive()
    assert await asyncio.get_running_loop().sock_recv(worker, 1) == b""


async def test_half_a_message_is_none(ends: Ends) -> None:
    control, worker = ends
    await asyncio.get_running_loop().sock_sendall(worker, framed(msgspec.msgpack.encode(reports.Took(1)))[:-1])
    worker.close()
    with pytest.raises(ConnectionError):
        await control.receive()


async def test_who_does_not_read_is_given_up(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "MAX_WAITING", 2**20)
    control, _ = ends
    long = Written(1, installation="x" * 20_000)

    def keep_sending() -> None:
        for _ in range(100):
            control.send(long)

    with pytest.raises(ConnectionError):
        keep_sending()


async def test_a_message_that_could_not_be_read_is_not_sent(ends: Ends) -> None:
    with pytest.raises(ValueError, match="bytes"):
        ends[0].send(orders.Setup({"realm": "x" * MAX_FRAME}, CREDENTIALS, (), (), 1, "/memory", "/rings"))
