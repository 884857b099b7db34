"""The store in one SQLite file: the contract, and what is its own."""

import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from mirror.errors import NotThere, StoreFault
from mirror.records.protocol import Records
from mirror.records.sqlite import FILE_NAME, _SqliteRecords, open_records
from mirror.records.told import Received
from tests.mirror.records.contract import LICENCE, NEW, NOW, OLD, Opener, RecordsContract, enrol


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


@pytest.fixture
def store(path: Path) -> Iterator[Records]:
    """A store with the customer `acme`, which waits for nobody."""
    with closing(open_records(path, create=True, wait_seconds=0.05)) as records:
        records.add_customer("acme", NOW)
        yield records


@contextmanager
def directly(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def fault(call: Callable[[], object]) -> str:
    with pytest.raises(StoreFault) as caught:
        call()
    return caught.value.reason


class TestContract(RecordsContract):
    @pytest.fixture
    def opener(self, path: Path) -> Opener:
        open_records(path, create=True).close()
        return partial(open_records, path)


def test_the_store_and_all_beside_it_are_its_owners_only(path: Path, store: Records) -> None:
    store.grant(LICENCE)
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert files == dict.fromkeys([FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", f"{FILE_NAME}.lock"], 0o600)


def test_a_missing_store_is_named_and_not_made(path: Path) -> None:
    with pytest.raises(NotThere, match="spot-mirror init") as caught:
        open_records(path)
    assert caught.value.reason == "no-store"
    assert list(path.parent.iterdir()) == []


def test_making_a_store_that_is_there_opens_it(path: Path, store: Records) -> None:
    with closing(open_records(path, create=True)) as again:
        assert again.customers() == store.customers()


def test_a_store_whose_making_was_interrupted_is_made_anew(path: Path) -> None:
    for leftover in (f".{FILE_NAME}.part", f".{FILE_NAME}.part-wal", f".{FILE_NAME}.part-shm"):
        (path.parent / leftover).write_bytes(b"half a store")
    with closing(open_records(path, create=True)) as records:
        assert records.customers() == []
    assert {file.name for file in path.parent.iterdir()} == {FILE_NAME, f"{FILE_NAME}.lock"}


def test_no_new_store_is_made_beside_what_is_left_of_an_old_one(path: Path) -> None:
    (path.parent / f"{FILE_NAME}-wal").write_bytes(b"what was written last")
    assert fault(lambda: open_records(path, create=True)) == "damaged"
    assert not path.exists()


def test_asking_a_store_that_was_closed_is_a_mistake_and_no_fault_of_the_store(store: Records) -> None:
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.customers()


def test_many_may_make_the_store_at_once(path: Path) -> None:
    def make(name: str) -> None:
        with closing(open_records(path, create=True)) as records:
            records.add_customer(name, NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, "abcdefgh"))
    with closing(open_records(path)) as records:
        assert [customer.name for customer in records.customers()] == list("abcdefgh")


def test_a_store_that_others_write_for_long_is_locked_to_writes_and_open_to_reads(path: Path, store: Records) -> None:
    with directly(path) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM customer")
        assert fault(lambda: store.grant(LICENCE)) == "locked"
        assert [customer.name for customer in store.customers()] == ["acme"]
    assert store.grant(LICENCE) is None


def test_a_store_that_others_open_for_long_is_locked(path: Path, store: Records) -> None:
    with FileLock(f"{path}.lock"):
        assert fault(lambda: open_records(path, wait_seconds=0.05)) == "locked"


def test_a_write_that_fails_is_undone_and_the_next_one_works(store: Records) -> None:
    assert isinstance(store, _SqliteRecords)

    def spoil() -> None:
        with store._file.writing() as db:
            db.execute("DELETE FROM customer")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        spoil()
    assert [customer.name for customer in store.customers()] == ["acme"]
    store.grant(LICENCE)


def test_a_full_disk_is_named_and_loses_nothing(store: Records) -> None:
    assert isinstance(store, _SqliteRecords)
    minted = enrol(store)
    store.put_thin_snapshot(minted.id, OLD, NOW)
    store._file._writer.execute("PRAGMA max_page_count = 1")  # SQLite's own way to a disk without room: no page more
    large = {f"sdk/component-{number}": "1.0" for number in range(1000)}
    assert fault(lambda: store.put_thin_snapshot(minted.id, large, NOW)) == "no-space"
    assert [line.components for line in store.thin_snapshots(minted.id)] == [OLD]
    store._file._writer.execute("PRAGMA max_page_count = 1000000")
    assert store.put_thin_snapshot(minted.id, large, NOW)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 1000], ids=["empty", "other"])
def test_a_file_that_is_no_store_is_damaged_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for create in (False, True):
        assert fault(lambda: open_records(path, create=create)) == "damaged"  # noqa: B023  # called at once
    assert path.read_bytes() == content


def test_a_damaged_page_is_named_when_it_is_read(path: Path, store: Records) -> None:
    store.close()
    with directly(path) as connection:
        size, page = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count"))
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'customer'").fetchone()[0]
    raw = bytearray(path.read_bytes())
    raw[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(raw)
    with closing(open_records(path)) as damaged:
        assert fault(damaged.customers) == "damaged"


def test_a_store_of_a_newer_version_is_left_alone(path: Path, store: Records) -> None:
    store.close()
    with directly(path) as connection:
        connection.execute("INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('records', '9999-later')")
    before = path.read_bytes()
    assert fault(lambda: open_records(path)) == "newer"
    assert path.read_bytes() == before


def test_identical_thin_snapshots_of_many_installations_are_stored_once(path: Path, store: Records) -> None:
    for number in range(10):
        name = enrol(store, number).id
        for components in (OLD, NEW, dict(reversed(NEW.items())), OLD):
            store.put_thin_snapshot(name, components, NOW)
    with directly(path) as connection:
        assert connection.execute("SELECT count(*) FROM content").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM line").fetchone() == (30,)


def test_what_a_call_returns_from_is_on_the_disk(store: Records) -> None:
    assert isinstance(store, _SqliteRecords)
    settings = {
        name: store._file._writer.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}  # 2: FULL, fsync at every commit


def test_what_serving_a_request_calls_scans_no_table(path: Path, store: Records) -> None:
    assert isinstance(store, _SqliteRecords)
    statements: list[str] = []
    for connection in (store._file._reader, store._file._writer):
        connection.set_trace_callback(statements.append)
    name = enrol(store).id
    enrol(store)
    store.seen({name: NOW + timedelta(hours=1)})
    for components in (OLD, NEW, NEW):
        store.put_thin_snapshot(name, components, NOW)
    store.installation(name)
    store.installations(prefix=name[:8])
    store.thin_snapshots(name, 1)
    store.licences("acme")
    store.put_thin_snapshots([Received(name, OLD, NOW)])
    store.changes(store.marker())
    store.holder("acme")
    store.minted(1, 10)
    asked = [text for text in statements if re.match("SELECT|INSERT|UPDATE|DELETE", text) and " marker" not in text]
    assert len(asked) > 15
    with directly(path) as connection:
        plans = {text: connection.execute(f"EXPLAIN QUERY PLAN {text}").fetchall() for text in asked}
    assert [
        text for text, plan in plans.items() if any("SCAN" in step[3] and "CONSTANT" not in step[3] for step in plan)
    ] == []
