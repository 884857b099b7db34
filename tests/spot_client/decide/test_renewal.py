"""When an installation asks for a certificate: at once for its first, later within a window of its own."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from spot_client.decide.renewal import FINAL, LONGEST_WAIT, UNSUPPORTED, Asked, Step, chance, due, step

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@given(some.text(), some.integers(1, 10**9))
def test_it_is_due_between_two_thirds_and_five_sixths_of_the_lifetime(installation: str, seconds: int) -> None:
    life = timedelta(seconds=seconds)
    moment = due(BEGIN, BEGIN + life, installation)
    assert BEGIN + life * (2 / 3) - SECOND <= moment <= BEGIN + life * (5 / 6) + SECOND
    assert moment == due(BEGIN, BEGIN + life, installation)


def test_many_installations_are_spread_evenly() -> None:
    tenths = [int(10 * chance(f"{number}")) for number in range(10_000)]
    assert all(900 < tenths.count(tenth) < 1100 for tenth in range(10))


@pytest.mark.parametrize(
    ("since", "asked", "wanted", "early"),
    [
        (None, None, Step.ASK, Step.ASK),
        (NOW + SECOND, None, Step.NOTHING, Step.ASK),
        (NOW, None, Step.ASK, Step.ASK),
        (None, Asked(None, ""), Step.ASK, Step.ASK),
        (None, Asked(NOW + SECOND, ""), Step.WAIT, Step.ASK),
        (None, Asked(NOW, ""), Step.ASK, Step.ASK),
        (None, Asked(NOW + LONGEST_WAIT, ""), Step.WAIT, Step.ASK),
        (None, Asked(NOW + LONGEST_WAIT + SECOND, ""), Step.ASK, Step.ASK),
        (NOW + SECOND, Asked(NOW, ""), Step.ASK, Step.ASK),
        (None, Asked(NOW + SECOND, "suspended"), Step.WAIT, Step.ASK),
        (None, Asked(NOW, "suspended"), Step.ASK, Step.ASK),
        *((None, Asked(NOW, reason), Step.STOP, Step.STOP) for reason in sorted(FINAL)),
        *((None, Asked(NOW, reason), Step.ASK, Step.ASK) for reason in sorted(UNSUPPORTED)),
    ],
)
def test_what_a_run_does(since: datetime | None, asked: Asked | None, wanted: Step, early: Step) -> None:
    assert step(since, asked, NOW) is wanted
    assert step(since, asked, NOW, early=True) is early
