"""The commands `halt`, `resume`, `halts`, `withdraw` and `baseline`: changes that need no source."""

import json
from collections.abc import Iterable

import pytest

from mirror import catalogue
from mirror.catalogue import Catalogue
from tests.mirror.cli.shell import Shell
from tests.mirror.cli.vendor import approve, person


@pytest.fixture
def released(vendor: Shell) -> Shell:
    """sdk/tool 1.0 and 1.1 on offer."""
    for version in ("1.0", "1.1"):
        vendor.done("publish", "sdk/tool", version, "source", *person(vendor, "alice"))
    approve(vendor, "bob")
    seen(vendor)
    return vendor


def seen(shell: Shell) -> Catalogue:
    """What clients see after the timer's turn."""
    shell.done("catalogue-timer", "--once")
    return catalogue.load(shell.folder / "data/catalogue")


def halted(loaded: Catalogue) -> list[tuple[str, str]]:
    return [(one.version, one.reason) for line in loaded.halts.values() for one in line.halts]


def test_one_person_halts_and_another_resumes(released: Shell) -> None:
    said = released.done("halt", "sdk/tool", "1.1", "--reason", "it breaks", *person(released, "carol")).out
    assert said.startswith("sdk/tool 1.1 is halted, at the timer's next turn.")
    assert halted(seen(released)) == [("1.1", "it breaks")]
    (line,) = json.loads(released.done("halts", "--json").out)
    assert {**line, "since": ""} == {
        "component": "sdk/tool",
        "version": "1.1",
        "platform": "any",
        "since": "",
        "reason": "it breaks",
    }
    assert "it breaks" in released.done("halts").out
    released.done("resume", "sdk/tool", "1.1", *person(released, "alice"))
    assert halted(seen(released)) == []
    assert released.done("halts").out == "Nothing is halted.\n"


def test_a_halt_is_for_people_who_sign_for_it(released: Shell) -> None:
    result = released("halt", "sdk/tool", "1.1", "--reason", "why", *person(released, "root-1"))
    assert result.code == 8
    assert halted(seen(released)) == []


def test_two_withdraw_and_it_stays_withdrawn(released: Shell) -> None:
    said = released.done("withdraw", "sdk/tool", "1.1", "--reason", "it breaks", *person(released, "alice")).out
    assert "is withdrawn, once that is signed:" in said
    assert "sdk waits for 1 more signature, of bob, carol" in said
    assert seen(released).indexes["sdk", "tool"].tombstones == ()
    assert "withdrawn" in approve(released, "bob").out
    loaded = seen(released)
    assert [one.version for one in loaded.indexes["sdk", "tool"].tombstones] == ["1.1"]
    assert [one.version for one in loaded.indexes["sdk", "tool"].releases] == ["1.0"]
    result = released("publish", "sdk/tool", "1.1", "source", *person(released, "alice"))
    assert result.code == 3
    assert "withdrawn" in result.err


def test_the_document_for_programs_says_whether_it_is_visible(released: Shell) -> None:
    words = ("sdk/tool", "1.1", "--reason", "why", "--json")
    found = json.loads(released.done("halt", *words, *person(released, "bob")).out)
    assert (found["signed"], found["visible"], found["catalogue_version"]) == (["halts"], False, None)
    assert [line["missing"] for line in found["waits"]] == [0]
    found = json.loads(released.done("withdraw", *words, *person(released, "bob")).out)
    assert {line["role"]: line["missing"] for line in found["waits"]} == {"sdk": 1, "halts": 0}


def test_a_baseline_is_signed_by_two_and_listed(released: Shell) -> None:
    words = ("baseline", "publish", "sdk", "2026.1", "tool=1.0", "--notes", "tested")
    released.done(*words, *person(released, "alice"))
    approve(released, "carol")
    (found,) = seen(released).baselines["sdk"].baselines
    assert (found.name, found.components, found.notes) == ("2026.1", {"tool": "1.0"}, "tested")
    (line,) = json.loads(released.done("baseline", "list", "sdk", "--json").out)
    assert line["components"] == {"tool": "1.0"}
    assert "  tool 1.0" in released.done("baseline", "list", "sdk").out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("halt", "sdk/tool", "9.9", "--reason", "why"), 3, "is not published"),
        (("halt", "sdk/tool", "1.1", "--reason", " "), 3, "--reason"),
        (("halt", "sdk/tool", "1.1"), 2, "--reason"),
        (("halt", "sdk/tool", "1.1", "--platform", "linux-x86_64", "--reason", "why"), 3, ""),
        (("resume", "sdk/tool", "1.1"), 3, "not halted"),
        (("withdraw", "sdk/tool", "9.9", "--reason", "why"), 3, "is not published"),
        (("withdraw", "sdktool", "1.0", "--reason", "why"), 3, "PRODUCT/COMPONENT"),
        (("baseline", "publish", "sdk", "2026.1", "tool"), 2, "COMPONENT=VERSION"),
        (("baseline", "publish", "sdk", "2026.1", "tool=1.0", "tool=1.1"), 2, "once"),
        (("baseline", "publish", "sdk", "2026.1", "tool=9.9"), 3, "9.9"),
        (("baseline", "list", "a/b"), 3, ""),
    ],
)
def test_what_cannot_be_is_refused_with_the_next_step(
    released: Shell, words: Iterable[str], code: int, told: str
) -> None:
    before = released.done("staged", "--json").out
    more = () if "list" in words else person(released, "alice")
    result = released(*words, *more)
    assert result.code == code, result.err
    assert told in result.err
    assert released.done("staged", "--json").out == before


def test_what_is_halted_already_is_said_so(released: Shell) -> None:
    words = ("halt", "sdk/tool", "1.1", "--reason", "why")
    released.done(*words, *person(released, "alice"))
    assert released(*words, *person(released, "alice")).code == 3
