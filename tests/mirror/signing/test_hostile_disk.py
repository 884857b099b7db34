"""Whoever writes to the mirror's data folder does not steer the process that holds the online keys."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mirror.errors import CatalogueFault, PublishError, SigningError
from mirror.publishing import approve, publish
from mirror.signing import marks, timer
from mirror.signing.marks import HighWater
from tests.mirror.publishing.rig import order
from tests.mirror.signing.ceremony import House


def test_a_journal_that_names_what_is_no_catalogue_file_removes_nothing(house: House) -> None:
    prey = house.place.data.parent / "prey.pem"
    prey.write_text("a key")
    path = house.place.folder / "switch.json"
    document = {"files": ["../../prey.pem"], "format": 1, "min_spot": "0.1", "timestamp": "0" * 64}
    path.write_text(json.dumps(document, separators=(",", ":")))
    with pytest.raises(PublishError) as error:
        timer.turn(house.signing(), house.online)
    assert error.value.reason == "bad-journal"
    assert prey.read_text() == "a key"


def test_a_mark_does_not_make_the_timer_sign_versions_far_ahead(house: House) -> None:
    marks.write(house.place.floors, HighWater(versions={"snapshot": 2**62, "timestamp": 2**62}))
    with pytest.raises(SigningError) as error:
        timer.turn(house.signing(), house.online, force=True)
    assert error.value.reason == "bad-mark"


@pytest.mark.parametrize("number", ["1", "../../escaped", "01", "7"])
def test_a_mark_replaces_no_root_and_writes_none_that_does_not_follow(house: House, number: str) -> None:
    before = (house.place.catalogue / "1.root.json").read_bytes()
    marks.write(house.place.floors, HighWater(roots={number: "garbage"}))
    timer.turn(house.signing(), house.online, force=True)
    assert (house.place.catalogue / "1.root.json").read_bytes() == before
    assert [path.name for path in house.place.catalogue.glob("*.root.json")] == ["1.root.json"]
    assert not list(house.place.data.parent.rglob("escaped*"))


def test_damaged_floors_are_told_with_the_way_out(house: House) -> None:
    house.place.floors.write_bytes(b"{")
    with pytest.raises(SigningError, match="restore --above") as error:
        timer.turn(house.signing(), house.online, force=True)
    assert error.value.reason == "bad-mark"


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir, link_to_itself])
def test_what_waits_that_is_no_file_is_not_waited_for_and_can_be_set_aside(
    house: House, put: Callable[[Path], None]
) -> None:
    put(house.place.staged)
    with pytest.raises(SigningError) as error:
        house.turn(force=True)
    assert error.value.reason == "bad-staged"
    assert house.chain.timestamp.version == 3
    moved = approve.set_aside(house.signing())
    assert moved is not None
    assert moved.name == "staged.json.damaged-1"
    assert house.turn(force=True) is not None


@pytest.mark.parametrize("name", ["publishing/floors.json", "publishing/switch.json", "catalogue/timestamp.json"])
def test_a_pipe_is_not_waited_for(house: House, name: str) -> None:
    path = house.place.data / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises((SigningError, PublishError, CatalogueFault)) as error:
        house.turn(force=True)
    assert "not an ordinary file" in str(error.value)


def test_a_publish_writes_through_no_link_that_comes_while_it_runs(house: House) -> None:
    prey = house.top / "people/alice/alice.pem"
    before = prey.read_bytes()

    def put_a_link(*_: object) -> None:
        link = house.place.staging / "manifest"
        if link.parent.exists() and not link.is_symlink():
            link.symlink_to(prey)

    means = msgspec.structs.replace(house.means("alice"), progress=put_a_link)
    with pytest.raises(PublishError) as error:
        publish.publish(means, order("2.0"), house.source)
    assert error.value.reason == "not-a-folder"
    assert prey.read_bytes() == before
