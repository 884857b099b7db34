"""A thin snapshot says the versions in use and nothing else, and is owed until the mirror has it."""

import pytest

from spot_client.errors import NotReachable, RefusedLocally, SpotError
from spot_client.state import ComponentState, Installed, State, Store
from spot_client.thin_snapshots import ThinSnapshots
from spot_client.wire.sealed import Seal
from tests.spot_client.vendor import MINTED, Line, not_licensed

BODY = b'{"components":{"sdk/tool":"1.0"},"format":1,"min_spot":"0.1"}'


def component(version: str) -> ComponentState:
    """One in use, and one kept that nobody hears of."""
    kept = Installed("0.9", "any", Seal("1" * 64, 1), "0.9")
    return ComponentState(Installed(version, "linux-x86_64", Seal("0" * 64, 1), version), (kept,))


@pytest.fixture
def snapshots(store: Store, line: Line) -> ThinSnapshots:
    store.write_state(State(components={"sdk/tool": component("1.0")}, owed=True))
    return ThinSnapshots(store, line, MINTED)


def test_it_says_the_versions_in_use_and_nothing_else(snapshots: ThinSnapshots, line: Line, store: Store) -> None:
    assert snapshots.send() is None
    assert line.put_bodies == [(f"/installations/{MINTED}/thin-snapshot", BODY)]
    assert not store.state().owed


@pytest.mark.parametrize("failure", [NotReachable("no-answer", "down"), not_licensed()])
def test_what_stands_in_the_way_is_returned_and_it_is_owed(
    snapshots: ThinSnapshots, line: Line, store: Store, failure: SpotError
) -> None:
    assert snapshots.send() is None
    line.failures["/"] = failure
    assert snapshots.send() is failure
    assert store.state().owed
    del line.failures["/"]
    assert snapshots.send() is None
    assert not store.state().owed


def test_the_state_is_not_written_where_nothing_changes(snapshots: ThinSnapshots, store: Store) -> None:
    snapshots.send()
    before = (store.paths.own / "state.json").stat().st_ino
    snapshots.send()
    assert (store.paths.own / "state.json").stat().st_ino == before


def test_one_that_cannot_be_said_is_in_nobodys_way(line: Line, store: Store) -> None:
    many = {f"sdk/{'x' * 50}-{number}": component("1.0") for number in range(1000)}
    store.write_state(State(components=many))
    failure = ThinSnapshots(store, line, MINTED).send()
    assert isinstance(failure, RefusedLocally)
    assert failure.reason == "too-large"
    assert line.asked == []
