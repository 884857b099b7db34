"""What SPOT remembers of catalogues: whole, or refused with the way out."""

from pathlib import Path

import pytest

from spot_client.errors import LocalFault
from spot_client.known import Known
from spot_client.state import Store
from spot_client.wire import halts, index
from spot_client.wire.errors import BadName
from spot_client.wire.halts import Halt, Halts
from spot_client.wire.index import Index, Tombstone
from tests.spot_client.vendor import MOMENT

STONE = Tombstone("1.0", "any", MOMENT, "it was broken")
INDEX = index.encode(Index(product="sdk", component="tool", tombstones=(STONE,)), level=1)
LINES = (Halt("lib", "2.0", "any", MOMENT, "it burns"), Halt("tool", "2.0", "any", MOMENT, "it burns"))
HALTS = halts.encode(Halts(product="sdk", halts=LINES), level=1)


@pytest.fixture
def known(store: Store) -> Known:
    return Known(store.paths)


def files(store: Store) -> dict[str, Path]:
    folder = store.paths.own / "known"
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_known_at_first(known: Known, store: Store) -> None:
    assert known.index("sdk/tool") is None
    assert known.halts("sdk/tool") == ()
    assert known.stops("sdk/tool").of("1.0", "any") is None
    known.keep_halts("sdk", None)
    assert files(store) == {}


def test_what_was_kept_is_known_and_binds_its_component_only(known: Known, store: Store) -> None:
    known.keep_index("sdk/tool", INDEX)
    known.keep_halts("sdk", HALTS)
    again = Known(store.paths)
    assert again.index("sdk/tool") == index.decode(INDEX)
    assert [halt.component for halt in again.halts("sdk/tool")] == ["tool"]
    stops = again.stops("sdk/tool")
    assert [bool(stops.of(version, "any")) for version in ("1.0", "2.0", "3.0")] == [True, True, False]
    assert again.stops("sdk/lib").of("1.0", "any") is None
    assert again.stops("other/tool").of("2.0", "any") is None
    known.keep_halts("sdk", None)
    assert again.stops("sdk/tool").of("2.0", "any") is None
    assert again.stops("sdk/tool").of("1.0", "any") is not None


def test_it_is_for_its_owner_only_and_not_written_twice(known: Known, store: Store) -> None:
    known.keep_index("sdk/tool", INDEX)
    known.keep_halts("sdk", HALTS)
    found = files(store)
    assert set(found) == {"sdk/tool.json.zst", "sdk.halts.json.zst"}
    assert {path.stat().st_mode & 0o777 for path in found.values()} == {0o600}
    before = {name: path.stat().st_ino for name, path in found.items()}
    known.keep_index("sdk/tool", INDEX)
    known.keep_halts("sdk", HALTS)
    assert {name: path.stat().st_ino for name, path in files(store).items()} == before


def test_a_component_named_halts_is_no_list_of_halts(known: Known, store: Store) -> None:
    known.keep_index("sdk/halts", index.encode(Index(product="sdk", component="halts"), level=1))
    assert known.halts("sdk/halts") == ()


@pytest.mark.parametrize("raw", [b"", b"garbage", bytes(2**10), INDEX[:-1], INDEX + b"\0", bytes(5 * 2**20)])
def test_what_is_damaged_is_refused_with_the_way_out_and_left_as_it_is(known: Known, store: Store, raw: bytes) -> None:
    known.keep_index("sdk/tool", INDEX)
    known.keep_halts("sdk", HALTS)
    for name, path in files(store).items():
        before = path.read_bytes()
        path.write_bytes(raw)
        with pytest.raises(LocalFault) as failed:
            known.stops("sdk/tool")
        assert failed.value.reason == "bad-state", name
        assert str(path) in str(failed.value)
        assert "run 'spot check'" in str(failed.value)
        assert path.read_bytes() == raw
        path.write_bytes(before)


def test_what_a_newer_spot_wrote_is_refused_with_the_way_out(known: Known, store: Store) -> None:
    known.keep_index("sdk/tool", index.encode(Index(product="sdk", component="tool", min_spot="9.0"), level=1))
    with pytest.raises(LocalFault) as failed:
        known.index("sdk/tool")
    assert "Use the SPOT that wrote it" in str(failed.value)


@pytest.mark.parametrize("name", ["", "sdk", "../x", "sdk/../../x", "SDK/tool"])
def test_no_name_leads_out_of_its_folder(known: Known, name: str) -> None:
    with pytest.raises(BadName):
        known.keep_index(name, INDEX)
    with pytest.raises(BadName):
        known.stops(name)


def test_what_a_killed_run_was_writing_is_removed(known: Known, store: Store) -> None:
    known.keep_index("sdk/tool", INDEX)
    left = store.paths.own / "known/sdk/.tool.json.zst.part"
    left.touch()
    with store.lock():
        assert not left.exists()
    assert known.index("sdk/tool") is not None
