"""mirror.control.writer: written together, answered after the commit, and a store in trouble keeps nobody waiting."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import count
from pathlib import Path

import pytest

from mirror.control import writer as writer_module
from mirror.control.pace import SAVED, Pace
from mirror.control.writer import Writer
from mirror.errors import NotThere, RecordsError, StoreFault, TooOften
from mirror.log import program_log
from mirror.records.protocol import Records
from mirror.records.sqlite import FILE_NAME, open_records

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOOL = {"sdk/tool": "1.0"}
WAIT = 0.3


class Desk:
    """A writer on a real store, with a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.records: Records = open_records(self.path, create=True, wait_seconds=WAIT)
        self.records.add_customer("acme", NOW)
        self.now, self.clock = NOW, 0.0
        drawn = count()
        self.writer = Writer(
            self.records, lambda: f"{next(drawn):08}" * 2, Pace(60), lambda: self.now, lambda: self.clock
        )
        self.running = asyncio.create_task(self.writer.run(program_log(StringIO())))

    @contextmanager
    def locked(self) -> Iterator[None]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.running.cancel()
    made.writer.close()
    made.records.close()


async def test_what_is_answered_is_stored(desk: Desk) -> None:
    minted = await asyncio.gather(*(desk.writer.mint("acme", bytes([number] * 32)) for number in range(50)))
    assert {one.id for one in minted} == {one.id for one in desk.records.installations("acme")}
    await asyncio.gather(*(desk.writer.put_thin_snapshot(one.id, TOOL) for one in minted))
    assert {line.installation for line in desk.records.newest_thin_snapshots()} == {one.id for one in minted}


async def test_a_repeated_request_gets_the_same_installation(desk: Desk) -> None:
    first, second = await asyncio.gather(*(desk.writer.mint("acme", bytes(32)) for _ in range(2)))
    assert first.id == second.id


async def test_one_that_cannot_be_written_is_refused_alone(desk: Desk) -> None:
    good = (await desk.writer.mint("acme", bytes(32))).id
    results = await asyncio.gather(
        desk.writer.mint("nobody", bytes(32)),
        desk.writer.put_thin_snapshot("z" * 16, TOOL),
        desk.writer.put_thin_snapshot(good, {"no component": "1.0"}),
        desk.writer.put_thin_snapshot(good, TOOL),
        return_exceptions=True,
    )
    assert [type(one) for one in results] == [NotThere, NotThere, RecordsError, type(None)]
    assert len(desk.records.thin_snapshots(good)) == 1


async def test_while_the_store_is_locked_all_are_refused_together_and_then_it_goes_on(desk: Desk) -> None:
    with desk.locked():
        began = time.monotonic()
        first = asyncio.create_task(desk.writer.mint("acme", bytes(32)))
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(desk.writer.mint("acme", bytes([number] * 32))) for number in range(1, 20)]
        results = await asyncio.gather(first, *rest, return_exceptions=True)
        assert {getattr(one, "reason", one) for one in results} == {"locked"}
        assert time.monotonic() - began < 5 * WAIT
    assert (await desk.writer.mint("acme", bytes(32))).customer == "acme"


async def test_an_installation_that_stores_too_often_is_told_how_long_to_wait(desk: Desk) -> None:
    id_ = (await desk.writer.mint("acme", bytes(32))).id
    for number in range(SAVED):
        await desk.writer.put_thin_snapshot(id_, {"sdk/tool": f"1.{number}"})
    with pytest.raises(TooOften) as caught:
        await desk.writer.put_thin_snapshot(id_, TOOL)
    assert caught.value.seconds == 60
    assert len(desk.records.thin_snapshots(id_)) == SAVED
    desk.clock += 60
    await desk.writer.put_thin_snapshot(id_, TOOL)


async def test_what_the_store_did_not_take_does_not_count_as_often(desk: Desk) -> None:
    id_ = (await desk.writer.mint("acme", bytes(32))).id
    with desk.locked():
        for _ in range(SAVED + 1):
            with pytest.raises(StoreFault):
                await desk.writer.put_thin_snapshot(id_, TOOL)
    await desk.writer.put_thin_snapshot(id_, TOOL)


async def test_what_waits_has_an_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "MAX_WAITING", 5)
    results = await asyncio.gather(
        *(desk.writer.mint("acme", bytes([number] * 32)) for number in range(20)), return_exceptions=True
    )
    refused = [one for one in results if isinstance(one, StoreFault)]
    assert {one.reason for one in refused} == {"overloaded"}
    assert len(desk.records.installations()) == 20 - len(refused) == 5


async def test_a_few_that_are_long_are_many(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "MAX_COMPONENTS", 10)
    id_ = (await desk.writer.mint("acme", bytes(32))).id
    long = {f"sdk/tool{number}": "1.0" for number in range(6)}
    results = await asyncio.gather(
        *(desk.writer.put_thin_snapshot(id_, long) for _ in range(2)), return_exceptions=True
    )
    assert [getattr(one, "reason", None) for one in results] == [None, "overloaded"]


async def test_last_seen_moments_are_kept_until_the_store_takes_them(desk: Desk) -> None:
    id_ = (await desk.writer.mint("acme", bytes(32))).id
    desk.now = NOW + timedelta(hours=1)
    desk.writer.seen([id_, "z" * 16])
    with desk.locked(), pytest.raises(StoreFault):
        await desk.writer.flush()
    desk.now = NOW + timedelta(hours=2)
    await desk.writer.flush()
    found = desk.records.installation(id_)
    assert found is not None
    assert found.last_seen == NOW + timedelta(hours=1)


async def test_who_still_waits_at_the_end_is_refused(desk: Desk) -> None:
    desk.running.cancel()
    await asyncio.sleep(0)
    waiting = asyncio.create_task(desk.writer.mint("acme", bytes(32)))
    await asyncio.sleep(0)
    desk.writer.close()
    with pytest.raises(StoreFault):
        await waiting
