"""The journal says what was under way, or that nothing was; a damaged one is never guessed at."""

from pathlib import Path

import pytest

from spot_client.config import Paths
from spot_client.errors import LocalFault
from spot_client.history import Action
from spot_client.install.journal import MAX_BYTES, Entry, Journal
from spot_client.state import Installed
from spot_client.wire.sealed import Seal

ENTRY = Entry(
    component="sdk/tool",
    action=Action.UPDATE,
    target=Installed("1.0", "any", Seal("0" * 64, 1), "1.0", {"sdk/lib": ">=1"}),
    old="0.9",
    staged=True,
    notices=("etc/tool.conf was changed here and stays.",),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / ".spot").mkdir()
    return tmp_path / ".spot" / "journal.json"


@pytest.fixture
def journal(tmp_path: Path, file: Path) -> Journal:
    return Journal(Paths(tmp_path))


def test_what_was_begun_is_read_until_it_is_ended(journal: Journal) -> None:
    assert journal.read() is None
    journal.begin(ENTRY)
    assert journal.read() == ENTRY
    journal.end()
    assert journal.read() is None
    journal.end()


def test_it_is_for_its_owner_only(journal: Journal, file: Path) -> None:
    journal.begin(ENTRY)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("raw", [b"", b"{}", b"\0" * 100, b"x" * (MAX_BYTES + 1), b'{"format":2,"min_spot":"9.0"}'])
def test_a_damaged_or_newer_journal_stops_everything_and_stays(journal: Journal, file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    with pytest.raises(LocalFault) as failed:
        journal.read()
    assert failed.value.reason == "bad-journal"
    assert str(file) in str(failed.value)
    assert file.read_bytes() == raw
