"""How far the catalogue had gone is known elsewhere before clients see it, and a restored one is staged above it."""

import contextlib
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
from mirror.signing import bounds, holders, marks, recovery, timer
from mirror.signing.marks import HighWater
from mirror.signing.means import Signing
from mirror.signing.recovery import Recovered
from mirror.signing.terms import Terms
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
    assert waits(found) == {"sdk": 2, "halts": 0}
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
    with pytest.raises(SigningError, match="restore --above"):
        turn(lost, force=True)
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
    assert waits(found) == {"sdk": 2, "halts": 1}
    assert lost.chain.root.version == 1


def days_later(days: int) -> Callable[[], datetime]:
    return lambda: real_time() + timedelta(days=days)


def waits(found: Recovered) -> dict[str, int]:
    return {line.role: line.missing for line in found.settled.waits}


def halted(house: House) -> list[str]:
    return [one.version for one in catalogue.load(house.catalogue).halts["sdk"].halts]


def test_a_statement_of_the_mark_that_has_lapsed_meanwhile_is_signed_anew_and_says_the_same(lost: House) -> None:
    later = days_later(400)
    assert waits(recover(lost, later)) == {"sdk": 2, "halts": 1}
    for person in ("alice", "bob"):
        sign(lost, person, later)
    assert turn(lost, later) is not None
    assert halted(lost) == ["1.0"]
    assert catalogue.load(lost.catalogue).current["halts"] > mark_of(lost).versions["halts"] - 1


def test_one_that_holds_for_longer_than_is_usual_by_now_is_signed_anew_too(lost: House) -> None:
    usual = Terms(products=timedelta(days=30))
    found = recovery.above(msgspec.structs.replace(marked(lost), terms=usual), mark_of(lost))
    assert waits(found) == {"sdk": 2, "halts": 1}
    for person in ("alice", "bob"):
        sign(lost, person)
    turn(lost)
    assert halted(lost) == ["1.0"]


def test_if_it_lapses_while_it_waits_it_is_staged_again(lost: House) -> None:
    recover(lost)
    for person in ("alice", "bob"):
        sign(lost, person)
    later = days_later(400)
    with pytest.raises(SigningError, match="restore --above"):
        turn(lost, later)
    assert waits(recover(lost, later)) == {"sdk": 2, "halts": 1}


@pytest.mark.parametrize("role", ["halts", "sdk"])
def test_what_a_restore_staged_is_not_forgotten_for_older_halts_would_take_its_place(lost: House, role: str) -> None:
    recover(lost)
    with pytest.raises(SigningError, match="restore --above") as error:
        approve.discard(marked(lost), [role])
    assert error.value.reason == "behind-mark"


def test_nothing_follows_on_what_is_older_than_clients_know(lost: House) -> None:
    recover(lost)
    lost.place.staged.unlink()
    for change in (
        lambda: holders.renew(marked(lost, "carol"), ["halts"]),
        lambda: changes.halt(marked(lost, "carol"), "sdk/tool", "1.0", None, "it burns"),
        lambda: lost.publish("alice", lost.source, "3.0"),
    ):
        with pytest.raises(SigningError) as error:
            change()
        assert error.value.reason == "behind-mark"


def test_floors_for_which_nothing_waits_are_complained_of_and_staging_again_ends_it(lost: House) -> None:
    recover(lost)
    lost.place.staged.unlink()
    assert recovery.stranded(lost.place, None) == ["halts", "sdk"]
    for force in (False, True):
        with pytest.raises(SigningError, match=r"halts, sdk: .*restore --above") as error:
            turn(lost, force=force)
        assert error.value.reason == "behind-mark"
    recover(lost)
    assert recovery.stranded(lost.place, None) == []
    for person in ("alice", "bob"):
        sign(lost, person)
    assert turn(lost) is not None
    assert halted(lost) == ["1.0"]


def test_a_data_folder_that_was_put_back_to_an_older_state_is_not_signed(lost: House) -> None:
    assert not lost.place.floors.exists()
    before = (lost.catalogue / "timestamp.json").read_bytes()
    with pytest.raises(SigningError, match="halts, sdk") as error:
        turn(lost, force=True)
    assert error.value.reason == "behind-mark"
    assert (lost.catalogue / "timestamp.json").read_bytes() == before
    assert recovery.stranded(lost.place, lost.top / "mark.json") == ["halts", "sdk"]


def test_one_in_which_only_the_timers_versions_are_older_is_signed_above_them(house: House) -> None:
    turn(house, force=True)
    shutil.copytree(house.place.data, house.top / "backup")
    for _ in range(3):
        turn(house, force=True)
    shutil.rmtree(house.place.data)
    shutil.copytree(house.top / "backup", house.place.data)
    seen = mark_of(house).versions
    turn(house, force=True)
    now = catalogue.load(house.catalogue).current
    assert all(now[role] == seen[role] + 1 for role in ("snapshot", "timestamp"))


def test_a_restore_that_is_killed_at_any_step_is_never_signed_below_the_mark(lost: House, tmp_path: Path) -> None:
    number, before = 0, (lost.catalogue / "timestamp.json").read_bytes()
    while number := number + 1:
        copy = lost.copy(tmp_path / str(number))
        was_killed = killed_at(number, lambda copy=copy: recover(copy))  # type: ignore[misc]  # bound per turn
        if not was_killed:
            break
        with contextlib.suppress(SigningError):
            turn(copy, force=True)
        assert (copy.catalogue / "timestamp.json").read_bytes() == before
        assert waits(recover(copy)) == {"sdk": 2, "halts": 0}
    assert number > 2


def test_floors_that_whoever_took_the_host_over_wrote_do_not_stop_the_timer_where_there_is_a_mark(house: House) -> None:
    turn(house, force=True)
    marks.write(house.place.floors, HighWater(versions={"sdk": 9000, "timestamp": 9000}))
    with pytest.raises(SigningError, match="sdk"):
        turn(house)
    assert turn(house, force=True) is not None
    assert house.chain.timestamp.version < 9000


@pytest.mark.parametrize("role", ["sdk", "timestamp"])
def test_neither_floors_nor_a_mark_that_are_ahead_by_more_than_can_be_are_believed(house: House, role: str) -> None:
    turn(house, force=True)
    far = bounds.MOST_AHEAD + house.chain.roles[role].version + 1
    false = msgspec.structs.replace(mark_of(house), versions={**mark_of(house).versions, role: far})
    with pytest.raises(SigningError) as refused:
        recovery.above(marked(house), false)
    assert not house.place.floors.exists()
    marks.write(house.place.floors, false.floors)
    with pytest.raises(SigningError) as error:
        turn(house, force=True)
    assert {refused.value.reason, error.value.reason} == {"bad-mark"}


def test_the_furthest_that_is_believed_can_be_signed_and_restored_again(house: House) -> None:
    turn(house, force=True)
    far = bounds.MOST_AHEAD + house.chain.timestamp.version
    marks.write(house.top / "mark.json", msgspec.structs.replace(mark_of(house), versions={"timestamp": far}))
    turn(house, force=True)
    assert house.chain.timestamp.version == mark_of(house).versions["timestamp"] == far + 1
    recover(house)


def test_the_mark_of_another_catalogue_is_refused(house: House, tmp_path: Path) -> None:
    turn(house, force=True)
    other = mark_of(house)
    root = json.loads(other.roots["1"])
    root["signatures"] = []
    false = msgspec.structs.replace(other, roots={"1": json.dumps(root)})
    with pytest.raises(SigningError, match="another catalogue"):
        recovery.above(marked(house), false)
    marks.write(house.top / "mark.json", false)
    with pytest.raises(SigningError, match="another catalogue"):
        turn(house, force=True)


def test_a_mark_that_lacks_roots_that_it_counts_is_refused(lost: House) -> None:
    false = msgspec.structs.replace(mark_of(lost), versions={**mark_of(lost).versions, "root": 2})
    with pytest.raises(SigningError, match="lacks roots") as error:
        recovery.above(marked(lost), false)
    assert error.value.reason == "bad-mark"


def test_with_a_newer_mark_from_elsewhere_the_one_of_the_configuration_is_brought_up_to_it(lost: House) -> None:
    newer, path = mark_of(lost), lost.top / "mark.json"
    marks.write(path, msgspec.structs.replace(newer, versions={**newer.versions, "sdk": 1}))
    recovery.above(marked(lost), newer)
    assert mark_of(lost) == newer
