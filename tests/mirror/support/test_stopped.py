"""Which installations still have what was withdrawn or halted."""

from datetime import UTC, datetime

from mirror.records.protocol import ThinSnapshot
from mirror.support.fleet import Stopped, still_have, stops
from spot_client.wire.halts import Halt, Halts
from spot_client.wire.index import Index, Release, Severity, Tombstone
from spot_client.wire.sealed import Seal

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SINCE, LATER = "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z"


def release(version: str, platform: str = "any") -> Release:
    return Release(version, platform, ("stable",), Seal("0" * 64, 1), Severity.BUG, SINCE)


def found(index: Index, *halts: Halt) -> dict[tuple[str, str], Stopped]:
    return stops([index], {"sdk": Halts(product="sdk", halts=halts)} if halts else {})


def test_what_is_on_offer_is_not_stopped() -> None:
    assert found(Index(product="sdk", component="tool", releases=(release("1.0"),))) == {}


def test_a_withdrawal_and_a_halt_are_told_with_since_and_reason() -> None:
    stone = Tombstone("1.0", "any", SINCE, "it breaks")
    index = Index(product="sdk", component="tool", releases=(release("1.1"),), tombstones=(stone,))
    assert found(index, Halt("tool", "1.1", "any", LATER, "we look")) == {
        ("sdk/tool", "1.0"): Stopped("withdrawn", SINCE, "it breaks", ("any",), everywhere=True),
        ("sdk/tool", "1.1"): Stopped("halted", LATER, "we look", ("any",), everywhere=True),
    }


def test_withdrawn_outweighs_halted() -> None:
    stone = Tombstone("1.0", "any", SINCE, "it breaks")
    index = Index(product="sdk", component="tool", tombstones=(stone,))
    assert found(index, Halt("tool", "1.0", "any", LATER, "x"))["sdk/tool", "1.0"].kind == "withdrawn"


def test_what_was_stopped_for_one_platform_of_two_is_not_stopped_everywhere() -> None:
    both = (release("1.0", "linux-x86_64"), release("1.0", "macos-arm64"))
    index = Index(product="sdk", component="tool", releases=both)
    halted = found(index, Halt("tool", "1.0", "macos-arm64", LATER, "x"))["sdk/tool", "1.0"]
    assert (halted.platforms, halted.everywhere) == (("macos-arm64",), False)
    gone = Index(
        product="sdk",
        component="tool",
        releases=both[:1],
        tombstones=(Tombstone("1.0", "macos-arm64", SINCE, "x"),),
    )
    assert not found(gone)["sdk/tool", "1.0"].everywhere


def test_a_halt_of_another_component_or_product_says_nothing() -> None:
    index = Index(product="sdk", component="tool", releases=(release("1.0"),))
    assert found(index, Halt("other", "1.0", "any", LATER, "x")) == {}
    assert stops([index], {"science": Halts(product="science", halts=(Halt("tool", "1.0", "any", LATER, "x"),))}) == {}


def test_only_installations_that_have_it_are_listed() -> None:
    one = Stopped("withdrawn", SINCE, "it breaks", ("any",), everywhere=True)
    lines = [
        ThinSnapshot("a", {"sdk/tool": "1.0", "sdk/docs": "1.0"}, NOON, NOON),
        ThinSnapshot("b", {"sdk/tool": "1.1"}, NOON, NOON),
        ThinSnapshot("c", {}, NOON, NOON),
    ]
    told = list(still_have(lines, {("sdk/tool", "1.0"): one}))
    assert told == [(lines[0], "sdk/tool", one)]
