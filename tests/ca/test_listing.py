"""The ledger as people see it, and what they mean by a serial or a name."""

from datetime import timedelta

import msgspec

from ca.listing import Filter, find, select, state, table
from tests.ca.house import ENTRY, NOW

REVOKED = msgspec.structs.replace(ENTRY, serial="d1", revoked_at=NOW, reason="superseded")
EXPIRED = msgspec.structs.replace(ENTRY, serial="e1", name="old", not_after=NOW - timedelta(seconds=1))
ROOT = msgspec.structs.replace(ENTRY, serial="c1", profile="root", name="root")


def serials(wanted: Filter) -> list[str]:
    return [entry.serial for entry in select([ROOT, ENTRY, REVOKED, EXPIRED], wanted, NOW)]


def test_valid_leaves_are_listed_unless_more_or_less_is_wanted() -> None:
    assert serials(Filter()) == ["abc0"]
    assert serials(Filter(everything=True)) == ["c1", "abc0", "d1", "e1"]
    assert serials(Filter(profile="root")) == ["c1"]
    assert serials(Filter(profile="server")) == []
    assert serials(Filter(name="globex")) == []
    assert serials(Filter(name="old")) == []
    assert serials(Filter(name="old", everything=True)) == ["e1"]
    assert serials(Filter(expiring=0)) == []
    assert serials(Filter(expiring=1)) == ["abc0"]


def test_all_of_a_name_are_found_cas_too() -> None:
    assert find([ROOT, ENTRY, REVOKED], "acme") == [ENTRY, REVOKED]
    assert find([ROOT, ENTRY, REVOKED], "D1") == [REVOKED]
    assert find([ROOT, ENTRY], "root") == [ROOT]
    assert find([ROOT, ENTRY], "globex") == []


def test_a_table_is_aligned() -> None:
    lines = table([ROOT, ENTRY, REVOKED, EXPIRED], NOW)
    assert [line.split()[5] for line in lines[1:]] == ["valid", "valid", "revoked", "expired"]
    assert lines[0].split()[3:6] == ["ISSUED", "VALID", "UNTIL"]
    assert lines[2].split()[3:5] == [f"{ENTRY.created:%Y-%m-%d}", f"{ENTRY.not_after:%Y-%m-%d}"]
    assert len({line.index("spiffe:") for line in lines[1:]}) == 1
    assert state(ENTRY, ENTRY.not_after) == "valid"


def test_parents_have_a_column_where_there_are_any() -> None:
    child = msgspec.structs.replace(ENTRY, serial="f1", parent="abc0")
    assert "PARENT" not in table([ROOT, ENTRY], NOW)[0]
    lines = table([ROOT, ENTRY, child], NOW)
    assert lines[0].split()[-2:] == ["PARENT", "WHO"]
    assert [line.split()[6] for line in lines[1:]] == ["-", "-", "abc0"]
