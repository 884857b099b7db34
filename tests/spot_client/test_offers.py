"""What a signed catalogue may not say, whoever signed it: that what was published or withdrawn is different now."""

from collections.abc import Callable

import msgspec
import pytest

from spot_client.decide.choose import Hold, Upgrade
from spot_client.errors import NotLicensed, NotTrusted, RefusedLocally
from spot_client.update import Spot
from spot_client.wire import halts, index
from spot_client.wire.halts import Halt, Halts
from spot_client.wire.index import Release
from tests.spot_client.desk import ONE, TWO
from tests.spot_client.installation import TOOL, Installation
from tests.spot_client.running import Listener, open_spot
from tests.spot_client.vendor import MOMENT, Vendor, make

OTHER = {"run": b"other" * 50}


@pytest.fixture
def spot(here: Installation, vendor: Vendor) -> Callable[[], Spot]:
    """SPOT as a new run composes it; 1.0 is in use."""
    vendor.publish(ONE, "1.0")
    run = open_spot(here, vendor, Listener())
    run.go(run.offer(TOOL))
    return lambda: open_spot(here, vendor, Listener())


def refused(spot: Callable[[], Spot]) -> str:
    """The reason for which an offer is refused, three runs long."""
    reasons = set()
    for wanted in (None, "1.0", None):
        with pytest.raises(NotTrusted) as failed:
            spot().offer(TOOL, wanted)
        reasons.add(failed.value.reason)
    assert len(reasons) == 1
    return reasons.pop()


def publish_again(vendor: Vendor, version: str, platform: str = "any") -> None:
    """The same version, with other content, signed by the right keys."""
    other = make(OTHER, component=TOOL, version=version, platform=platform)

    def changed(line: Release) -> Release:
        return msgspec.structs.replace(line, manifest=other.seal) if line.version == version else line

    vendor._replace(TOOL, releases=tuple(map(changed, vendor.indexes[TOOL].releases)))


def test_a_version_that_was_only_seen_may_not_come_back_with_other_content(
    spot: Callable[[], Spot], here: Installation, vendor: Vendor
) -> None:
    vendor.publish(TWO, "2.0")
    spot().offer(TOOL)
    good = vendor.indexes[TOOL]
    publish_again(vendor, "2.0")
    assert refused(spot) == "changed-release"
    assert here.in_use() == ONE
    assert spot().verify(TOOL).whole  # what is installed runs on
    vendor._replace(TOOL, releases=good.releases)
    assert isinstance(spot().offer(TOOL).decision, Upgrade)


def test_a_version_that_was_seen_before_anything_was_installed_is_held_to_as_well(
    here: Installation, vendor: Vendor
) -> None:
    vendor.publish(ONE, "1.0")
    open_spot(here, vendor, Listener()).offer(TOOL)
    publish_again(vendor, "1.0")
    assert refused(lambda: open_spot(here, vendor, Listener())) == "changed-release"


def test_a_tombstone_does_not_go(spot: Callable[[], Spot], here: Installation, vendor: Vendor) -> None:
    vendor.publish(TWO, "2.0")
    before = vendor.indexes[TOOL]
    vendor.withdraw("2.0")
    spot().offer(TOOL)
    stones = vendor.indexes[TOOL].tombstones
    vendor._replace(TOOL, tombstones=())
    assert refused(spot) == "tombstone-gone"
    vendor._replace(TOOL, releases=before.releases)  # on offer again, with the very same content
    assert refused(spot) == "tombstone-gone"
    assert here.in_use() == ONE
    vendor._replace(TOOL, releases=before.releases[:1], tombstones=stones)
    assert isinstance(spot().offer(TOOL).decision, Hold)


def test_what_was_refused_does_not_count_as_seen(spot: Callable[[], Spot], vendor: Vendor) -> None:
    """Else one bad index that is both too little and too much would pass in two steps."""
    vendor.publish(TWO, "2.0")
    vendor.withdraw("2.0")
    spot().offer(TOOL)
    vendor.publish(OTHER, "3.0")
    publish_again(vendor, "1.0")
    assert refused(spot) == "changed-release"
    publish_again(vendor, "3.0")
    vendor._replace(TOOL, releases=vendor.indexes[TOOL].releases[1:])
    assert isinstance(spot().offer(TOOL).decision, Upgrade)


def test_a_refused_index_stays_refused_though_the_catalogue_was_thrown_away(
    spot: Callable[[], Spot], here: Installation, vendor: Vendor
) -> None:
    publish_again(vendor, "1.0")
    assert refused(spot) == "changed-release"
    for path in sorted((here.store.paths.own / "catalogue").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert refused(spot) == "changed-release"


def test_the_same_version_for_another_platform_is_another_release(spot: Callable[[], Spot], vendor: Vendor) -> None:
    vendor.publish(TWO, "1.0", platform="macos-arm64")
    assert isinstance(spot().offer(TOOL).decision, Hold)
    vendor.publish(OTHER, "1.0", platform="linux-x86_64")
    assert isinstance(spot().offer(TOOL).decision, Hold)


def test_a_release_that_is_not_there_any_more_says_nothing(spot: Callable[[], Spot], vendor: Vendor) -> None:
    vendor.publish(TWO, "2.0")
    spot().offer(TOOL)
    vendor._replace(TOOL, releases=vendor.indexes[TOOL].releases[1:])
    assert isinstance(spot().offer(TOOL).decision, Upgrade)


def test_one_component_that_is_refused_does_not_stop_another(spot: Callable[[], Spot], vendor: Vendor) -> None:
    vendor.publish({"x": b"1"}, "1.0", "sdk/other")
    publish_again(vendor, "1.0")
    assert refused(spot) == "changed-release"
    run = spot()
    assert run.go(run.offer("sdk/other"))


# The role `halts`


def test_a_list_of_halts_of_another_product_is_not_trusted(spot: Callable[[], Spot], vendor: Vendor) -> None:
    vendor.put_halts("sdk", halts.encode(Halts(product="other"), level=1))
    assert refused(spot) == "other-halts"


def test_a_list_of_halts_that_is_garbage_is_not_trusted(spot: Callable[[], Spot], vendor: Vendor) -> None:
    vendor.put_halts("sdk", b"garbage")
    assert refused(spot) == "bad-frame"


def test_a_list_of_halts_that_is_too_long_is_not_fetched(
    spot: Callable[[], Spot], here: Installation, vendor: Vendor
) -> None:
    vendor.put_halts("sdk", bytes(halts.MAX_PACKED_BYTES + 1))
    assert refused(spot) == "bad-metadata"
    assert not any("/halts/" in path for path in here.line.asked)


def test_a_list_of_halts_for_a_newer_spot_stops_this_one(spot: Callable[[], Spot], vendor: Vendor) -> None:
    raw = halts.encode(Halts(product="sdk", min_spot="9.0"), level=1)
    vendor.put_halts("sdk", raw)
    with pytest.raises(RefusedLocally) as failed:
        spot().offer(TOOL)
    assert failed.value.reason == "too-new"


def test_halts_of_another_product_are_of_no_concern(spot: Callable[[], Spot], vendor: Vendor) -> None:
    vendor.publish(TWO, "2.0")
    line = Halt("tool", "2.0", "any", MOMENT, "it burns")
    vendor.put_halts("other", halts.encode(Halts(product="other", halts=(line,)), level=1))
    assert isinstance(spot().offer(TOOL).decision, Upgrade)


@pytest.mark.parametrize("path", [index.target_path("sdk", "tool"), index.target_path("sdk", "new"), "halts/x/y.json"])
def test_the_role_halts_offers_nothing_whatever_it_lists(
    spot: Callable[[], Spot], here: Installation, vendor: Vendor, path: str
) -> None:
    """Whoever has its key puts up an index of a release of his own."""
    evil = make(OTHER, component=TOOL, version="9.0")
    line = msgspec.structs.replace(vendor.indexes[TOOL].releases[0], version="9.0", manifest=evil.seal)
    packed = index.encode(msgspec.structs.replace(vendor.indexes[TOOL], releases=(line,)), level=1)
    vendor.halt("7.0")
    vendor._put("halts", path, packed)
    assert isinstance(spot().offer(TOOL).decision, Hold)
    for component in (TOOL, "sdk/new"):
        with pytest.raises((NotLicensed, RefusedLocally)) as failed:
            spot().go(spot().offer(component, "9.0"))
        assert failed.value.reason == ("no-such-version" if component == TOOL else "not-licensed")
    assert here.in_use() == ONE
    assert here.versions() == {TOOL: "1.0"}
