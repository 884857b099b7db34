"""Which release a component goes to. First as a table to read, then as rules that hold for every index."""

from collections.abc import Mapping, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from spot_client.decide.choose import Decision, Hold, Rollback, Situation, Upgrade, Why, choose
from spot_client.wire.halts import Halt
from spot_client.wire.index import Index, Release, Severity, Tombstone, check
from spot_client.wire.sealed import Seal

MOMENT = "2026-01-01T00:00:00Z"
HERE, ELSEWHERE = "linux-x86_64", "macos-arm64"


def release(version: str, channels: str = "stable", platform: str = "any", **requires: str) -> Release:
    """`requires` by the component's name in the product `sdk`."""
    needs = {f"sdk/{name}": versions for name, versions in requires.items()}
    seal = Seal("0" * 64, 1)
    return Release(version, platform, tuple(channels.split()), seal, Severity.BUG, MOMENT, requires=needs)


def gone(version: str, platform: str = "any") -> Tombstone:
    return Tombstone(version, platform, MOMENT, "it was broken")


def halted(version: str, platform: str = "any") -> Halt:
    return Halt("tool", version, platform, MOMENT, "it burns")


def index(*lines: Release | Tombstone) -> Index:
    def key(line: Release | Tombstone) -> tuple[Version, str]:
        return Version(line.version), line.platform

    releases = tuple(sorted((line for line in lines if isinstance(line, Release)), key=key))
    tombstones = tuple(sorted((line for line in lines if isinstance(line, Tombstone)), key=key))
    made = Index(product="sdk", component="tool", releases=releases, tombstones=tombstones)
    check(made)
    return made


def decide(
    offered: Index,
    installed: str | None = None,
    wanted: str | None = None,
    *,
    channel: str = "stable",
    others: Mapping[str, str] | None = None,
    built_for: str = "any",
    halts: Sequence[Halt] = (),
) -> Decision:
    return choose(offered, Situation(installed, channel, HERE, others or {}, built_for), wanted=wanted, halts=halts)


def told(decision: Decision) -> str:
    """A decision in one phrase."""
    if isinstance(decision, Hold):
        return f"hold: {decision.why.value}"
    way = "upgrade" if isinstance(decision, Upgrade) else "roll back"
    return f"{way} to {decision.release.version} {decision.release.platform}"


PLAIN = index(release("1.0"), release("1.1"), release("2.0", "beta"))
PLATFORMS = index(
    release("1.0"), release("1.1"), release("1.1", platform=HERE), release("1.2", platform=ELSEWHERE), release("2.0rc1")
)
WITHDRAWN = index(release("1.0"), release("1.1"), gone("1.2"))
NEEDY = index(release("1.0"), release("1.1", lib=">=2"), release("1.2", lib=">=3", other=">=1"))
MIXED = index(release("1.0", platform=HERE), gone("1.1", ELSEWHERE), release("1.1", "beta", HERE))
BY_CHANNEL = index(release("1.0", "beta", HERE), release("1.0", "stable", ELSEWHERE))

TABLE = [
    # index, installed, wanted → decision
    (PLAIN, None, None, "upgrade to 1.1 any"),
    (PLAIN, "1.0", None, "upgrade to 1.1 any"),
    (PLAIN, "1.1", None, "hold: current"),
    (PLAIN, "3.0", None, "hold: current"),  # newer than all on offer, and not withdrawn: it stays
    (PLAIN, "1.1.0", None, "hold: current"),  # the same version in another spelling
    (PLAIN, "1.1", "1.0", "roll back to 1.0 any"),
    (PLAIN, "1.1", "1.0.0", "roll back to 1.0 any"),
    (PLAIN, "1.1", "1.1", "hold: current"),
    (PLAIN, None, "1.0", "upgrade to 1.0 any"),
    (PLAIN, "1.0", "2.0", "hold: other-channel"),
    (PLAIN, "1.0", "7.0", "hold: no-such-version"),
    (PLATFORMS, "1.0", "1.1", "upgrade to 1.1 linux-x86_64"),  # this machine's own wins over `any`
    (PLATFORMS, "1.0", "1.2", "hold: other-platform"),
    (PLATFORMS, "1.0", None, "upgrade to 2.0rc1 any"),  # the channel says what is a preview, not the version
    (WITHDRAWN, "1.2", None, "roll back to 1.1 any"),
    (WITHDRAWN, "1.2.0", None, "roll back to 1.1 any"),
    (WITHDRAWN, "1.0", "1.2", "hold: withdrawn"),
    (WITHDRAWN, "1.0", "1.2.0", "hold: withdrawn"),
    (index(gone("1.2")), "1.2", None, "hold: nothing-on-offer"),
    (MIXED, "1.1", None, "hold: current"),  # withdrawn for other machines only
    (NEEDY, None, "1.1", "hold: requires"),
    (NEEDY, None, None, "upgrade to 1.0 any"),
    (BY_CHANNEL, None, None, "hold: other-channel"),  # not "for another machine", which would be no help
    (index(), None, None, "hold: nothing-on-offer"),
]


@pytest.mark.parametrize(("offered", "installed", "wanted", "expected"), TABLE)
def test_where_a_component_goes(offered: Index, installed: str | None, wanted: str | None, expected: str) -> None:
    assert told(decide(offered, installed, wanted)) == expected


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({}, "upgrade to 1.0 any"),
        ({"sdk/lib": "1.9"}, "upgrade to 1.0 any"),
        ({"sdk/lib": "2.0"}, "upgrade to 1.1 any"),
        ({"sdk/lib": "3.0"}, "upgrade to 1.1 any"),
        ({"sdk/lib": "3.0", "sdk/other": "1.0"}, "upgrade to 1.2 any"),
        ({"sdk/lib": "3.1rc1", "sdk/other": "1.0"}, "upgrade to 1.2 any"),  # an installed pre-release counts
    ],
)
def test_a_release_waits_for_what_it_requires(others: Mapping[str, str], expected: str) -> None:
    assert told(decide(NEEDY, others=others)) == expected


def test_what_holds_a_newer_release_back_is_told() -> None:
    decision = decide(NEEDY, "1.0")
    assert decision == Hold(
        Why.CURRENT,
        "1.0 is the newest on offer that may be installed: 1.2 requires sdk/lib >=3, sdk/other >=1",
    )


def test_what_holds_a_newer_release_back_is_told_though_a_still_newer_one_is_for_other_machines() -> None:
    decision = decide(index(release("1.0"), release("1.1", lib=">=2"), release("1.2", platform=ELSEWHERE)), "1.0")
    assert isinstance(decision, Hold)
    assert decision.detail.endswith("1.1 requires sdk/lib >=2")


def test_what_an_older_release_requires_is_no_news() -> None:
    assert decide(index(release("1.0", lib=">=2"), release("1.1")), "1.1") == Hold(
        Why.CURRENT, "1.1 is the newest on offer"
    )


def test_a_withdrawal_is_told_with_its_reason() -> None:
    assert decide(WITHDRAWN, None, "1.2") == Hold(Why.WITHDRAWN, "1.2 was withdrawn: it was broken")


HALTS = [
    # index, halts, installed, wanted → decision
    (PLAIN, [halted("1.1")], None, None, "upgrade to 1.0 any"),
    (PLAIN, [halted("1.1")], "1.0", None, "hold: current"),
    (PLAIN, [halted("1.1")], "1.0", "1.1", "hold: halted"),
    (PLAIN, [halted("1.1")], "1.0", "1.1.0", "hold: halted"),
    (PLAIN, [halted("1.1")], "1.1", None, "hold: current"),  # what runs stays
    (PLAIN, [halted("1.1")], "1.1", "1.0", "roll back to 1.0 any"),
    (PLAIN, [halted("1.0"), halted("1.1")], None, None, "hold: halted"),
    (PLAIN, [halted("1.0")], "1.1", "1.0", "hold: halted"),
    (PLAIN, [halted("7.0"), halted("1.1", ELSEWHERE)], "1.0", None, "upgrade to 1.1 any"),  # of what does not exist
    (PLAIN, [halted("7.0")], None, "7.0", "hold: no-such-version"),
    (PLATFORMS, [halted("1.1", HERE), halted("2.0rc1")], None, None, "upgrade to 1.1 any"),
    (WITHDRAWN, [halted("1.2")], "1.2", None, "roll back to 1.1 any"),  # both: withdrawn
    (WITHDRAWN, [halted("1.1")], "1.2", None, "roll back to 1.0 any"),
    (WITHDRAWN, [halted("1.0"), halted("1.1")], "1.2", None, "hold: halted"),
]


@pytest.mark.parametrize(("offered", "halts", "installed", "wanted", "expected"), HALTS)
def test_a_halt_is_an_obstacle_and_what_runs_stays(
    offered: Index, halts: Sequence[Halt], installed: str | None, wanted: str | None, expected: str
) -> None:
    assert told(decide(offered, installed, wanted, halts=halts)) == expected


def test_a_halt_is_told_with_its_moment_and_its_reason() -> None:
    halts = [halted("1.1")]
    assert decide(PLAIN, None, "1.1", halts=halts) == Hold(
        Why.HALTED, "1.1 is halted since 2026-01-01T00:00:00Z: it burns"
    )
    assert decide(PLAIN, "1.0", halts=halts) == Hold(
        Why.CURRENT,
        "1.0 is the newest on offer that may be installed: 1.1 is halted since 2026-01-01T00:00:00Z: it burns",
    )


def test_an_index_that_offers_what_it_withdrew_offers_nothing() -> None:
    """`check` refuses such an index; nobody is to depend on that."""
    both = msgspec.structs.replace(index(release("1.0"), release("1.1")), tombstones=(gone("1.1"),))
    assert told(decide(both, "1.0")) == "hold: current"
    assert told(decide(both, "1.0", "1.1")) == "hold: withdrawn"
    assert told(decide(both)) == "upgrade to 1.0 any"


def test_what_was_withdrawn_for_one_platform_is_left_for_the_same_version_for_another() -> None:
    offered = index(release("1.1"), gone("1.1", HERE))
    assert told(decide(offered, "1.1", built_for=HERE)) == "roll back to 1.1 any"
    assert told(decide(offered, "1.1", built_for="any")) == "hold: current"


VERSIONS = st.sampled_from(["1.0", "1.0.1", "1.1rc1", "1.1", "1.1.post1", "2.0a1", "2.0", "10.0", "1!0.1"])
CHANNELS = st.sampled_from(["stable", "beta", "beta stable"])
PLATFORMS_ = st.sampled_from(["any", HERE, ELSEWHERE])
NEEDS = st.sampled_from([{}, {"lib": ">=2"}, {"lib": "<2"}])


@st.composite
def indexes(draw: st.DrawFn) -> Index:
    pairs = draw(st.lists(st.tuples(VERSIONS, PLATFORMS_), unique=True, max_size=10))
    lines: list[Release | Tombstone] = []
    for version, platform in pairs:
        line = release(version, draw(CHANNELS), platform, **draw(NEEDS))
        lines.append(gone(version, platform) if draw(st.booleans()) else line)
    return index(*lines)


@st.composite
def overlapping(draw: st.DrawFn) -> Index:
    """With tombstones beside an offer of the same release, too, which a checked index never has."""
    drawn = draw(indexes())
    more = draw(st.lists(st.builds(gone, VERSIONS, PLATFORMS_)))
    return msgspec.structs.replace(drawn, tombstones=(*drawn.tombstones, *more))


OURS = st.sampled_from(["any", HERE])
HALTED = st.lists(st.builds(halted, VERSIONS, PLATFORMS_), max_size=12)
LIBS = st.sampled_from([{}, {"sdk/lib": "1.0"}, {"sdk/lib": "2.0"}])
INSTALLED = st.one_of(st.none(), VERSIONS)
WANTED = st.one_of(st.none(), VERSIONS)


def fits(line: Release, others: Mapping[str, str]) -> bool:
    """What may be installed here, said once more in the plainest way."""
    need = line.requires.get("sdk/lib")
    lib = others.get("sdk/lib")
    satisfied = need is None or (lib == "2.0" if need == ">=2" else lib == "1.0")
    return line.platform in {"any", HERE} and "stable" in line.channels and satisfied


@given(indexes(), INSTALLED, WANTED, LIBS)
def test_it_goes_to_the_newest_that_fits_and_nowhere_else(
    offered: Index, installed: str | None, wanted: str | None, others: Mapping[str, str]
) -> None:
    decision = decide(offered, installed, wanted, others=others)
    fitting = [line for line in offered.releases if fits(line, others) and wanted in {None, line.version}]
    newest = max((Version(line.version) for line in fitting), default=None)
    if isinstance(decision, Hold):
        assert installed is None or newest is None or newest <= Version(installed)
        assert newest is None or installed is not None
        return
    assert decision.release in fitting
    assert Version(decision.release.version) == newest
    own = [line for line in fitting if Version(line.version) == newest and line.platform == HERE]
    assert decision.release in (own or fitting)


@given(indexes(), INSTALLED, OURS, WANTED, LIBS)
def test_it_never_goes_down_unless_asked_to_or_away_from_what_was_withdrawn(
    offered: Index, installed: str | None, built_for: str, wanted: str | None, others: Mapping[str, str]
) -> None:
    decision = decide(offered, installed, wanted, others=others, built_for=built_for)
    if isinstance(decision, Upgrade):
        assert installed is None or Version(decision.release.version) > Version(installed)
    elif isinstance(decision, Rollback):
        assert installed is not None
        withdrawn = (installed, built_for) in {(stone.version, stone.platform) for stone in offered.tombstones}
        assert Version(decision.release.version) < Version(installed) or withdrawn
        assert Version(decision.release.version) <= Version(installed)
        assert wanted is not None or withdrawn


@given(indexes(), VERSIONS, OURS, LIBS, HALTED)
def test_it_comes_to_rest_where_it_went(
    offered: Index, installed: str, built_for: str, others: Mapping[str, str], halts: Sequence[Halt]
) -> None:
    decision = decide(offered, installed, others=others, built_for=built_for, halts=halts)
    if not isinstance(decision, Hold):
        went = decision.release
        again = decide(offered, went.version, others=others, built_for=went.platform, halts=halts)
        assert isinstance(again, Hold)


@given(indexes(), INSTALLED, VERSIONS, LIBS)
def test_a_version_asked_for_is_reached_or_the_obstacle_is_named(
    offered: Index, installed: str | None, wanted: str, others: Mapping[str, str]
) -> None:
    decision = decide(offered, installed, wanted, others=others)
    if not isinstance(decision, Hold):
        assert decision.release.version == wanted
        return
    lines = [line for line in offered.releases if line.version == wanted]
    stones = [stone for stone in offered.tombstones if stone.version == wanted and stone.platform in {"any", HERE}]
    here = [line for line in lines if line.platform in {"any", HERE}]
    holds = {
        Why.CURRENT: installed == wanted and any(fits(line, others) for line in lines),
        Why.WITHDRAWN: not lines and bool(stones),
        Why.NO_SUCH_VERSION: not lines and not stones,
        Why.OTHER_PLATFORM: bool(lines) and not here,
        Why.OTHER_CHANNEL: any("stable" not in line.channels for line in here),
        Why.REQUIRES: any("stable" in line.channels and not fits(line, others) for line in here),
    }
    assert holds[decision.why]
    assert wanted in decision.detail


@given(overlapping(), HALTED, st.tuples(INSTALLED, OURS), WANTED, LIBS)
def test_it_never_goes_to_what_was_withdrawn_or_halted_or_is_for_others(
    offered: Index,
    halts: Sequence[Halt],
    installed: tuple[str | None, str],
    wanted: str | None,
    others: Mapping[str, str],
) -> None:
    decision = decide(offered, installed[0], wanted, others=others, built_for=installed[1], halts=halts)
    if not isinstance(decision, Hold):
        chosen = decision.release
        assert (chosen.version, chosen.platform) not in {(s.version, s.platform) for s in offered.tombstones}
        assert (chosen.version, chosen.platform) not in {(halt.version, halt.platform) for halt in halts}
        assert chosen.platform in {"any", HERE}
        assert "stable" in chosen.channels
