"""How long statements hold, and when each is due."""

from datetime import UTC, datetime, timedelta

import pytest

from mirror.signing.terms import Terms

NOW = datetime(2026, 3, 1, 12, 30, 15, 999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("role", "left", "expected"),
    [
        ("timestamp", timedelta(days=3), False),
        ("timestamp", timedelta(hours=25), False),
        ("timestamp", timedelta(hours=23), True),
        ("timestamp", timedelta(days=-10), True),
        ("timestamp", timedelta(days=3, minutes=59), False),
        ("timestamp", timedelta(days=4), True),
        ("snapshot", timedelta(days=3), False),
        ("snapshot", timedelta(days=2), True),
        ("sdk", timedelta(days=122), False),
        ("sdk", timedelta(days=121), True),
        ("root", timedelta(days=400), True),
    ],
)
def test_a_statement_is_due_at_a_third_or_where_a_clock_was_ahead(role: str, left: timedelta, expected: bool) -> None:
    assert Terms().is_due(role, NOW + left, NOW) is expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), False),
        (timedelta(hours=5, minutes=59), False),
        (timedelta(hours=6), True),
        (timedelta(days=9), True),
        (timedelta(minutes=-59), False),
        (timedelta(hours=-2), True),
    ],
)
def test_the_timer_has_its_turn_every_six_hours_or_where_a_clock_was_ahead(age: timedelta, expected: bool) -> None:
    assert Terms().is_turn(NOW - age + Terms().timestamp, NOW) is expected


def test_terms_are_set_for_each_kind_of_role() -> None:
    terms = Terms(products=timedelta(days=30), root=timedelta(days=700))
    assert terms.life("sdk") == terms.life("halts") == terms.life("house") == timedelta(days=30)
    assert terms.expiry("root", NOW) == NOW.replace(microsecond=0) + timedelta(days=700)


@pytest.mark.parametrize("role", ["root", "sdk"])
def test_a_statement_holds_from_now_on_and_no_longer_than_usual(role: str) -> None:
    life = Terms().life(role)
    for fine in (timedelta(seconds=1), life, life + timedelta(hours=23)):
        assert Terms().oddity(role, NOW + fine, NOW) is None
    for lapsed in (timedelta(0), timedelta(days=-400)):
        assert "has lapsed" in str(Terms().oddity(role, NOW + lapsed, NOW))
    assert "365 days are the most" in str(Terms().oddity(role, NOW + life + timedelta(hours=25), NOW))
