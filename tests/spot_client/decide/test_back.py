"""Which kept version a rollback goes to, and that it never is one that was stopped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from spot_client.decide.back import way_back
from spot_client.decide.stops import Kind, Stop, Stops
from spot_client.state import Installed
from spot_client.wire.halts import Halt
from spot_client.wire.index import Tombstone
from spot_client.wire.sealed import Seal

MOMENT = "2026-01-01T00:00:00Z"


def kept(version: str, platform: str = "any") -> Installed:
    return Installed(version, platform, Seal("0" * 64, 1), version)


def gone(version: str, platform: str = "any") -> Tombstone:
    return Tombstone(version, platform, MOMENT, "it was broken")


def halted(version: str, platform: str = "any") -> Halt:
    return Halt("tool", version, platform, MOMENT, "it burns")


THREE = [kept("1.0"), kept("3.0"), kept("2.0"), kept("1.5", "linux-x86_64")]


@pytest.mark.parametrize(
    ("stops", "below", "wanted", "reached", "passed"),
    [
        ([], "3.0", None, "2.0", []),
        ([], "2.0", None, "1.5", []),
        ([], "9.0", "1.0.0", "1.0", []),
        ([], "2.0", "3.0", None, []),  # newer: that is no way back
        ([], "1.0", None, None, []),
        ([gone("2.0")], "3.0", None, "1.5", ["2.0"]),
        ([gone("2.0.0"), halted("1.5", "linux-x86_64")], "3.0", None, "1.0", ["2.0", "1.5"]),
        ([gone("1.5")], "2.0", None, "1.5", []),  # another platform's
        ([gone("2.0")], "3.0", "2.0", None, ["2.0"]),
        ([gone("2.0"), gone("1.0"), halted("1.5", "linux-x86_64")], "3.0", None, None, ["2.0", "1.5", "1.0"]),
        ([gone("1.0")], "3.0", None, "2.0", []),  # older than where it goes: nothing was passed over
    ],
)
def test_where_the_way_back_leads(
    stops: list[Tombstone | Halt], below: str, wanted: str | None, reached: str | None, passed: list[str]
) -> None:
    known = Stops([s for s in stops if isinstance(s, Tombstone)], [s for s in stops if isinstance(s, Halt)])
    found, left = way_back(THREE, known, below=below, wanted=Version(wanted) if wanted else None)
    assert (found.version if found else None) == reached
    assert [release.version for release, _ in left] == passed


def test_a_stop_is_told_on_one_line_with_its_reason_cut_where_it_is_long() -> None:
    assert Stop(Kind.WITHDRAWN, MOMENT, "It was\n  broken. ").told == "was withdrawn: It was broken"
    assert Stop(Kind.HALTED, MOMENT, "").told == f"is halted since {MOMENT}"
    assert len(Stop(Kind.WITHDRAWN, MOMENT, "x" * 8192).told) < 600


VERSIONS = st.sampled_from(["1.0", "1.1rc1", "1.1", "2.0", "10.0", "1!0.1"])
PLATFORMS = st.sampled_from(["any", "linux-x86_64"])


@given(
    st.lists(st.builds(kept, VERSIONS, PLATFORMS)),
    st.lists(st.builds(gone, VERSIONS, PLATFORMS)),
    st.lists(st.builds(halted, VERSIONS, PLATFORMS)),
    VERSIONS,
    st.none() | VERSIONS,
)
def test_it_leads_to_the_newest_that_was_not_stopped_and_nowhere_else(
    here: list[Installed], stones: list[Tombstone], halts: list[Halt], below: str, wanted: str | None
) -> None:
    stopped = {(stone.version, stone.platform) for stone in stones} | {(halt.version, halt.platform) for halt in halts}
    right = Version(wanted) if wanted else None
    found, passed = way_back(here, Stops(stones, halts), below=below, wanted=right)
    older = [one for one in here if Version(one.version) < Version(below) and wanted in {None, one.version}]
    good = [one for one in older if (one.version, one.platform) not in stopped]
    assert (found is None) == (not good)
    if found:
        assert found in good
        assert Version(found.version) == max(Version(one.version) for one in good)
    assert {(one.version, one.platform) for one, _ in passed} <= stopped
    assert all(found is None or Version(one.version) >= Version(found.version) for one, _ in passed)
