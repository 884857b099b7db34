"""A licence that ends with its last day, UTC, ends within a second of midnight, also under a download.

The listener and all that it reads are real, in this process; its clock is set by hand.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import msgspec
import pytest

from mirror import catalogue, config, worker
from mirror.certificates import PUSHED
from mirror.content.audit import Audit
from mirror.content.conversation import Terms
from mirror.content.listener import Listener
from mirror.content.memory import Memory
from mirror.content.seen import Seen
from mirror.control.asking import Asking
from mirror.counters import Counted
from mirror.log import program_log
from mirror.memory import fill, place
from mirror.records.protocol import Licence
from mirror.serving import read_serving, utc_now
from tests.ca.house import House
from tests.mirror.content.rig import BIG, LONG_AGO, Mirror

PACK = b"GET /releases/sdk/botocore/1.40.0/any/pack HTTP/1.1\r\nHost: x\r\n\r\n"
MANIFEST = PACK.replace(b"/pack", b"/manifest")
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = MIDNIGHT - timedelta(seconds=1)

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def serving(mirror: Mirror, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counted]:
    """The mirror by that clock; what it counts."""
    monkeypatch.setattr(worker, "utc_now", clock)
    log, counted = program_log(StringIO()), Counted()
    read = read_serving(config.load(mirror.config()))
    taken = place.take(mirror.data / "memory")
    opened = place.open_to_fill(taken.folder)
    with mirror.records() as records:
        lists, signed = [mirror.folder / "issuing.crl"], mirror.data / "catalogue"
        sources = fill.Sources(
            issuers=read.issuers,
            crls=lists,
            pushed=mirror.data / PUSHED,
            records=records,
            catalogue=signed,
            load=catalogue.load,
        )
        fill.Filler(opened, sources, utc_now(), log)
    memory, audit = Memory(opened, read.fixed), Audit(mirror.folder / "audit.ring", log)
    app = worker.new_app(worker.Given(read, memory, audit, log), Asking(lambda _: None), Seen(), counted)
    listener = Listener(Terms(app, read.content.limits, counted), read.context, log)
    bound = socket.create_server(("127.0.0.1", 0))
    mirror.port = bound.getsockname()[1]
    listener.listen([bound])
    try:
        yield counted
    finally:
        await listener.close()
        audit.close()
        opened.environment.close()
        taken.remove()


async def ask(mirror: Mirror, what: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """A connection on which that was asked, and the first line of the answer."""
    context = mirror.context(mirror.party())
    reader, writer = await asyncio.open_connection("127.0.0.1", mirror.port, ssl=context, server_hostname="127.0.0.1")
    writer.write(what)
    return reader, writer, await reader.readline()


async def test_a_download_and_an_open_connection_end_with_the_licence_s_last_day(
    tmp_path: Path, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror, clock = Mirror(tmp_path, house), Clock()
    mirror.publish(BIG)
    with mirror.records() as records:
        records.grant(Licence("acme", "sdk", ("stable",), LONG_AGO, clock.now.date(), 1))
    async with serving(mirror, clock, monkeypatch) as counted, asyncio.timeout(20):
        _, download, first = await ask(mirror, PACK)
        reader, idle, again = await ask(mirror, MANIFEST)
        assert (first, again) == (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n")
        length = int((await reader.readuntil(b"\r\n\r\n")).lower().partition(b"content-length: ")[2].split()[0])
        await reader.readexactly(length)
        await asyncio.sleep(1.5)  # the last second of the day is still good
        assert not counted.closed.get("not-any-more")
        clock.now, began = MIDNIGHT, time.monotonic()
        while not counted.closed.get("not-any-more"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert time.monotonic() - began < 2  # on a busy machine; else within one
        idle.write(MANIFEST)
        assert await reader.readline() == b"HTTP/1.1 403 Forbidden\r\n"
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        assert msgspec.json.decode(await reader.readexactly(length))["reason"] == "not-licensed"
        download.transport.abort()
        idle.close()
