"""The ledger as people see it, and what they mean by a serial or a name."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ca.errors import IssueError
from ca.listing import Filter, find, find_leaf, select, state, table
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


@pytest.mark.parametrize("spelling", ["abc0", "ABC0", "0xabc0", "00:AB:C0"])
def test_a_serial_is_found_in_any_usual_spelling(spelling: str) -> None:
    assert find_leaf([EXPIRED, ENTRY], spelling) == ENTRY


def test_a_name_means_what_is_not_revoked_yet() -> None:
    assert find_leaf([REVOKED, ENTRY], "acme") == ENTRY
    assert find_leaf([REVOKED], "acme") == REVOKED
    older = msgspec.structs.replace(ENTRY, serial="abc1", created=datetime(2025, 3, 1, tzinfo=UTC))
    issued = rf"abc0 \(client, issued {NOW:%Y-%m-%d}\), abc1 \(client, issued 2025-03-01\)"
    with pytest.raises(IssueError, match=issued) as ambiguous:
        find_leaf([ENTRY, older], "acme")
    assert ambiguous.value.reason == "ambiguous"


@pytest.mark.parametrize("wanted", ["globex", "", "root", "c1", "0"])
def test_nothing_else_is_found_and_never_a_ca(wanted: str) -> None:
    with pytest.raises(IssueError) as missing:
        find_leaf([ROOT, ENTRY], wanted)
    assert missing.value.reason == "not-found"
