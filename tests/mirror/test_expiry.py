"""mirror.expiry: what will lapse is told while there still is time to act."""

from datetime import UTC, datetime, timedelta

import pytest

from mirror.config import Lifetimes
from mirror.expiry import NEW_LIST, of_catalogue, of_issuer, of_list, of_server, warnings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


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
    fresh, near, over = (of_list(b"k", NOW - ago, NOW - ago + 30 * DAY) for ago in (19 * DAY, 21 * DAY, 30 * DAY))
    assert warnings([fresh, near, over], NOW) == (
        f"A revocation list lapses on 2026-12-01 12:00 UTC. {NEW_LIST}",
        f"A revocation list has lapsed on 2026-11-22 12:00 UTC. {NEW_LIST}",
    )
    assert len(warnings([of_server(NOW - 21 * DAY, NOW + 9 * DAY)], NOW)) == 1
    assert len(warnings([of_issuer(b"k", NOW - 19 * DAY, NOW + 11 * DAY)], NOW)) == 0


def test_everything_that_ends_has_a_name_of_its_own() -> None:
    found = of_catalogue({"root": NOW, "sdk": NOW}, Lifetimes().life)
    found += [of_server(NOW, NOW), of_issuer(b"\x01", NOW, NOW), of_list(b"\x01", NOW, NOW), of_list(b"\x02", NOW, NOW)]
    assert len({(one.kind, one.name) for one in found}) == len(found)
