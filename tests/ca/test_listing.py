"""The ledger as people see it, and what they mean by a serial or a name."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ca.errors import IssueError
from ca.listing import find_leaf, state, table
from tests.ca.house import ENTRY, NOW

REVOKED = msgspec.structs.replace(ENTRY, serial="d1", revoked_at=NOW, reason="superseded")
EXPIRED = msgspec.structs.replace(ENTRY, serial="e1", name="old", not_after=NOW - timedelta(seconds=1))
ROOT = msgspec.structs.replace(ENTRY, serial="c1", profile="root", name="root")


def test_the_table_shows_what_is_valid_or_all() -> None:
    entries = [ROOT, ENTRY, REVOKED, EXPIRED]
    assert [line.split()[0] for line in table(entries, NOW, everything=False)] == ["SERIAL", "abc0"]
    lines = table(entries, NOW, everything=True)
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
