"""A manifest is what was signed for that very release; blocks come from its pack, and are resumed."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from spot_client.errors import NotReachable, NotTrusted, RefusedLocally
from spot_client.fetch.cache import Cache
from spot_client.fetch.releases import Releases, release_route
from spot_client.wire import sealed
from spot_client.wire.manifest import Manifest
from spot_client.wire.pack import decode_block, spans
from spot_client.wire.routes import Kind
from spot_client.wire.sealed import Seal
from tests.spot_client.vendor import Line, Made, Vendor

PATH = release_route(Kind.MANIFEST, "sdk/tool", "1.0", "any")


@pytest.fixture
def releases(line: Line, tmp_path: Path) -> Releases:
    return Releases(line, Cache(tmp_path / "cache"), tmp_path / "manifests")


@pytest.fixture
def made(vendor: Vendor) -> Made:
    return vendor.publish({"a": bytes(range(200)), "b": bytes(range(100))}, "1.0")


def get(releases: Releases, seal: Seal, version: str = "1.0", component: str = "sdk/tool") -> Manifest:
    return releases.manifest(component, version, "any", seal)


def test_a_manifest_is_fetched_once_and_verified_whenever_it_is_read(
    releases: Releases, made: Made, line: Line, tmp_path: Path
) -> None:
    assert get(releases, made.seal) == made.manifest
    assert get(releases, made.seal) == releases.kept_manifest(made.seal) == made.manifest
    assert line.asked == [PATH]
    kept = tmp_path / "manifests" / made.seal.head
    kept.write_bytes(made.sealed[:-1] + b"x")
    os.utime(kept, ns=(1, 1))  # as any later moment, however coarse the disk's clock is
    assert releases.kept_manifest(made.seal) is None
    assert get(releases, made.seal) == made.manifest
    assert line.asked == [PATH, PATH]


@pytest.mark.parametrize("change", [lambda raw: raw[:-1], lambda raw: raw[:-1] + b"x", lambda raw: b"x" + raw[1:]])
def test_a_manifest_that_is_not_what_was_signed_is_not_trusted_and_not_kept(
    releases: Releases, made: Made, vendor: Vendor, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    vendor.files[PATH] = change(made.sealed)
    with pytest.raises(NotTrusted) as failed:
        get(releases, made.seal)
    assert failed.value.reason in {"wrong-length", "wrong-digest"}
    assert not (tmp_path / "manifests").exists()


def test_a_manifest_longer_than_was_signed_is_not_read(releases: Releases, made: Made, vendor: Vendor) -> None:
    vendor.files[PATH] = made.sealed + b"x"
    with pytest.raises(NotReachable):
        get(releases, made.seal)


def test_a_manifest_of_another_release_is_not_trusted_also_when_it_is_kept(
    releases: Releases, made: Made, vendor: Vendor
) -> None:
    vendor.files[PATH.replace("1.0", "2.0")] = made.sealed
    vendor.files[PATH.replace("tool", "other")] = made.sealed
    for _ in range(2):
        for version, component in (("2.0", "sdk/tool"), ("1.0", "sdk/other")):
            with pytest.raises(NotTrusted) as failed:
                get(releases, made.seal, version, component)
            assert failed.value.reason == "other-release"
    assert get(releases, made.seal) == made.manifest


def test_a_manifest_of_a_later_format_asks_for_a_newer_spot(releases: Releases, made: Made, vendor: Vendor) -> None:
    later = msgspec.structs.replace(made.manifest, format=2, min_spot="9.0")
    vendor.files[PATH], seal = sealed.seal(msgspec.json.encode(later, order="sorted"), level=1)
    with pytest.raises(RefusedLocally) as failed:
        get(releases, seal)
    assert failed.value.reason == "too-new"


def test_a_signed_manifest_that_breaks_a_rule_is_not_trusted(releases: Releases, made: Made, vendor: Vendor) -> None:
    outside = tuple(msgspec.structs.replace(entry, path=f"../{entry.path}") for entry in made.manifest.entries)
    bad = msgspec.structs.replace(made.manifest, entries=outside)
    vendor.files[PATH], seal = sealed.seal(msgspec.json.encode(bad, order="sorted"), level=1)
    with pytest.raises(NotTrusted) as failed:
        get(releases, seal)
    assert failed.value.reason == "bad-manifest"


def test_manifests_that_are_not_wanted_are_forgotten(releases: Releases, made: Made, vendor: Vendor) -> None:
    other = vendor.publish({"c": b"c"}, "1.1")
    get(releases, made.seal)
    get(releases, other.seal, "1.1")
    releases.forget_manifests(frozenset({other.seal.head}))
    assert releases.kept_manifest(made.seal) is None
    assert releases.kept_manifest(other.seal) == other.manifest


def test_each_block_comes_from_its_place_in_the_pack(releases: Releases, made: Made) -> None:
    told: list[int] = []
    content = b""
    for span in spans(made.manifest):
        content += decode_block(releases.block(made.manifest, span, told.append), span.block)
    assert content == bytes(range(200)) + bytes(range(100))
    assert sum(told) == len(made.pack)


def test_a_block_that_broke_off_goes_on_where_it_stopped(releases: Releases, made: Made, line: Line) -> None:
    span = spans(made.manifest)[-1]
    line.breaks_after = 14
    with pytest.raises(NotReachable):
        releases.block(made.manifest, span, lambda _: None)
    line.breaks_after, line.fetched = None, 0
    packed = releases.block(made.manifest, span, lambda _: None)
    assert decode_block(packed, span.block) == bytes(range(100))[-span.block.size :]
    assert line.fetched == span.block.length - 14


def test_what_a_release_is_called_on_the_mirror() -> None:
    assert PATH == "/releases/sdk/tool/1.0/any/manifest"
    assert release_route(Kind.PACK, "sdk/tool", "1!2.0+x", "linux-x86_64").endswith("/1!2.0+x/linux-x86_64/pack")
