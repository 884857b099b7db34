"""The history, whatever became of some of its lines: the others are all there, in their order, and none is made up."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ca import strict_json
from spot_client import history
from spot_client.history import Action, Event, History
from tests.drawn import json_documents
from tests.spot_client.wire.strategies import components, moments, mutated, versions

here = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)  # files are written

events = st.builds(
    Event,
    at=moments,
    component=components | st.just(f"{'p' * 63}/{'c' * 63}"),
    action=st.sampled_from(Action),
    old=st.none() | versions() | st.just(f"1.{'0' * 62}"),
    new=st.none() | versions(),
    outcome=st.sampled_from(["done", "finished-after-interruption", "failed: disk-full"]),
)
lines = events.map(strict_json.encode)
EVENT = Event(at="2026-05-04T03:02:01Z", component="a/b", action=Action.UPDATE, old="1.0", new=None, outcome="done")
damaged = st.one_of(
    lines.flatmap(mutated),
    json_documents(strict_json.encode(EVENT)),
    st.binary(max_size=40),
    lines.map(lambda line: line[:-1]),
).map(lambda line: line.replace(b"\n", b" "))


@here
@given(added=st.lists(events, max_size=4))
def test_whatever_was_added_is_read_newest_first(tmp_path: Path, added: list[Event]) -> None:
    file = tmp_path / "history.jsonl"
    file.unlink(missing_ok=True)
    for event in added:
        History(file).add(event)
    assert History(file).read() == tuple(reversed(added))


@here
@given(there=st.lists(st.tuples(st.just(True), lines) | st.tuples(st.just(False), damaged), max_size=5), event=events)
def test_whole_lines_are_read_and_what_is_read_is_a_line(
    tmp_path: Path, there: list[tuple[bool, bytes]], event: Event
) -> None:
    file = tmp_path / "history.jsonl"
    file.write_bytes(b"\n".join(line for _, line in there))
    History(file).add(event)
    found = [strict_json.encode(one) for one in reversed(History(file).read())]
    assert found.pop() == strict_json.encode(event)
    for whole, line in there:
        if whole or line in found[:1]:
            assert found.pop(0) == line
    assert found == []


@settings(here, max_examples=20)
@given(added=st.lists(events, min_size=9, max_size=12), limit=st.integers(400, 900), kept=st.integers(1, 2))
def test_past_its_size_the_newest_stay_and_nothing_else(
    tmp_path: Path, added: list[Event], limit: int, kept: int
) -> None:
    file = tmp_path / "history.jsonl"
    file.unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "MAX_BYTES", limit)
        patch.setattr(history, "KEPT", kept)  # as many as twice `limit` holds, however long they are
        expected: list[Event] = []
        for event in added:
            History(file).add(event)
            expected.append(event)
            if sum(len(strict_json.encode(one)) + 1 for one in expected) > limit:
                expected = expected[-kept:]
            assert History(file).read() == tuple(reversed(expected))
