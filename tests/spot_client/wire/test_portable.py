"""A tree is the same wherever it is laid: no two names in one, none that a system cannot hold, no links in a ring."""

import errno
import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_client.wire import names, portable
from spot_client.wire.errors import BadName
from spot_client.wire.manifest import Directory, Symlink
from tests.spot_client.wire.strategies import trees

LINUX, MAC, WINDOWS, ANY = "linux-x86_64", "macos-arm64", "windows-x86_64", "any"


def reason(paths: list[str], platform: str, links: dict[str, str] | None = None) -> str:
    """The reason of the refusal, or nothing."""
    try:
        portable.check(paths, links or {}, platform)
    except BadName as error:
        str(error).encode()
        return error.reason
    return ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("README", "readme"),
        ("d/A", "d/a"),
        ("D", "d"),
        ("straße", "STRASSE"),
        ("Ä", "ä"),
        ("ﬁ", "fi"),
        ("Σ", "ς"),
        ("\u1fb3", "\u03b1\u03b9"),
        ("\u2126", "\u03c9"),
    ],
)
def test_two_names_that_are_one_without_case_are_refused_except_on_linux(one: str, other: str) -> None:
    one, other = (unicodedata.normalize("NFC", name) for name in (one, other))
    expected = "case-clash" if one != other else ""
    for platform in (ANY, MAC, WINDOWS):
        assert reason([one, other], platform) == expected
        assert reason([other, one], platform) == expected
    assert reason([one, other], LINUX) == ""


def test_names_that_only_resemble_each_other_are_two() -> None:
    assert reason(["e", "é", "a", "a1", "d/a", "d-a"], ANY) == ""


@given(st.text(max_size=6), st.text(max_size=6))
def test_caseless_is_an_equivalence_that_case_and_normal_forms_keep(one: str, other: str) -> None:
    form = portable.caseless(one)
    assert portable.caseless(form) == form
    for variant in (one.casefold(), unicodedata.normalize("NFC", one), unicodedata.normalize("NFD", one)):
        assert portable.caseless(variant) == form
    if one.lower() == other.lower():
        assert form == portable.caseless(other)


DEVICES = [
    "CON",
    "con",
    "PRN.txt",
    "aux",
    "NUL",
    "nul.tar.gz",
    "COM1",
    "com9.x",
    "LPT¹",
    "COM³.y",
    "com0",
    "conin$",
    "aux .c",
]
NOT_ON_WINDOWS = ["a:b", "File::Find.3pm", "a<b", "a>b", 'a"b', "a|b", "a?", "a*", "name.", "name ", "d/...", "d/ "]


@pytest.mark.parametrize("name", [*DEVICES, *(f"d/{name}" for name in DEVICES), *NOT_ON_WINDOWS])
def test_what_windows_cannot_hold_is_refused_for_windows_and_any(name: str) -> None:
    assert reason([name], WINDOWS) == reason([name], ANY) == "not-portable"
    assert reason([name], LINUX) == reason([name], MAC) == ""


@pytest.mark.parametrize(
    "name", ["console", "com", "com10", "xcon", "con-1", "nul_", "a.con", " a", ".a", "a b", "lpt"]
)
def test_names_that_only_begin_like_a_device_are_names(name: str) -> None:
    assert reason([name], ANY) == ""


@pytest.mark.parametrize("name", ["a.spot-new", "d/a.SPOT-NEW", ".spot-new"])
def test_the_name_of_a_new_config_file_is_reserved_everywhere(name: str) -> None:
    for platform in (ANY, LINUX, MAC, WINDOWS):
        assert reason([name], platform) == "reserved-name"
    assert reason(["a.spot-new.txt", "spot-new"], ANY) == ""


@pytest.mark.parametrize(
    "links",
    [
        {"a": "a"},
        {"a": "b", "b": "a"},
        {"a": "b", "b": "c", "c": "a"},
        {"d/a": "../d/a"},
        {"a": "d/x", "d/x": "../a"},
        {"a": "a/b"},
        {"top": "d/up/top", "d/up": ".."},
        {"l/a": "../m/b", "m": "l", "l/b": "a"},
    ],
)
def test_links_in_a_ring_are_refused(links: dict[str, str]) -> None:
    for platform in (ANY, LINUX):
        assert reason([*links], platform, links) == "link-loop"
        assert reason([*links], platform, dict(reversed(links.items()))) == "link-loop"


@pytest.mark.parametrize(
    "links",
    [
        {"a": "b"},
        {"a": "b", "b": "c"},
        {"d/up": "..", "x": "d/up/d/up"},
        {"a": "nowhere/at/all"},
        {"a": "b/x", "b": "d"},
    ],
)
def test_links_that_end_somewhere_or_nowhere_are_allowed(links: dict[str, str]) -> None:
    assert reason([*links], ANY, links) == ""


def chain(length: int) -> dict[str, str]:
    return {f"l{number}": f"l{number + 1}" for number in range(length)}


def test_a_chain_has_as_many_links_as_linux_follows() -> None:
    for order in (1, -1):
        assert reason([], ANY, dict([*chain(40).items()][::order])) == ""
        assert reason([], ANY, dict([*chain(41).items()][::order])) == "link-loop"


def test_targets_that_grow_with_each_link_cost_no_memory() -> None:
    """Each leads through the next and on: what they lead to doubles in length with each."""
    links = {f"l{number}": "/".join([f"l{number + 1}/{'x' * 200}"] * 2) for number in range(30)}
    assert reason([], ANY, links) in {"", "link-loop"}


@given(trees())
def test_a_tree_without_rings_has_no_ring_for_the_system_either(tree: list[Directory | Symlink]) -> None:
    links = {entry.path: entry.target for entry in tree if isinstance(entry, Symlink)}
    refused = reason([], LINUX, links) == "link-loop"
    with TemporaryDirectory() as folder:
        for entry in tree:
            if isinstance(entry, Directory):
                (Path(folder) / entry.path).mkdir()
            else:
                (Path(folder) / entry.path).symlink_to(entry.target)
        looped = False
        for path in links:
            try:
                (Path(folder) / path).stat()
            except OSError as error:
                looped = looped or error.errno == errno.ELOOP
    assert refused or not looped


@pytest.mark.parametrize("char", ["\u202e", "\u200b", "\u00ad", "\ufeff", "\u2066", "\u2028", "\u2029", "\U000e0041"])
def test_what_nobody_sees_stands_in_no_path(char: str) -> None:
    for check in (names.check_path, lambda target: names.check_link("l", target)):
        with pytest.raises(BadName) as error:
            check(f"gpj.{char}exe")
        assert error.value.reason in {"bad-path", "bad-link"}
        assert char not in str(error.value)
