"""What a disk, an older version or a careless hand can do to the file: it is opened, or refused by name."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.errors import MirrorError, StoreFault
from mirror.records.protocol import Customer, Installation, Records, Suspension, ThinSnapshot
from mirror.records.sqlite import FILE_NAME, open_records
from tests.mirror.records.contract import HOUR, LICENCE, NEW, NOW, OLD, enrol

OLD_ID = "7k2m9xq40gct31vz"
VERSION_1 = Path(__file__).with_name("version-1.sql").read_text(encoding="utf-8")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


def fault(call: Callable[[], object]) -> str:
    with pytest.raises(StoreFault) as caught:
        call()
    assert "\n" not in str(caught.value)
    return caught.value.reason


def make(path: Path) -> None:
    """A store with a line of everything, all of it in the file itself."""
    with closing(open_records(path, create=True)) as records:
        records.add_customer("acme", NOW)
        records.suspend("acme", "unpaid", NOW)
        records.grant(LICENCE)
        for components in (OLD, NEW):
            records.put_thin_snapshot(enrol(records).id, components, NOW)


def write(path: Path, *statements: str) -> None:
    """Past the store."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


# an older version's file


def make_version_1(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(VERSION_1)


def test_a_store_of_version_0_1_is_opened_with_all_it_holds_and_can_do_all_that_is_new(path: Path) -> None:
    make_version_1(path)
    with closing(open_records(path)) as records:
        assert records.customers() == [Customer("acme", NOW)]
        assert records.licences() == [LICENCE]
        assert records.installations() == [Installation(OLD_ID, "acme", NOW, NOW, NOW)]
        assert records.thin_snapshots(OLD_ID) == [ThinSnapshot(OLD_ID, OLD, NOW, NOW)]
        assert records.marker() == 3
        assert records.changes(0).customers is None  # what happened before was not written down
        records.suspend("acme", "", NOW)
        assert records.customers() == [Customer("acme", NOW, Suspension(NOW, ""))]


def test_a_step_that_does_not_come_to_its_end_leaves_the_older_file(path: Path) -> None:
    make_version_1(path)
    write(path, "CREATE INDEX installation_customer ON marker (number)")  # in the way of the step's last statement
    assert fault(lambda: open_records(path)) == "damaged"
    with closing(sqlite3.connect(path)) as db:
        assert [row[1] for row in db.execute("PRAGMA table_info(customer)")] == ["key", "name", "added"]
        assert db.execute("SELECT count(*) FROM _sqlite_migrations").fetchone() == (1,)
    write(path, "DROP INDEX installation_customer")
    open_records(path).close()


# something else in its place


def test_what_is_no_file_is_refused_by_name(path: Path) -> None:
    for make_it in (os.mkdir, os.mkfifo):
        make_it(path)
        for create in (False, True):
            assert fault(lambda: open_records(path, create=create)) == "unusable"  # noqa: B023  # called at once
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_file_that_lost_its_tables_is_damaged(path: Path) -> None:
    make(path)
    write(path, "DROP TABLE line")
    with closing(open_records(path)) as records:
        assert fault(lambda: records.thin_snapshots(OLD_ID)) == "damaged"
        assert len(records.customers()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE customer SET suspended = -1",
        "UPDATE customer SET added = 99999999999999",
        "UPDATE customer SET name = CAST(x'ff' AS TEXT)",
        "UPDATE licence SET valid_until = 'tomorrow'",
        "UPDATE licence SET valid_from = '2026-02-31'",
        "UPDATE installation SET enrolled = 1 << 62",
        "UPDATE content SET components = '{'",
        "UPDATE content SET components = '[]'",
        "UPDATE content SET components = '{\"sdk/a\":1}'",
        "UPDATE content SET components = replace(hex(zeroblob(50000)), '0', '[')",
    ],
)
def test_a_line_that_none_of_our_calls_has_written_is_damage(path: Path, statement: str) -> None:
    make(path)
    write(path, statement)
    with closing(open_records(path)) as records:
        assert fault(lambda: read_all(records)) == "damaged"


# bytes


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / FILE_NAME
    make(path)
    return path.read_bytes()


def read_all(records: Records) -> None:
    records.marker()
    records.customers()
    records.licences()
    for installation in records.installations():
        records.thin_snapshots(installation.id)
    records.newest_thin_snapshots()


def use(path: Path) -> str:
    """Open, read and write it; the reason of a refusal, which is one of ours."""
    try:
        with closing(open_records(path, wait_seconds=0.1)) as records:
            read_all(records)
            records.put_thin_snapshot(enrol(records, "new").id, OLD, NOW + HOUR)
            records.resume("acme")
            records.remove_customer("acme", date(2027, 1, 1))
    except MirrorError as error:
        return error.reason
    return ""


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_damaged_file_causes_nothing_but_a_refusal_by_name(sound: bytes, data: st.DataObject) -> None:
    raw = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        spot = data.draw(st.binary(min_size=1, max_size=200))
        raw[place : place + len(spot)] = spot[: len(raw) - place]
    with TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        path.write_bytes(raw)
        use(path)


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.9])
def test_a_file_that_was_cut_short_is_damaged(sound: bytes, path: Path, share: float) -> None:
    path.write_bytes(sound[: int(len(sound) * share)])
    assert use(path) == "damaged"


def test_a_page_that_was_written_half_is_damaged_or_read_as_before_it(sound: bytes, path: Path) -> None:
    reasons = set()
    for start in range(0, len(sound), 4096):
        path.write_bytes(sound[:start] + sound[start : start + 2048] + bytes(2048) + sound[start + 4096 :])
        reasons.add(use(path))
        for left in path.parent.iterdir():
            left.unlink()
    assert "damaged" in reasons
    assert reasons <= {"", "damaged", "no-customer"}


def test_a_journal_of_nonsense_beside_the_file_is_left_out(sound: bytes, path: Path) -> None:
    path.write_bytes(sound)
    Path(f"{path}-wal").write_bytes(b"nonsense" * 4096)
    assert use(path) == ""


# waiting


def test_all_who_wait_for_a_locked_store_give_up_at_the_same_time(path: Path) -> None:
    make(path)
    with closing(open_records(path, wait_seconds=0.5)) as records, ThreadPoolExecutor(4) as pool:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            waiting = [pool.submit(fault, lambda: records.resume("acme")) for _ in range(4)]
            assert {one.result() for one in waiting} == {"locked"}
            assert time.monotonic() - began < 1.5  # and not four times 0.5
        assert records.resume("acme").suspended


def test_one_who_waits_goes_on_as_soon_as_the_store_is_free(path: Path) -> None:
    make(path)
    with closing(open_records(path)) as records, closing(sqlite3.connect(path, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        free = threading.Timer(0.3, other.rollback)
        free.start()
        assert records.resume("acme").suspended
        free.join()
