"""The timer: it shows what is complete, signs before anything lapses, and nothing else."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mirror.errors import Conflict, SigningError
from mirror.signing import founding, timer
from tests.mirror.publishing import rig
from tests.mirror.publishing.rig import real_time
from tests.mirror.signing.ceremony import ROOTS, THREE, House, founded, new_house, start


def after(**span: int) -> Callable[[], datetime]:
    later = real_time() + timedelta(**span)
    return lambda: later


def test_it_signs_every_six_hours_and_not_before(house: House) -> None:
    assert house.turn(after(hours=5)) is None
    shown = house.turn(after(hours=6, minutes=1))
    assert shown is not None
    assert (shown.version, shown.changes) == (3, ())
    assert house.turn(after(hours=7)) is None
    chain = house.chain
    assert (chain.timestamp.version, chain.snapshot.version, chain.targets.version) == (3, 3, 2)
    assert chain.timestamp.expires > real_time() + timedelta(days=3)
    assert chain.snapshot.expires > real_time() + timedelta(days=7)


def test_it_signs_at_once_where_asked_or_where_a_clock_was_ahead(house: House) -> None:
    assert house.turn(force=True) is not None
    assert house.turn(after(days=100)) is not None
    assert house.turn() is not None
    assert house.chain.timestamp.expires < real_time() + timedelta(days=4)
    assert house.turn() is None


def test_before_there_is_a_catalogue_there_is_nothing_to_do(tmp_path: Path) -> None:
    house = new_house(tmp_path / "house")
    house.place.data.mkdir()
    assert house.turn() is None
    start(house, house.signing("root-1", "alice"))
    assert house.turn() is None
    assert house.turn(force=True) is None


def test_it_needs_no_key_of_people_and_only_its_own(house: House) -> None:
    shown = timer.turn(house.signing(), house.online, force=True)
    assert shown is not None
    with pytest.raises(SigningError) as error:
        timer.turn(house.signing(), house.names, force=True)
    assert error.value.reason == "other-keys"


def test_a_first_catalogue_never_replaces_one(house: House) -> None:
    with pytest.raises(SigningError) as error:
        start(house, house.signing(*ROOTS))
    assert error.value.reason == "catalogue-exists"


def test_a_first_catalogue_that_waits_may_be_begun_anew(tmp_path: Path) -> None:
    house = new_house(tmp_path / "house")
    start(house, house.signing("root-1", "root-2"))
    settled = start(house, house.signing(*THREE))
    assert {line.role: line.missing for line in settled.waits} == {
        "root": 2,
        "targets": 0,
        "halts": 0,
        "house": 0,
    }


def test_a_first_catalogue_delegates_halts_and_house_and_offers_nothing(tmp_path: Path) -> None:
    chain = founded(tmp_path / "house").chain
    assert {role: one.version for role, one in chain.roles.items()} == dict.fromkeys(
        ("root", "timestamp", "snapshot", "targets", "halts", "house"), 1
    )
    assert all(one.targets == {} for one in chain.products.values())


@pytest.mark.parametrize(
    ("threshold", "names", "reason"),
    [
        (0, ("alice",), "bad-threshold"),
        (2, ("alice",), "bad-threshold"),
        (1, (), "bad-threshold"),
        (2, ("alice", "alice"), "bad-threshold"),
        (1, ("mallory",), "no-key"),
    ],
)
def test_holders_are_enough_and_known(house: House, threshold: int, names: tuple[str, ...], reason: str) -> None:
    with pytest.raises(SigningError) as error:
        founding.holders(house.names, threshold, names)
    assert error.value.reason == reason


def test_on_a_machine_for_development_everything_is_signed_at_once(tmp_path: Path) -> None:
    mirror = rig.new_mirror(tmp_path / "mirror")
    assert (mirror.catalogue / "timestamp.json").exists()
    assert not mirror.place.staged.exists()


def test_a_damaged_file_of_what_waits_does_not_let_the_catalogue_lapse(house: House) -> None:
    house.publish("alice", house.source, "2.0")
    house.place.staged.write_text("{}")
    for hours, version in ((1, 2), (7, 3), (8, 3), (14, 4)):
        with pytest.raises(SigningError) as error:
            house.turn(after(hours=hours))
        assert error.value.reason == "bad-staged"
        assert house.chain.timestamp.version == version
    assert house.place.staged.read_text() == "{}"


def test_what_must_not_be_shown_does_not_let_the_catalogue_lapse(house: House) -> None:
    house.publish("alice", house.source, "2.0")
    house.approve("bob")
    staged = house.staged
    staged.statements["sdk"].signed.expires = real_time()
    staged.statements["sdk"].signatures.clear()
    for name in ("alice", "bob"):
        staged.sign("sdk", house.signing(name).ring.signer(name))
    staged.save(house.place.staged)
    with pytest.raises(Conflict) as error:
        house.turn(after(hours=7))
    assert error.value.reason == "bad-statement"
    assert (house.chain.timestamp.version, house.chain.products["sdk"].version) == (3, 1)
