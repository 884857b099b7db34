"""Whoever writes to the mirror's data folder does not steer the process that holds the online keys."""

import json

import pytest

from mirror.errors import PublishError, SigningError
from mirror.signing import marks, timer
from mirror.signing.marks import HighWater
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
