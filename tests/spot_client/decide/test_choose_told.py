"""What people are told of a decision, word for word. Mutation testing asked for it."""

from typing import Final

import pytest

from spot_client.decide.choose import Hold, Why
from tests.spot_client.decide.test_choose import ELSEWHERE, HERE, decide, gone, halted, index, release

CHANNELS: Final = index(release("1.0", "beta nightly"))
TWICE: Final = index(release("1.1"), release("1.1", platform=HERE))


def test_the_channels_of_a_release_are_named() -> None:
    assert decide(CHANNELS) == Hold(Why.OTHER_CHANNEL, "1.0 is offered in beta, nightly, not in stable")


def test_the_platform_of_a_release_for_others_is_named() -> None:
    found = decide(index(release("1.0", platform=ELSEWHERE)))
    assert found == Hold(Why.OTHER_PLATFORM, f"1.0 is for {ELSEWHERE}, not for this machine")


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        (HERE, Hold(Why.WITHDRAWN, "1.0 was withdrawn: it was broken")),
        (ELSEWHERE, Hold(Why.NO_SUCH_VERSION, "there is no version 1.0")),
    ],
)
def test_what_was_withdrawn_for_this_platform_is_told_as_such(platform: str, expected: Hold) -> None:
    assert decide(index(gone("1.0", platform)), wanted="1.0") == expected


def test_where_nothing_is_on_offer_it_is_said() -> None:
    assert decide(index()) == Hold(Why.NOTHING_ON_OFFER, "nothing is on offer")


@pytest.mark.parametrize(("wanted", "detail"), [("1.0", "1.0 is installed"), (None, "1.0 is the newest on offer")])
def test_the_version_in_use_is_named_by_what_was_asked(wanted: str | None, detail: str) -> None:
    assert decide(index(release("1.0")), "1.0", wanted) == Hold(Why.CURRENT, detail)


def test_the_same_version_for_others_is_no_newer_one() -> None:
    """Else it would be told as what stands in the way of something better."""
    found = decide(TWICE, "1.1", built_for=HERE, halts=[halted("1.1")])
    assert found == Hold(Why.CURRENT, "1.1 is the newest on offer")
