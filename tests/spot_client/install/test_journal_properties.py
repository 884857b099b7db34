"""journal.json, whatever stands in it: what was begun is read, and nothing else is ever taken for it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spot_client.config import Paths
from spot_client.errors import LocalFault
from spot_client.history import Action
from spot_client.install.journal import Entry, Journal
from spot_client.state import Installed
from spot_client.wire import document
from spot_client.wire.sealed import Seal
from tests.drawn import json_documents, respelled
from tests.spot_client.wire.strategies import components, mutated, plain_text, platforms, sha256s, versions

here = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)  # files are written

releases = st.builds(
    Installed, versions(), platforms, st.builds(Seal, sha256s, st.integers(0, 2**50)), folder=plain_text
)
NEEDED: dict[str, st.SearchStrategy[Any]] = {
    "component": components,
    "action": st.sampled_from(Action),
    "target": releases,
}
CHOSEN: dict[str, st.SearchStrategy[Any]] = {
    "old": st.none() | versions(),
    "staged": st.booleans(),
    "purge": st.booleans(),
    "notices": st.lists(plain_text, max_size=3).map(tuple),
}
entries = st.fixed_dictionaries(NEEDED, optional=CHOSEN).map(lambda fields: Entry(**fields))
documents = entries.map(document.encode)
WHOLE = document.encode(
    Entry(
        component="sdk/tool",
        action=Action.UPDATE,
        target=Installed("1.0", "any", Seal("0" * 64, 1), "1.0", {"sdk/lib": ">=1"}),
        old="0.9",
        notices=("etc/tool.conf was changed here and stays.",),
    )
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / ".spot").mkdir()
    return tmp_path / ".spot"


def read(own: Path, raw: bytes) -> Entry | None:
    """The change in the journal, which has this one spelling; None where it is refused, and left alone."""
    path = own / "journal.json"
    path.write_bytes(raw)
    try:
        entry = Journal(Paths(own.parent)).read()
    except LocalFault as error:
        fault = error
    else:
        assert entry is not None
        assert document.encode(entry) == raw
        return entry
    assert fault.reason == "bad-journal"
    assert str(path) in str(fault)
    assert "Remove it: a change" in str(fault) or "Use the SPOT that wrote it" in str(fault)
    assert str(fault).isprintable()
    assert path.read_bytes() == raw
    return None


@here
@given(entry=entries)
def test_whatever_was_begun_is_read_until_it_is_ended(own: Path, entry: Entry) -> None:
    journal = Journal(Paths(own.parent))
    journal.begin(entry)
    assert journal.read() == entry
    journal.end()
    assert journal.read() is None


@settings(here, max_examples=300)
@given(raw=documents.flatmap(mutated) | json_documents(WHOLE) | st.binary(max_size=50))
def test_whatever_was_done_to_it_it_is_a_change_or_refused_with_the_way_out(own: Path, raw: bytes) -> None:
    read(own, raw)


@here
@given(raw=documents.flatmap(respelled))
def test_another_spelling_is_refused(own: Path, raw: bytes) -> None:
    assert read(own, raw) is None


@here
@given(raw=documents, cut=st.integers(1, 2**10))
def test_a_journal_that_was_cut_short_is_never_read(own: Path, raw: bytes, cut: int) -> None:
    assert read(own, raw[: -1 - cut % len(raw)]) is None


def test_the_journal_that_is_changed_is_whole(own: Path) -> None:
    assert read(own, WHOLE) is not None
