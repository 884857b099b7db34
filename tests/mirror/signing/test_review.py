"""Old and new, held against one another: what people approve, and what nobody may sign."""

from collections.abc import Callable
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import Conflict
from mirror.signing import review
from spot_client.wire.baselines import Baseline, Baselines
from spot_client.wire.halts import Halt, Halts
from spot_client.wire.index import Index, Release, Severity, Tombstone
from spot_client.wire.sealed import Seal
from spot_client.wire.trust import OfficialMirror, Trust

AT = "2026-03-01T00:00:00Z"


def release(version: str, *channels: str, platform: str = "any", head: str = "0") -> Release:
    return Release(version, platform, channels or ("stable",), Seal(head * 64, 1), Severity.BUG, AT)


def stone(version: str, platform: str = "any", reason: str = "broken") -> Tombstone:
    return Tombstone(version, platform, AT, reason)


def offered(*releases: Release, stones: tuple[Tombstone, ...] = ()) -> Index:
    return Index(product="sdk", component="tool", releases=releases, tombstones=stones)


OLD = offered(release("1.0"), release("2.0"), stones=(stone("0.9"),))
STONES = OLD.tombstones


def told(old: Index | None, new: Index) -> list[tuple[str, str]]:
    return [(line.kind, line.what) for line in review.of_index(old, new)]


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(Conflict, match="must not be signed") as error:
        call()
    return error.value.reason


def test_what_is_new_withdrawn_or_in_other_channels_is_told() -> None:
    new = offered(release("1.0", "beta", "stable"), release("3.0"), stones=(stone("0.9"), stone("2.0")))
    assert told(OLD, new) == [
        ("withdrawn", "sdk/tool 2.0 (any) is withdrawn: broken"),
        ("channels", "sdk/tool 1.0 (any): now in beta, stable"),
        ("new", "sdk/tool 3.0 (any): new in stable"),
    ]
    assert told(OLD, OLD) == []
    assert told(None, offered(release("1.0"))) == [("new", "sdk/tool 1.0 (any): new in stable")]


def test_a_new_release_says_what_has_to_be_hashed() -> None:
    (line,) = review.of_index(None, offered(release("1.0")))
    assert (line.release, line.component) == (release("1.0"), "sdk/tool")


@pytest.mark.parametrize(
    "new",
    [
        offered(release("1.0", head="1"), release("2.0"), stones=STONES),
        offered(msgspec.structs.replace(release("1.0"), notes="other"), release("2.0"), stones=STONES),
        offered(msgspec.structs.replace(release("1.0"), restart=True), release("2.0"), stones=STONES),
        offered(msgspec.structs.replace(release("1.0"), requires={"a/b": ">1"}), release("2.0"), stones=STONES),
        offered(release("1.0", platform="linux-arm64"), release("2.0"), stones=STONES),
        offered(release("2.0"), stones=STONES),
        offered(release("2.0"), stones=(*STONES, stone("1.0", "linux-arm64"))),
        offered(release("1.0"), release("2.0")),
        offered(release("1.0"), release("2.0"), stones=(stone("0.9", reason="other"),)),
        offered(release("0.9"), release("1.0"), release("2.0")),
        offered(),
    ],
)
def test_a_release_or_a_withdrawal_never_changes_and_never_vanishes(new: Index) -> None:
    assert refused(lambda: told(OLD, new)) == "changed-release"


LINES = st.lists(st.tuples(st.sampled_from("123"), st.sampled_from(["any", "linux-arm64"])), unique=True)


@st.composite
def indexes(draw: st.DrawFn) -> Index:
    lines = sorted(draw(LINES))
    gone = {line for line in lines if draw(st.booleans())}
    channels = st.sampled_from([("stable",), ("beta", "stable")])
    kept = [
        release(version, *draw(channels), platform=platform, head=draw(st.sampled_from("001")))
        for version, platform in lines
        if (version, platform) not in gone
    ]
    stones = tuple(stone(*line, reason=draw(st.sampled_from(["a", "a", "b"]))) for line in lines if line in gone)
    return offered(*kept, stones=stones)


@given(old=indexes(), new=indexes())
def test_what_is_not_refused_only_adds_withdraws_and_moves_between_channels(old: Index, new: Index) -> None:
    plain = [msgspec.structs.replace(line, channels=("x",)) for line in new.releases]
    stones = {(line.version, line.platform) for line in new.tombstones}
    kept = all(
        msgspec.structs.replace(line, channels=("x",)) in plain or (line.version, line.platform) in stones
        for line in old.releases
    )
    if not kept or not set(old.tombstones) <= set(new.tombstones):
        assert refused(lambda: told(old, new)) == "changed-release"
        return
    kinds = [kind for kind, _ in told(old, new)]
    before = {(line.version, line.platform) for line in old.releases}
    assert kinds.count("withdrawn") == len(new.tombstones) - len(old.tombstones)
    assert kinds.count("new") == sum((line.version, line.platform) not in before for line in new.releases)
    assert (kinds == []) == (old == new)


def baselines(*names: str, version: str = "1.0") -> Baselines:
    return Baselines(product="sdk", baselines=tuple(Baseline(name, {"tool": version}, AT) for name in names))


def test_baselines_are_added_and_nothing_else() -> None:
    (line,) = review.of_baselines(baselines("2026.1"), baselines("2026.1", "2026.2"))
    assert (line.kind, line.what) == ("baseline", "sdk 2026.2: new baseline of tool 1.0")
    assert len([*review.of_baselines(None, baselines("2026.1"))]) == 1
    for new in (baselines(), baselines("2026.2"), baselines("2026.2", "2026.1"), baselines("2026.1", version="2.0")):
        assert refused(partial(of_baselines, new)) == "changed-release"


def of_baselines(new: Baselines) -> list[review.Difference]:
    return [*review.of_baselines(baselines("2026.1"), new)]


def test_a_halt_comes_and_goes() -> None:
    old = Halts(product="sdk", halts=(Halt("tool", "1.0", "any", AT, "hangs"), Halt("tool", "2.0", "any", AT, "x")))
    new = Halts(product="sdk", halts=(Halt("tool", "1.0", "any", AT, "hangs"), Halt("tool", "3.0", "any", AT, "x")))
    assert [(line.kind, line.what) for line in review.of_halts(old, new)] == [
        ("halted", "sdk/tool 3.0 (any) is halted: x"),
        ("resumed", "sdk/tool 2.0 (any) is not halted any more"),
    ]
    assert len([*review.of_halts(None, new)]) == 2


def test_every_change_of_mirrors_and_pins_is_told() -> None:
    one, two = OfficialMirror("https://a", "A"), OfficialMirror("https://b", "B", "N", "K")

    def said(old: Trust | None, *mirrors: OfficialMirror) -> list[str]:
        return [line.what for line in review.of_trust(old, Trust(mirrors=mirrors), str.lower)]

    assert said(None, two) == ["https://b: new mirror, pins current b, next n, backup k"]
    known = Trust(mirrors=(one, two))
    assert said(known, one, two) == []
    assert said(known, two, one) == ["asked in this order: https://b, https://a"]
    assert said(known, two) == ["https://a: not a mirror any more"]
    assert said(known, OfficialMirror("https://a", "X"), two) == ["https://a: pins now current x"]


def test_every_change_of_who_signs_is_told() -> None:
    old = {"sdk": (2, frozenset({"a", "b"})), "gone": (1, frozenset({"a"}))}
    new = {"sdk": (1, frozenset({"a", "b"})), "new": (1, frozenset({"c"}))}
    assert [line.what for line in review.of_holders(old, new, str.upper)] == [
        "sdk: 1 of A, B instead of 2 of A, B",
        "new: new role, 1 of C",
        "gone: not a role any more",
    ]
    assert [*review.of_holders(old, old, str.upper)] == []


def test_another_key_is_told_although_it_has_the_same_name() -> None:
    old, new = {"sdk": (1, frozenset({"aa"}))}, {"sdk": (1, frozenset({"ab"}))}
    (line,) = review.of_holders(old, new, lambda keyid: keyid[:1])
    assert line.kind == "keys"
