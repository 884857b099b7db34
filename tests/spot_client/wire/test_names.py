"""What may be called what, and that no link ever leads out of a release."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from spot_client.wire import names
from spot_client.wire.errors import BadName
from spot_client.wire.manifest import Directory, Symlink
from tests.spot_client.wire.strategies import trees, versions

hostile = st.text(st.sampled_from("ab./\\\0\n ü\u0301\ud800~%"), max_size=12) | st.text(max_size=12)


def reason(check: Callable[..., object], *given_names: str) -> str:
    with pytest.raises(BadName) as error:
        check(*given_names)
    str(error.value).encode()
    return error.value.reason


@given(trees())
def test_no_link_that_is_allowed_ever_leads_out_of_the_tree(tree: list[Directory | Symlink]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.path.realpath(folder)) / "outside" / "release"
        root.mkdir(parents=True)
        for entry in tree:
            if isinstance(entry, Directory):
                (root / entry.path).mkdir()
            else:
                (root / entry.path).symlink_to(entry.target)
        for entry in tree:
            reached = Path(os.path.realpath(root / entry.path))
            assert reached.is_relative_to(root), (entry, tree)


def test_links_inside_the_release_are_allowed() -> None:
    for path, target in [("a", "b"), ("a", "b/c"), ("d/a", ".."), ("d/e/a", "../../x"), ("d/a", "../d/a"), ("a", "a")]:
        assert names.check_link(path, target) == target


def test_a_link_may_not_climb_out_through_another_link() -> None:
    """`deep` → `d/e`, and `d/../..` is inside as text: but as the system reads it, it leaves through `deep`."""
    assert reason(names.check_link, "d/out", "../deep/../..") == "bad-link"
    assert reason(names.check_link, "out", "deep/..") == "bad-link"


@pytest.mark.parametrize("target", ["../", "b/", "", ".", "..", "/", "//", "/b", "./b", "b//c", "b/./c"])
def test_a_target_has_one_spelling_and_stays_below_the_top(target: str) -> None:
    assert reason(names.check_link, "a", target) == "bad-link"


@given(hostile)
def test_a_path_that_is_allowed_is_a_plain_way_down(path: str) -> None:
    try:
        names.check_path(path)
    except BadName:
        return
    assert os.path.normpath(path) == path
    assert not path.startswith(("/", "../"))
    assert path not in {".", ".."}
    assert path.isprintable() or not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in path)


def test_a_path_has_at_most_1024_bytes_and_a_segment_255() -> None:
    assert names.check_path("x" * 255)
    assert names.check_path("ü" * 127)
    assert reason(names.check_path, "x" * 256) == "bad-path"
    assert reason(names.check_path, "ü" * 128) == "bad-path"
    longest = "/".join(["x" * 204] * 5)
    assert len(longest) == names.MAX_PATH_BYTES
    assert names.check_path(longest)
    assert reason(names.check_path, f"{longest}x") == "bad-path"


@given(versions())
def test_a_version_has_one_spelling(text: str) -> None:
    assert names.check_version(text) == Version(text)
    for other in (f"v{text}", f" {text}", f"{text}\n", text.replace("rc", "-rc"), text.replace(".post", "-r")):
        if other != text:
            assert reason(names.check_version, other) == "bad-version"


@given(hostile | st.text(st.sampled_from("01.ab-rc!+v"), max_size=8))
def test_what_is_allowed_as_a_version_is_safe_in_a_path_and_in_a_url(text: str) -> None:
    try:
        names.check_version(text)
    except BadName:
        return
    assert set(text) <= set("0123456789abcdefghijklmnopqrstuvwxyz.!+")
    assert text.strip(".") == text


def test_versions_have_64_characters_at_most() -> None:
    assert names.check_version("1" * 64) == Version("1" * 64)
    assert reason(names.check_version, "1" * 65) == "bad-version"


@pytest.mark.parametrize("name", sorted(names.RESERVED_PRODUCTS))
def test_roles_of_the_catalogue_and_our_own_products_are_no_vendors_names(name: str) -> None:
    assert reason(names.check_product, name) == "reserved-name"
    assert reason(names.split_component, f"{name}/x") == "reserved-name"
    assert names.split_component(f"x/{name}") == ("x", name)


def test_the_roles_that_tuf_itself_has_are_reserved() -> None:
    assert {"root", "targets", "snapshot", "timestamp", "house"} <= names.RESERVED_PRODUCTS


@pytest.mark.parametrize("name", ["", "-a", "A", "a" * 64, "a_b", "a.b", "a b", "ä", "a\n", "a/b", "..", "*", "٣"])
def test_an_id_is_short_lower_case_and_plain(name: str) -> None:
    assert reason(names.check_id, "product", name) == "bad-name"
    assert reason(names.check_product, name) == "bad-name"


@pytest.mark.parametrize("ref", ["", "sdk", "/", "sdk/", "/core", "sdk/core/x", "sdk//core"])
def test_a_component_is_named_with_its_product(ref: str) -> None:
    assert reason(names.split_component, ref) == "bad-name"


def test_a_platform_is_any_or_a_system_and_an_architecture() -> None:
    for name in ("any", "linux-x86_64", "macos-arm64", "windows-x86"):
        assert names.check_platform(name) == name
    for name in ("", "linux", "linux-", "any-x86_64", "Linux-x86_64", "linux-x86_64\n", "linux-x86_64-musl"):
        assert reason(names.check_platform, name) == "bad-platform"
