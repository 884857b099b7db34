"""mirror.expiry: what will lapse is told while there still is time to act."""

from datetime import UTC, datetime, timedelta

import pytest

from mirror.expiry import NEW_LIST, of_catalogue, of_period, warnings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("role", "left", "step"),
    [
        ("timestamp", timedelta(hours=23), "spot-mirror resign"),
        ("snapshot", timedelta(hours=47), "spot-mirror resign"),
        ("sdk", 29 * DAY, "Publish a release"),
        ("root", 29 * DAY, "Sign it anew"),
        ("targets", 29 * DAY, "Sign it anew"),
    ],
)
def test_a_statement_is_told_in_time_with_the_next_step_and_again_when_it_has_lapsed(
    role: str, left: timedelta, step: str
) -> None:
    assert warnings(of_catalogue({role: NOW + 2 * left}), NOW) == ()
    (soon,) = warnings(of_catalogue({role: NOW + left}), NOW)
    assert " lapses on " in soon
    assert step in soon
    (late,) = warnings(of_catalogue({role: NOW}), NOW)
    assert " has lapsed on " in late


def test_what_says_how_long_it_holds_is_told_in_its_last_third() -> None:
    fresh, near, over = (
        of_period("A list", NOW - ago, NOW - ago + 30 * DAY, NEW_LIST) for ago in (19 * DAY, 21 * DAY, 30 * DAY)
    )
    assert warnings([fresh, near, over], NOW) == (
        f"A list lapses on 2026-12-01 12:00 UTC. {NEW_LIST}",
        f"A list has lapsed on 2026-11-22 12:00 UTC. {NEW_LIST}",
    )
