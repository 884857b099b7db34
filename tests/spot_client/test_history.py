"""The history tells what was done here, survives a power cut, and stops nothing."""

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spot_client import history
from spot_client.history import Action, Event, History

EVENT = Event(
    at="2026-05-04T03:02:01Z", component="sdk/tool", action=Action.UPDATE, old="1.0", new="2.0", outcome="done"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def numbered(number: int) -> Event:
    return msgspec.structs.replace(EVENT, new=str(number))


def test_events_are_read_newest_first_and_kept_for_their_owner(file: Path) -> None:
    assert History(file).read() == ()
    for number in range(3):
        History(file).add(numbered(number))
    assert [event.new for event in History(file).read()] == ["2", "1", "0"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_line_has_the_fields_that_later_versions_will_find(file: Path) -> None:
    History(file).add(EVENT)
    assert file.read_bytes() == (
        b'{"action":"update","at":"2026-05-04T03:02:01Z","component":"sdk/tool","new":"2.0","old":"1.0",'
        b'"outcome":"done"}\n'
    )


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_line_torn_by_a_power_cut_is_passed_over_and_the_next_one_is_whole(file: Path, cut: int) -> None:
    History(file).add(numbered(1))
    History(file).add(numbered(2))
    file.write_bytes(file.read_bytes()[:-cut])
    History(file).add(numbered(3))
    assert History(file).read()[0].new == "3"
    assert History(file).read()[-1].new == "1"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 5000,
        b"{}\n[]\nnull\n",
        b"[" * 100_000,
        b'{"at":"x"}\n',
        b'{"action":"dance","at":"2026-05-04T03:02:01Z","component":"a","new":null,"old":null,"outcome":"done"}\n',
        b'{"unknown":1}\n',
        b"\xff\xfe\n",
    ],
)
def test_damaged_lines_stop_nothing(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    assert History(file).read() == ()
    History(file).add(EVENT)
    assert History(file).read() == (EVENT,)


@given(st.binary(max_size=3000))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_stands_there_an_event_can_be_added_and_read(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "any.jsonl"
    file.write_bytes(raw)
    History(file).add(EVENT)
    assert History(file).read()[0] == EVENT


def test_it_does_not_grow_for_ever_and_keeps_the_newest(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_BYTES", 2000)
    monkeypatch.setattr(history, "KEPT", 5)
    for number in range(100):
        History(file).add(numbered(number))
        assert file.stat().st_size <= 2000
        assert History(file).read()[0].new == str(number)
    newest = [int(event.new or "") for event in History(file).read()]
    assert newest == sorted(newest, reverse=True)
    assert len(newest) >= 5


def test_a_file_of_any_size_is_read_only_so_far(file: Path) -> None:
    with file.open("wb") as sink:
        sink.truncate(2**40)
    os.truncate(file, 2**40)
    assert History(file).read() == ()
