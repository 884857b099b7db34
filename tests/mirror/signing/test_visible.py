"""What people signed becomes visible in one step: killed before any change to the disk, it is whole as old or new."""

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror import catalogue
from mirror.blobs import LocalBlobs
from mirror.errors import CatalogueFault, MirrorError, PublishError, SigningError
from mirror.place import Place
from mirror.signing import switch, visible
from mirror.signing.switch import changing, put_up
from spot_client.wire import index
from tests.mirror.killing import killed_at
from tests.mirror.signing.ceremony import House, new_house, start
from tests.mirror.signing.test_holders import replace, sign_all

TOOL = index.target_path("sdk", "tool")


def release(house: House) -> None:
    house.publish("alice", house.source, "2.0")
    house.approve("bob")


def rotation(house: House) -> None:
    """Root, targets, all other roles, and the keys of the timer change at once."""
    replace(house, "alice", "dave")
    sign_all(house, "root-1", "root-2", "bob", "carol")


def nothing(_house: House) -> None:
    """The timer signs anew."""


def seen(house: House) -> tuple[int, ...]:
    """What the mirror and python-tuf's client read; both verify it from the first root down."""
    chain = house.chain
    catalogue.load(house.catalogue)
    return tuple(one.version for _, one in sorted(chain.roles.items()))


@pytest.mark.slow
@pytest.mark.parametrize("prepare", [release, rotation, nothing])
def test_killed_at_any_step_the_catalogue_is_whole_as_old_or_new_and_the_next_turn_ends_well(
    house: House, tmp_path: Path, prepare: Callable[[House], None]
) -> None:
    prepare(house)
    assert house.target(TOOL) is not None
    old = seen(house)
    whole = house.copy(tmp_path / "whole")
    whole.turn(force=True)
    new = seen(whole)
    results = set()
    number = 0
    while number := number + 1:
        copy = house.copy(tmp_path / str(number))
        if not killed_at(number, lambda copy=copy: copy.turn(force=True)):  # type: ignore[misc]  # bound per turn
            break
        results.add(seen(copy))
        if prepare is not rotation or seen(copy) == new:  # else a client may meet the next root before its timestamp
            assert copy.target(TOOL, "another client") is not None
        copy.turn()
        assert seen(copy) == (seen(whole) if prepare is not nothing else seen(copy))
        assert copy.target(TOOL) is not None
        assert left_over(copy) == set()
        shutil.rmtree(copy.top)
    assert results == {old, new}
    assert number > 8


def left_over(house: House) -> set[str]:
    """Files that nothing names."""
    current = {role: one.version for role, one in house.chain.roles.items()}
    found = {name for name in house.files() if name.endswith(".part") or name == "publishing/switch.json"}
    for path in house.catalogue.glob("*.*.json"):
        version, role, _ = path.name.split(".")
        if int(version) > current[role]:
            found.add(path.name)
    return found


def test_a_client_that_asks_in_the_middle_of_a_rotation_learns_of_it_at_the_next_turn(house: House) -> None:
    """The next root is there, its timestamp not yet: refused, nothing lost."""
    assert house.target(TOOL) is not None
    rotation(house)
    after = house.copy(house.top.with_name("after"))
    after.turn()
    shutil.copy(after.catalogue / "2.root.json", house.catalogue)
    assert house.chain.root.version == 1
    with pytest.raises(Exception, match="timestamp"):
        house.target(TOOL)
    house.turn()
    assert house.chain.root.version == 2
    assert house.target(TOOL) is not None


def test_keys_of_another_catalogue_sign_nothing(house: House) -> None:
    release(house)
    shutil.rmtree(house.top / "online")
    shutil.copytree(house.top / "people" / "carol", house.top / "online")
    before = {path: path.read_bytes() for path in house.catalogue.rglob("*.json")}
    with pytest.raises(SigningError) as error:
        house.turn()
    assert error.value.reason == "other-keys"
    assert {path: path.read_bytes() for path in house.catalogue.rglob("*.json")} == before
    assert left_over(house) == set()


def test_metadata_longer_than_clients_accept_is_not_put_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    release(house)
    monkeypatch.setattr(visible, "MAX_METADATA_BYTES", {**catalogue.MAX_METADATA_BYTES, "timestamp": 100})
    with pytest.raises(SigningError) as error:
        house.turn()
    assert error.value.reason == "too-large"


def test_nothing_is_ever_changed_that_a_timestamp_named(house: House) -> None:
    before = {path: path.read_bytes() for path in house.catalogue.rglob("*") if path.is_file()}
    release(house)
    house.turn()
    rotation(house)
    house.turn()
    changed = {path.name for path, raw in before.items() if path.read_bytes() != raw}
    assert changed == {"timestamp.json"}


def test_the_first_catalogue_is_whole_or_not_there(tmp_path: Path) -> None:
    house = new_house(tmp_path / "house")
    start(house, house.signing("root-1", "root-2", "alice", "bob"))
    seen_ = set()
    number = 0
    while number := number + 1:
        copy = house.copy(tmp_path / str(number))
        if not killed_at(number, lambda copy=copy: copy.turn()):  # type: ignore[misc]  # bound per turn
            break
        seen_.add((copy.catalogue / "timestamp.json").exists())
        copy.turn()
        assert seen(copy) == (1,) * 6
        shutil.rmtree(copy.top)
    assert seen_ == {False, True}


def place_of(folder: Path) -> Place:
    place = Place(folder, LocalBlobs(folder))
    place.catalogue.mkdir(parents=True)
    return place


def test_what_fails_before_the_step_that_counts_leaves_nothing(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    (place.catalogue / "b").mkdir()
    (place.catalogue / "b" / "in-the-way").write_bytes(b"x")
    with pytest.raises(PublishError), changing(place):
        put_up(place, {"a": b"1", "b": b"2", "timestamp.json": b"3"})
    assert sorted(path.name for path in place.catalogue.iterdir()) == ["b"]
    assert sorted(path.name for path in place.folder.iterdir()) == ["catalogue.lock"]


def test_what_lay_there_before_is_not_taken_away_by_a_killed_run(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    (place.catalogue / "a").write_bytes(b"1")
    assert killed_at(5, lambda: put_up_in(place))
    with changing(place):
        pass
    assert (place.catalogue / "a").read_bytes() == b"1"


def put_up_in(place: Place) -> None:
    with changing(place):
        put_up(place, {"a": b"1", "b": b"2", "timestamp.json": b"3"})


def test_a_damaged_journal_stops_everything_and_says_what_to_do(house: House) -> None:
    for raw in (b"", b"{}", b"x" * 2_000_000, b'{"files":[],"format":1,"min_spot":"0.1","timestamp":1}'):
        (house.place.folder / "switch.json").write_bytes(raw)
        with pytest.raises(PublishError, match="Move") as error:
            house.turn()
        assert error.value.reason == "bad-journal"


def test_a_catalogue_whose_timestamp_is_lost_is_not_begun_anew(house: House) -> None:
    release(house)
    (house.catalogue / "timestamp.json").unlink()
    for call in (house.turn, lambda: start(house, house.signing("alice"))):
        with pytest.raises(MirrorError) as error:
            call()
        assert isinstance(error.value, CatalogueFault)
    assert [*json.loads(house.place.staged.read_bytes())["statements"]] == ["sdk"]


def test_one_changes_the_catalogue_at_a_time(house: House) -> None:
    release(house)
    turned = threading.Event()

    def turn() -> None:
        house.turn()
        turned.set()

    with changing(house.place):
        other = threading.Thread(target=turn)
        other.start()
        assert not turned.wait(0.5)
    other.join()
    assert turned.is_set()
    assert not switch._path(house.place).exists()
