"""How far the catalogue had gone is known elsewhere before clients see it, and a restored one is staged above it."""

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from mirror import catalogue
from mirror.errors import Conflict, SigningError
from mirror.publishing import approve, changes
from mirror.signing import holders, marks, recovery, timer
from mirror.signing.marks import HighWater
from mirror.signing.means import Signing
from mirror.signing.recovery import Recovered
from mirror.signing.visible import Shown
from tests.mirror.killing import killed_at
from tests.mirror.publishing.rig import real_time
from tests.mirror.signing.ceremony import House

Damage = Callable[[HighWater], HighWater]


def marked(house: House, *people: str, clock: Callable[[], datetime] = real_time) -> Signing:
    return msgspec.structs.replace(house.signing(*people, clock=clock), high_water=house.top / "mark.json")


def turn(house: House, clock: Callable[[], datetime] = real_time, *, force: bool = False) -> Shown | None:
    return timer.turn(marked(house, clock=clock), house.online, force=force)


def sign(house: House, person: str, clock: Callable[[], datetime] = real_time) -> None:
    approve.approve(marked(house, person, clock=clock), None, lambda *_: True, lambda *_: None)


def mark_of(house: House) -> HighWater:
    found = marks.read(house.top / "mark.json")
    assert found is not None
    return found


@pytest.fixture
def lost(house: House) -> House:
    """What was backed up is from before 2.0 and a halt of 1.0; the mark is from after."""
    turn(house, force=True)
    shutil.copytree(house.place.data, house.top / "backup")
    house.publish("alice", house.source, "2.0")
    house.approve("bob")
    changes.halt(marked(house, "carol"), "sdk/tool", "1.0", None, "it burns")
    turn(house)
    shutil.rmtree(house.place.data)
    shutil.copytree(house.top / "backup", house.place.data)
    return house


def recover(house: House, clock: Callable[[], datetime] = real_time) -> Recovered:
    return recovery.above(marked(house, clock=clock), mark_of(house))


@pytest.mark.slow
def test_killed_at_any_step_the_mark_is_never_behind_what_clients_see(house: House, tmp_path: Path) -> None:
    turn(house, force=True)
    house.publish("alice", house.source, "2.0")
    house.approve("bob")
    number = 0
    while number := number + 1:
        copy = house.copy(tmp_path / str(number))
        was_killed = killed_at(number, lambda copy=copy: turn(copy))  # type: ignore[misc]  # bound per turn
        mark, seen = mark_of(copy), catalogue.load(copy.catalogue)
        assert all(mark.versions[role] >= version for role, version in seen.current.items())
        shown = {f"{line.version} {line.platform}" for line in seen.indexes["sdk", "tool"].releases}
        assert shown <= mark.heads["sdk/tool"].keys()
        if not was_killed:
            break
    assert number > 5


def test_what_waits_after_a_restore_is_signed_by_nobody_who_did_not_look(lost: House) -> None:
    found = recover(lost)
    assert found.lost == ("sdk/tool 2.0 (any)",)
    assert (found.settled.signed, found.settled.shown) == ((), None)
    assert {line.role: line.missing for line in found.settled.waits} == {"sdk": 2, "halts": 0}
    assert turn(lost, force=True) is None
    sign(lost, "alice")
    assert turn(lost, force=True) is None
    sign(lost, "bob")
    assert turn(lost) is not None
    known = catalogue.load(lost.catalogue)
    assert [one.version for one in known.halts["sdk"].halts] == ["1.0"]
    assert known.current == {**mark_of(lost).versions}


def without_halts(mark: HighWater) -> HighWater:
    return msgspec.structs.replace(mark, statements={**mark.statements, "halts": "{}"})


def with_other_file(mark: HighWater) -> HighWater:
    return msgspec.structs.replace(mark, files=dict.fromkeys(mark.files, "AAAA"))


def no_base64(mark: HighWater) -> HighWater:
    return msgspec.structs.replace(mark, files=dict.fromkeys(mark.files, "*"))


@pytest.mark.parametrize(
    ("damage", "reason"), [(without_halts, "bad-mark"), (no_base64, "bad-mark"), (with_other_file, "bad-target")]
)
def test_a_damaged_mark_is_refused_and_makes_nothing_visible(lost: House, damage: Damage, reason: str) -> None:
    before = (lost.catalogue / "timestamp.json").read_bytes()
    with pytest.raises((SigningError, Conflict)) as error:
        recovery.above(marked(lost), damage(mark_of(lost)))
    assert error.value.reason == reason
    assert turn(lost) is None
    assert (lost.catalogue / "timestamp.json").read_bytes() == before


def test_what_nobody_signed_does_not_count_because_a_mark_says_it(lost: House) -> None:
    mark = mark_of(lost)
    statement = json.loads(mark.statements["halts"])
    statement["signed"]["expires"] = "2027-01-01T00:00:00Z"
    said = msgspec.structs.replace(
        mark,
        statements={**mark.statements, "halts": json.dumps(statement)},
        roots={**mark.roots, "2": mark.roots["1"]},
    )
    found = recovery.above(marked(lost), said)
    assert {line.role: line.missing for line in found.settled.waits} == {"sdk": 2, "halts": 1}
    assert lost.chain.root.version == 1


def test_a_statement_of_the_mark_that_has_lapsed_meanwhile_is_signed_anew(lost: House) -> None:
    def later() -> datetime:
        return real_time() + timedelta(days=400)

    recover(lost, later)
    sign(lost, "alice", later)
    sign(lost, "bob", later)
    with pytest.raises(Conflict, match="halts has lapsed") as error:
        turn(lost, later)
    assert "'discard' forgets it" in str(error.value)
    approve.discard(marked(lost, clock=later), ["halts"])
    holders.renew(marked(lost, "carol", clock=later), ["halts"])
    turn(lost, later)
    assert catalogue.load(lost.catalogue).current["halts"] > mark_of(lost).versions["halts"] - 1
