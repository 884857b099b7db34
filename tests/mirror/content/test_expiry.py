"""mirror.content.expiry: what will lapse is told while there still is time to act."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from mirror.content.expiry import good_until, warnings
from mirror.content.memory import State

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FAR = timedelta(days=1000)


def state(**left: timedelta) -> State:
    """A state in which everything is good for long, except what is said."""
    roles = {role: NOW + left.get(role, FAR) for role in ("root", "snapshot", "sdk", "targets", "timestamp")}
    world = SimpleNamespace(
        revocations={b"k": SimpleNamespace(next_update=NOW + left.get("crl", FAR))},
        issuers={b"k": SimpleNamespace(not_after=NOW + left.get("issuer", FAR))},
    )
    return cast("State", SimpleNamespace(world=world, catalogue=SimpleNamespace(expires=roles)))


def test_nothing_is_said_while_all_is_well() -> None:
    assert warnings(state(), NOW) == ()


@pytest.mark.parametrize(
    ("what", "left", "step"),
    [
        ("timestamp", timedelta(hours=23), "spot-mirror resign"),
        ("snapshot", timedelta(hours=47), "spot-mirror resign"),
        ("sdk", timedelta(days=29), "Publish a release"),
        ("root", timedelta(days=29), "Sign it anew"),
        ("crl", timedelta(days=9), "spot-ca crl"),
        ("issuer", timedelta(days=364), "successor"),
    ],
)
def test_each_is_told_in_time_with_the_next_step_and_again_when_it_has_lapsed(
    what: str, left: timedelta, step: str
) -> None:
    (soon,) = warnings(state(**{what: left}), NOW)
    assert " lapses on " in soon
    assert step in soon
    (late,) = warnings(state(**{what: timedelta(seconds=-1)}), NOW)
    assert " has lapsed on " in late


def test_the_first_to_lapse_counts() -> None:
    found = good_until(state(timestamp=timedelta(days=3), crl=timedelta(days=30)))
    assert found == (NOW + timedelta(days=3), NOW + timedelta(days=30))
