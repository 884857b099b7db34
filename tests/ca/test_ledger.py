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
        ledger.revoke("abc0", NOW, "superseded")
        ledger.revoke("abc0", NOW + timedelta(days=1), "key-compromise")
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
        ledger.revoke("abc0", NOW, "superseded")  # no transaction was left open
