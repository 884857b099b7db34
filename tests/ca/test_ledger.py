"""What was recorded stays recorded; numbers of CRLs only grow; a ledger that cannot be trusted is refused."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from ca.errors import VaultError
from ca.ledger import Ledger
from tests.ca.house import ENTRY, NOW


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger #1?.sqlite"
    Ledger(path, create=True).close()
    return path


def refused(path: Path) -> str:
    with pytest.raises(VaultError) as error:
        Ledger(path)
    return error.value.reason


def test_an_entry_is_there_after_reopening(path: Path) -> None:
    second = msgspec.structs.replace(ENTRY, serial="f" * 40)
    with Ledger(path) as ledger:
        ledger.add(ENTRY)
        ledger.add(second)
    with Ledger(path) as ledger:
        assert ledger.entries() == [ENTRY, second]


def test_a_serial_is_recorded_once(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.add(ENTRY)
        with pytest.raises(VaultError):
            ledger.add(msgspec.structs.replace(ENTRY, name="globex"))
        assert ledger.entries() == [ENTRY]


def test_a_revocation_keeps_its_first_date_and_reason(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.add(ENTRY)
        ledger.revoke(["abc0"], NOW, "superseded")
        ledger.revoke(["abc0"], NOW + timedelta(days=1), "key-compromise")
        assert ledger.entries() == [msgspec.structs.replace(ENTRY, revoked_at=NOW, reason="superseded")]


def test_numbers_and_dates_of_crls_only_grow(path: Path) -> None:
    second = timedelta(seconds=1)
    with Ledger(path) as ledger:
        assert ledger.next_crl("aa", NOW) == (1, NOW)
        assert ledger.next_crl("aa", NOW) == (2, NOW + second)
        assert ledger.next_crl("bb", NOW) == (1, NOW)
    with Ledger(path) as ledger:
        assert ledger.next_crl("aa", NOW - timedelta(minutes=4)) == (3, NOW + 2 * second)
        with pytest.raises(VaultError) as behind:
            ledger.next_crl("aa", NOW - timedelta(minutes=6))
        assert behind.value.reason == "clock-behind"
        assert "set the clock right" in str(behind.value)
        assert "from a backup made before it" in str(behind.value)
        assert ledger.next_crl("aa", NOW + timedelta(days=1)) == (4, NOW + timedelta(days=1))


def test_a_published_crl_counts_like_one_of_the_ledger(path: Path) -> None:
    second = timedelta(seconds=1)
    with Ledger(path) as ledger:
        assert ledger.next_crl("aa", NOW, (7, NOW)) == (8, NOW + second)
        assert ledger.next_crl("aa", NOW, (7, NOW)) == (9, NOW + 2 * second)
        with pytest.raises(VaultError) as behind:
            ledger.next_crl("aa", NOW, (10, NOW + timedelta(minutes=6)))
        assert behind.value.reason == "clock-behind"
        assert ledger.next_crl("aa", NOW) == (10, NOW + 3 * second)


def test_a_ledger_that_is_not_there_is_not_made_anew(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.sqlite") == "missing-file"
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_ledger_is_refused(path: Path) -> None:
    with Ledger(path) as ledger:
        for number in range(200):
            ledger.add(msgspec.structs.replace(ENTRY, serial=f"{number:x}", certificate=bytes(500)))
    content = bytearray(path.read_bytes())
    content[5000:9000] = b"\xff" * 4000
    path.write_bytes(content)
    assert refused(path) == "damaged-ledger"
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    assert refused(path) == "damaged-ledger"


@pytest.mark.parametrize("table", ["certificates", "crls"])
def test_a_ledger_that_lacks_a_table_is_not_an_empty_one(path: Path, table: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"drop table {table}")
    connection.close()
    assert refused(path) == "damaged-ledger"


def test_one_entry_is_found_by_its_serial_and_a_crl_by_its_issuer(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.add(ENTRY)
        assert ledger.entry("abc0") == ENTRY
        assert ledger.entry("abc1") is None
        assert ledger.last_crl("aa") is None
        ledger.next_crl("aa", NOW)
        assert ledger.last_crl("aa") == (1, NOW)


def test_a_ledger_of_a_newer_program_is_refused_and_not_touched(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at) values ('spot-ca', 'm999_later', '')"
        )
    connection.close()
    before = path.read_bytes()
    assert refused(path) == "newer-version"
    assert path.read_bytes() == before


def test_a_ledger_somebody_writes_to_is_waited_for_and_then_left(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ca.ledger._LOCK_SECONDS", 0.1)
    other = sqlite3.connect(path)
    with Ledger(path) as ledger:
        other.execute("begin immediate")
        with pytest.raises(VaultError) as locked:
            ledger.add(ENTRY)
        other.close()
        assert locked.value.reason == "locked"
        assert ledger.entries() == []


def test_what_fails_is_undone(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.add(ENTRY)
        with sqlite3.connect(path) as connection:
            connection.execute("create trigger t before insert on certificates begin select raise(abort, 'no'); end")
        connection.close()
        with pytest.raises(VaultError):
            ledger.add(msgspec.structs.replace(ENTRY, serial="1"))
        assert ledger.entries() == [ENTRY]
        ledger.revoke(["abc0"], NOW, "superseded")  # no transaction was left open


def test_an_entry_knows_its_parent_its_request_and_how_often_it_may_be_used(path: Path) -> None:
    parent = msgspec.structs.replace(ENTRY, profile="enrol", uses=40)
    child = msgspec.structs.replace(ENTRY, serial="abc1", parent=parent.serial, request="d" * 64)
    with Ledger(path) as ledger:
        ledger.add(parent)
        ledger.add(child)
    with Ledger(path) as ledger:
        assert ledger.entries() == [parent, child]
        assert ledger.by_request("d" * 64) == child
        assert ledger.by_request("e" * 64) is None


def test_a_request_is_answered_once(path: Path) -> None:
    first = msgspec.structs.replace(ENTRY, request="d" * 64)
    with Ledger(path) as ledger:
        ledger.add(first)
        with pytest.raises(VaultError) as refused:
            ledger.add(msgspec.structs.replace(first, serial="1"))
        assert refused.value.reason == "already-answered"
        assert ledger.entries() == [first]


OLD = """
CREATE TABLE "certificates" ("serial" TEXT PRIMARY KEY, "profile" TEXT NOT NULL, "name" TEXT NOT NULL,
   "who" TEXT NOT NULL, "issuer_key" TEXT NOT NULL, "not_before" INTEGER NOT NULL, "not_after" INTEGER NOT NULL,
   "fingerprint" TEXT NOT NULL, "created" INTEGER, "certificate" BLOB NOT NULL, "revoked_at" INTEGER, "reason" TEXT
) STRICT;
CREATE TABLE "crls" ("issuer_key" TEXT PRIMARY KEY, "number" INTEGER NOT NULL, "this_update" INTEGER) STRICT;
CREATE TABLE "_sqlite_migrations" ("id" INTEGER PRIMARY KEY, "migration_set" TEXT, "name" TEXT, "applied_at" TEXT);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name" ON "_sqlite_migrations" ("migration_set", "name");
INSERT INTO "_sqlite_migrations" VALUES (1, 'spot-ca', 'm001_certificates_and_crls', '2026-01-01');
INSERT INTO certificates VALUES ('abc0', 'client', 'acme', 'spiffe://build.example.com/client/acme', '00ff',
   0, 86400, 'ff', 0, x'3000', 60, 'superseded');
INSERT INTO crls VALUES ('00ff', 7, 60);
"""
"""A ledger as it was before it knew descent."""


def test_an_old_ledger_is_brought_up_to_date_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(OLD)
    connection.close()
    for _ in range(2):
        with Ledger(path) as ledger:
            (entry,) = ledger.entries()
            assert (entry.serial, entry.reason, ledger.last_crl("00ff")) == (
                "abc0",
                "superseded",
                (7, entry.revoked_at),
            )
            assert (entry.parent, entry.request, entry.uses) == (None, None, None)


def test_an_old_ledger_that_lacks_a_table_is_damaged_too(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(f"{OLD} drop table certificates;")
    connection.close()
    assert refused(path) == "damaged-ledger"
