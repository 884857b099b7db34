"""What changed between two versions: the releases on the way, for this machine and channel, oldest first."""

from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from spot_client.decide.changes import changes
from spot_client.wire.index import Index
from tests.spot_client.decide.test_choose import ELSEWHERE, HERE, gone, index, release
from tests.spot_client.wire.strategies import indexes, versions

OFFERED = index(
    release("1.0"),
    release("1.1"),
    release("1.1", platform=HERE),
    gone("1.2"),
    release("1.3", platform=ELSEWHERE),
    release("1.4", "beta"),
    release("1.10", lib=">=9"),
    release("2.0"),
)


def between(after: str | None, up_to: str | None, offered: Index = OFFERED) -> list[str]:
    first, last = (None if text is None else Version(text) for text in (after, up_to))
    found = changes(offered, channel="stable", platform=HERE, after=first, up_to=last)
    return [f"{line.version} {line.platform}" for line in found]


def test_those_of_this_machine_and_channel_oldest_first_and_one_a_version() -> None:
    assert between(None, None) == ["1.0 any", f"1.1 {HERE}", "1.10 any", "2.0 any"]


def test_after_the_first_and_up_to_the_last() -> None:
    assert between("1.0", "1.10") == [f"1.1 {HERE}", "1.10 any"]
    assert between("1.0.0", "2") == [f"1.1 {HERE}", "1.10 any", "2.0 any"]


def test_between_the_newest_and_itself_or_something_older_there_is_nothing() -> None:
    assert between("2.0", None) == []
    assert between("2.0", "1.0") == []
    assert between(None, None, index()) == []


@given(indexes(), st.none() | versions(), st.none() | versions())
def test_whatever_is_on_offer_nothing_is_told_twice_or_out_of_order(
    offered: Index, after: str | None, up_to: str | None
) -> None:
    found = [Version(line.partition(" ")[0]) for line in between(after, up_to, offered)]
    assert found == sorted(set(found))
    assert all(after is None or version > Version(after) for version in found)
    assert all(up_to is None or version <= Version(up_to) for version in found)
