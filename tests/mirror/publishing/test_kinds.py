"""Patterns say which files are config and which are state; a slip is noticed."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import SourceError
from mirror.publishing import kinds, tree
from mirror.publishing.limits import Limits
from mirror.publishing.tree import SourceEntry, SourceFile, SourceFolder, SourceLink
from spot_client.wire.manifest import Kind

PATHS = [
    "app.ini",
    "bin/tool",
    "etc/app.ini",
    "etc/d/app.ini",
    "etc/default.ini",
    "var/a.db",
    "var/log/x",
    "#odd",
    "[x]",
]


def assigned(config: list[str], state: list[str]) -> dict[str, set[str]]:
    """Files by kind; plain ones are left out."""
    entries: list[SourceEntry] = [SourceFile(path, False, 0, lambda: iter(())) for path in PATHS]
    found = kinds.assign(tree.build([*entries, SourceLink("link.ini", "app.ini")], Limits()), config, state)
    named: dict[str, set[str]] = {}
    for file in found.files:
        if file.kind is not Kind.FILE:
            named.setdefault(file.kind.value, set()).add(file.path)
    assert len(found.files) == len(PATHS)
    return named


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], None),
        (["*.ini"], {"app.ini", "etc/app.ini", "etc/d/app.ini", "etc/default.ini"}),
        (["app.ini"], {"app.ini", "etc/app.ini", "etc/d/app.ini"}),
        (["/app.ini"], {"app.ini"}),
        (["etc/*.ini"], {"etc/app.ini", "etc/default.ini"}),
        (["etc/**/app.ini"], {"etc/app.ini", "etc/d/app.ini"}),
        (["etc/"], {"etc/app.ini", "etc/d/app.ini", "etc/default.ini"}),
        (["etc/?pp.ini"], {"etc/app.ini"}),
        (["var/[ab].db"], {"var/a.db"}),
        (["etc/", "!default.ini"], {"etc/app.ini", "etc/d/app.ini"}),
        (["/app.ini", "bin/*"], {"app.ini", "bin/tool"}),
        (["*e*/*d*"], {"etc/d/app.ini", "etc/default.ini"}),
        (["**/*t*.*n*"], {"etc/default.ini"}),
        (["etc/", "!etc/*.ini", "etc/app.ini"], {"etc/d/app.ini", "etc/app.ini"}),
        ([r"\#odd"], {"#odd"}),
        ([r"\[x\]"], {"[x]"}),
    ],
)
def test_patterns_are_those_of_gitignore(patterns: list[str], expected: set[str] | None) -> None:
    assert assigned(patterns, []) == ({"config": expected} if expected else {})
    assert assigned([], patterns) == ({"state": expected} if expected else {})


def test_both_kinds_stand_side_by_side() -> None:
    assert assigned(["/etc/app.ini"], ["var/"]) == {"config": {"etc/app.ini"}, "state": {"var/a.db", "var/log/x"}}


@pytest.mark.parametrize(
    ("config", "state", "reason"),
    [
        (["*.cfg"], [], "no-match"),
        (["*.ini", "*.cfg"], [], "no-match"),
        (["*.ini", "!*.cfg"], [], "no-match"),
        (["!etc/*.ini"], [], "no-match"),
        (["/app.ini", "!etc/*.ini"], [], "no-match"),
        (["!etc/*.ini", "etc/*.ini"], [], "no-match"),
        (["*.ini", "!etc/*.ini", "!etc/app.ini"], [], "no-match"),
        (["*a" * 25], [], "bad-pattern"),
        (["*.ini", "!" + "*a" * 5], [], "bad-pattern"),
        ([], ["*a*/*a*/*a*"], "bad-pattern"),
        (["a**a**a"], [], "no-match"),
        (["**/a" * 4], [], "bad-pattern"),
        (["link.ini"], [], "no-match"),
        (["/etc"], ["etc/d"], "two-kinds"),
        (["*"], ["var/a.db"], "two-kinds"),
        ([""], [], "bad-pattern"),
        (["# a comment"], [], "bad-pattern"),
        ([], ["   "], "bad-pattern"),
        (["!"], [], "bad-pattern"),
        (["/"], [], "bad-pattern"),
        (["a\0b"], [], "no-match"),
        (["\\"], [], "bad-pattern"),
        (["../etc"], [], "no-match"),
        (["\udcff"], [], "no-match"),
    ],
)
def test_a_slip_is_refused_by_name(config: list[str], state: list[str], reason: str) -> None:
    with pytest.raises(SourceError) as error:
        assigned(config, state)
    assert error.value.reason == reason
    str(error.value).encode()


@pytest.mark.parametrize("pattern", ["*a*a*a*b", "*a*b/*a*b", "**/a/**/a/**/b"])
@pytest.mark.slow
def test_as_many_stars_as_are_allowed_are_done_with_in_seconds_on_the_worst_paths(pattern: str) -> None:
    paths = ["a" * 150, "/".join(["b" + "a" * 149] * 4), "c/" + "a/" * 300 + "a"]
    found = tree.build([SourceFile(path, False, 0, lambda: iter(())) for path in paths], Limits())
    began = time.monotonic()
    with pytest.raises(SourceError):
        kinds.assign(found, [pattern], [])
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("pattern", ["empty/", "empty", "e*y", "!empty"])
def test_a_folder_without_files_is_told_to_need_one(pattern: str) -> None:
    found = tree.build([SourceFile("a", False, 0, lambda: iter(())), SourceFolder("empty")], Limits())
    with pytest.raises(SourceError) as error:
        kinds.assign(found, [], ["a", pattern])
    assert error.value.reason == "no-match"
    assert ("needs a file in it" in str(error.value)) is not pattern.startswith("!")


PATTERNS = st.lists(st.text(alphabet="abeinptv*?[]!/\\.# d-", max_size=8) | st.sampled_from(PATHS), max_size=4)


@given(config=PATTERNS, state=PATTERNS)
def test_whatever_the_patterns_are_each_file_has_one_kind_or_they_are_refused_by_name(
    config: list[str], state: list[str]
) -> None:
    refusal, named = None, {}
    try:
        named = assigned(config, state)
    except SourceError as error:
        refusal = error.reason
    assert refusal in {None, "bad-pattern", "no-match", "two-kinds"}
    assert not named.get("config", set()) & named.get("state", set())
    assert {path for paths in named.values() for path in paths} <= set(PATHS)
