"""Notes on what a publisher may have overlooked; each only where there is something to note."""

import struct
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mirror.publishing import hints, kinds, native, pack
from mirror.publishing import publish as publishing
from mirror.publishing.order import Order
from spot_client.wire.index import Index, Release, Severity
from spot_client.wire.sealed import Seal
from tests.mirror.publishing.rig import Mirror, folder_of, opened, order

ELF = b"\x7fELF\2\1\1" + bytes(60)
PE = b"MZ" + bytes(58) + struct.pack("<I", 128) + bytes(64) + b"PE\0\0" + bytes(20)


def nothing(product: str, component: str) -> Index:
    return Index(product=product, component=component)


def said(wanted: Order, source: Path, known: Callable[[str, str], Index] = nothing) -> list[str]:
    with opened(source, opaque=wanted.opaque) as found:
        return [*hints.hints(wanted, source.name, pack.lay_out(found, lambda *_: None), known)]


@pytest.mark.parametrize(
    "head",
    [
        ELF,
        PE,
        b"\xcf\xfa\xed\xfe" + bytes(28),
        b"\xfe\xed\xfa\xce" + bytes(28),
        b"\xca\xfe\xba\xbe\0\0\0\2" + bytes(40),
    ],
)
def test_machine_code_for_any_platform_is_noted(tmp_path: Path, head: bytes) -> None:
    top = folder_of(tmp_path / "top", {"lib/x": head, "readme": b"text"})
    (note,) = said(order(), top)
    assert "'lib/x' is machine code" in note
    assert said(msgspec.structs.replace(order(), platform="linux-x86_64"), top) == []
    folder_of(top, {"lib/y": head, "lib/z": head})
    assert "'lib/x' and 2 more are machine code" in said(order(), top)[0]


@pytest.mark.parametrize(
    "head",
    [b"", b"MZ", b"MZ is how this text begins", b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(40), PE[:100], b"#!/bin/sh"],
)
def test_what_only_looks_a_little_like_it_is_not(head: bytes) -> None:
    assert not native.is_native(head)


@pytest.mark.parametrize(
    ("name", "noted"),
    [
        ("x-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", True),
        ("x-1.0-cp311-cp311-win_amd64.whl", True),
        ("x-1.0-py3-none-any.whl", False),
        ("wheel.whl", False),
    ],
)
def test_a_wheel_of_one_platform_for_any_is_noted(tmp_path: Path, name: str, noted: bool) -> None:
    (tmp_path / name).write_bytes(b"taken as it is")
    wanted = msgspec.structs.replace(order(), opaque=True)
    notes = said(wanted, tmp_path / name)
    assert [name in note for note in notes] == [True] * noted


def test_a_prerelease_in_stable_is_noted(tmp_path: Path) -> None:
    top = folder_of(tmp_path / "top", {"a": b"1"})
    assert "pre-release" in said(order("2.0rc1"), top)[0]
    assert said(order("2.0rc1", channels=("beta",)), top) == []
    assert said(order("2.0.post1"), top) == []


def test_a_requirement_that_is_not_published_is_noted(tmp_path: Path) -> None:
    top = folder_of(tmp_path / "top", {"a": b"1"})
    wanted = msgspec.structs.replace(order(), requires={"sdk/other": ">=1"})
    assert "sdk/other" in said(wanted, top)[0]
    line = Release("1.0", "any", ("stable",), Seal("0" * 64, 1), Severity.BUG, "2026-01-01T00:00:00Z")
    known = Index(product="sdk", component="other", releases=(line,))
    assert said(wanted, top, lambda *_: known) == []


def test_an_archive_that_is_not_read_is_noted_unless_it_was_meant(tmp_path: Path) -> None:
    (tmp_path / "x.7z").write_bytes(b"7z")
    assert "one file" in said(order(), tmp_path / "x.7z")[0]
    assert said(msgspec.structs.replace(order(), opaque=True), tmp_path / "x.7z") == []
    (tmp_path / "installer.bin").write_bytes(b"bin")
    assert said(order(), tmp_path / "installer.bin") == []


def test_a_folder_of_state_that_is_not_state_as_a_whole_is_noted(tmp_path: Path) -> None:
    top = folder_of(tmp_path / "top", {"var/db/a": b"1", "var/log/x": b"1", "bin/tool": b"2"})

    def noted(*state: str) -> list[str]:
        wanted = msgspec.structs.replace(order(), state=state)
        with opened(top) as found:
            layout = pack.lay_out(kinds.assign(found, (), wanted.state), lambda *_: None)
        return [*hints.hints(wanted, top.name, layout, nothing)]

    assert noted("var/") == noted("var/*") == noted("var/log/x") == []
    (top / "var/latest").symlink_to("db/a")
    assert noted("var/") == []
    (top / "var/README").write_bytes(b"3")
    assert noted("var/", "!README") == [
        "What the product adds in 'var/' will not outlive an update, because of 'var/README'."
    ]
    assert noted("var/*", "!README") == noted("var/", "!var/") == noted("var/README") == []
    (top / "var/db/tool").symlink_to("../../bin/tool")
    assert ["'var/db/tool'" in note for note in noted("var")] == [True]
    assert ["'var/db/'" in note for note in noted("var/*", "!README")] == [True]


def test_a_change_of_kind_since_the_last_release_is_noted(mirror: Mirror, source: Path) -> None:
    means = mirror.means()

    def publish(version: str, *config: str, platform: str = "any") -> list[str]:
        wanted = msgspec.structs.replace(order(version), config=config, platform=platform)
        return [note for note in publishing.publish(means, wanted, source).notes if "kind" in note]

    assert publish("1.0", "empty") == []
    assert publish("1.1", "empty") == []
    assert publish("1.2", platform="linux-arm64") == []  # another line
    (note,) = publish("1.3")
    assert note == "'empty' is of kind file, and was config in 1.1: is that meant?"
    (note,) = publish("1.4", "empty", "lib/*")
    assert note == "'empty' is of kind config, and was file in 1.3, and 1 more changed: is that meant?"
    (mirror.data / "releases/sdk/tool/1.4/any/manifest").write_bytes(b"damaged")
    assert publish("1.5") == []
