"""mirror.expiry: what will lapse is told while there still is time to act."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from mirror.config import Lifetimes
from mirror.expiry import NEW_LIST, Lapse, Reminder, of_catalogue, of_issuer, of_list, of_server

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def warnings(lapses: Iterable[Lapse], now: datetime) -> tuple[str, ...]:
    """What is told of them by somebody who told of nothing before."""
    return tuple(f"{one.sentence(now)} {one.step}" for one in Reminder().due(lapses, now))


def list_of(days: int, grace: int) -> Lapse:
    """A revocation list that was signed so many days ago."""
    return of_list(b"k", NOW - days * DAY, NOW + (30 - days) * DAY, grace * DAY)


@pytest.mark.parametrize(
    ("role", "third", "step"),
    [
        ("timestamp", DAY, "catalogue-timer"),
        ("snapshot", 7 * DAY / 3, "catalogue-timer"),
        ("sdk", 365 * DAY / 3, "resign --all"),
        ("halts", 365 * DAY / 3, "resign --all"),
        ("root", 365 * DAY / 3, "resign --all"),
        ("targets", 365 * DAY / 3, "resign --all"),
    ],
)
def test_a_statement_is_told_when_a_third_of_its_life_is_left_and_again_when_it_has_lapsed(
    role: str, third: timedelta, step: str
) -> None:
    life = Lifetimes().life
    assert warnings(of_catalogue({role: NOW + third}, life), NOW) == ()
    (soon,) = warnings(of_catalogue({role: NOW + third - timedelta(seconds=1)}, life), NOW)
    assert " lapses on " in soon
    assert step in soon
    (late,) = warnings(of_catalogue({role: NOW}, life), NOW)
    assert " has lapsed on " in late


def test_the_warning_goes_by_the_configured_life() -> None:
    short = Lifetimes(products_days=30).life
    assert warnings(of_catalogue({"sdk": NOW + 10 * DAY}, short), NOW) == ()
    assert len(warnings(of_catalogue({"sdk": NOW + 9 * DAY}, short), NOW)) == 1


def test_what_says_how_long_it_holds_is_told_in_its_last_third() -> None:
    fresh, near, over = (
        of_list(b"k", NOW - ago, NOW - ago + 30 * DAY, timedelta(0)) for ago in (19 * DAY, 21 * DAY, 30 * DAY)
    )
    assert warnings([fresh, near, over], NOW) == (
        f"A revocation list lapses on 2026-12-01 12:00 UTC. {NEW_LIST}",
        f"A revocation list has lapsed on 2026-11-22 12:00 UTC. {NEW_LIST}",
    )
    assert len(warnings([of_server(NOW - 21 * DAY, NOW + 9 * DAY)], NOW)) == 1
    assert len(warnings([of_issuer(b"k", NOW - 19 * DAY, NOW + 11 * DAY)], NOW)) == 0


def test_everything_that_ends_has_a_name_of_its_own() -> None:
    found = of_catalogue({"root": NOW, "sdk": NOW}, Lifetimes().life)
    found += [of_server(NOW, NOW), of_issuer(b"\x01", NOW, NOW)]
    found += [of_list(key, NOW, NOW, DAY) for key in (b"\x01", b"\x02")]
    assert len({(one.kind, one.name) for one in found}) == len(found)


@pytest.mark.parametrize(
    ("days", "grace", "told"),
    [
        (19, 7, None),
        (21, 7, "A revocation list lapses on 2026-12-01 12:00 UTC."),
        (31, 7, "A revocation list has lapsed on 2026-11-21 12:00 UTC, and counts until 2026-11-28 12:00 UTC."),
        (38, 7, "A revocation list has lapsed on 2026-11-14 12:00 UTC, and counted until 2026-11-21 12:00 UTC."),
        (31, 0, "A revocation list has lapsed on 2026-11-21 12:00 UTC."),
    ],
)
def test_of_a_list_it_is_told_from_its_20th_day_on_through_its_grace_and_beyond(
    days: int, grace: int, told: str | None
) -> None:
    assert warnings([list_of(days, grace)], NOW) == (() if told is None else (f"{told} {NEW_LIST}",))


def test_it_is_told_once_a_day_and_at_once_when_something_follows() -> None:
    reminder, lapses = Reminder(), [of_list(b"k", NOW, NOW + 30 * DAY, 7 * DAY), of_server(NOW, NOW + 300 * DAY)]
    turn, told = timedelta(hours=1), list[timedelta]()
    for hours in range(24 * 45):
        due = reminder.due(lapses, NOW + hours * turn)
        told += [hours * turn] * len(due)
    # Each day from the 20th on, which is over then by an hour; from its end on; from the end of its grace on.
    assert told[:10] == [20 * DAY + turn + day * DAY for day in range(10)]
    assert told[10:17] == [30 * DAY + day * DAY for day in range(7)]
    assert told[17:] == [37 * DAY, *(37 * DAY + turn + day * DAY for day in range(8))]


def test_what_was_renewed_and_is_near_its_end_again_is_told_anew() -> None:
    reminder = Reminder()
    assert len(reminder.due([list_of(21, 7)], NOW)) == 1
    assert reminder.due([list_of(1, 7)], NOW) == []
    assert len(reminder.due([list_of(21, 7)], NOW)) == 1
