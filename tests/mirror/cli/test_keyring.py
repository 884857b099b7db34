"""The commands `keys ...`: made where they are used, known by their public halves, replaced when lost or stolen."""

import json

import pytest

from mirror import catalogue
from tests.mirror.cli.shell import Shell
from tests.mirror.cli.vendor import PEOPLE, ROOT, approve, carry, make_keys, person


def holders(shell: Shell) -> dict[str, tuple[int, list[str]]]:
    """Who signs for each role, as `keys list` tells."""
    found = json.loads(shell.done("keys", "list", "--json").out)["roles"]
    return {one["role"]: (one["threshold"], sorted(one["keys"])) for one in found}


def turn(shell: Shell) -> None:
    shell.done("catalogue-timer", "--once")


def test_a_key_is_made_where_it_is_used_and_its_public_half_is_one_line(shell: Shell) -> None:
    said = shell.done("keys", "create", "alice").out
    folder = shell.folder / "my-keys"
    line = (folder / "alice.pub").read_text()
    assert line.count("\n") == 1
    assert said.endswith(line)
    assert (folder / "alice.pem").stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in (folder / "alice.pem").read_bytes()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert shell("keys", "create", "alice").code == 8


@pytest.mark.parametrize("name", ["Alice", "a/b", "..", ""])
def test_a_name_that_cannot_be_is_refused(shell: Shell, name: str) -> None:
    assert shell("keys", "create", name).code == 8


def test_a_passphrase_that_is_too_short_makes_no_key(shell: Shell) -> None:
    short = shell.folder / "short"
    short.touch(mode=0o600)
    short.write_text("short\n")
    assert shell("keys", "create", "alice", "--passphrase-file", str(short)).code == 4
    assert not (shell.folder / "my-keys/alice.pem").exists()


def test_the_list_tells_who_signs_for_what(vendor: Shell) -> None:
    assert holders(vendor) == {
        "root": (2, ["root-1", "root-2", "root-3"]),
        "targets": (2, ["alice", "bob", "carol"]),
        "house": (2, ["alice", "bob", "carol"]),
        "halts": (1, ["alice", "bob", "carol"]),
        "snapshot": (1, ["snapshot"]),
        "timestamp": (1, ["timestamp"]),
    }
    said = vendor.done("keys", "list").out
    assert "targets    2 of 3      alice, bob, carol" in said


def test_a_stolen_key_of_a_person_is_replaced_with_those_of_snapshot_and_timestamp(vendor: Shell) -> None:
    vendor.done("publish", "sdk/tool", "1.0", "source", *person(vendor, "alice"))
    approve(vendor, "bob")
    turn(vendor)
    make_keys(vendor, "dave")
    vendor.done("keys", "add", "stick-dave/dave.pub")
    said = vendor.done("keys", "replace", "bob", "dave").out
    assert "dave is in place of bob, once that is signed:" in said
    assert holders(vendor)["targets"] == (2, ["alice", "bob", "carol"])
    carry(vendor, "root-1", "root-2")
    approve(vendor, "alice")
    turn(vendor)
    assert holders(vendor)["targets"] == (2, ["alice", "bob", "carol"])
    approve(vendor, "dave")
    turn(vendor)
    found = holders(vendor)
    assert {found[role][1] == ["alice", "carol", "dave"] for role in ("targets", "house", "halts", "sdk")} == {True}
    assert (found["snapshot"], found["timestamp"]) == ((1, ["snapshot-2"]), (1, ["timestamp-2"]))
    assert catalogue.load(vendor.folder / "data/catalogue").current["root"] == 2
    result = vendor("halt", "sdk/tool", "1.0", "--reason", "a thief", *person(vendor, "bob"))
    assert result.code == 8
    assert "bob does not sign for this" in result.err


def test_a_holder_of_the_root_is_replaced_by_the_other_two(vendor: Shell) -> None:
    make_keys(vendor, "root-4")
    vendor.done("keys", "add", "stick-root-4/root-4.pub")
    vendor.done("keys", "replace", "root-1", "root-4")
    carry(vendor, "root-2", "root-3")
    turn(vendor)
    assert holders(vendor)["root"] == (2, ["root-2", "root-3", "root-4"])
    assert holders(vendor)["snapshot"] == (1, ["snapshot"])


def test_a_stolen_key_of_the_timer_is_replaced_by_the_root_alone(vendor: Shell) -> None:
    vendor.done("keys", "create", "snapshot-2", "--keys", "online-keys")
    vendor.done("keys", "add", "online-keys/snapshot-2.pub")
    vendor.done("keys", "replace", "snapshot", "snapshot-2")
    carry(vendor, "root-1", "root-2")
    turn(vendor)
    assert holders(vendor)["snapshot"] == (1, ["snapshot-2"])
    assert catalogue.load(vendor.folder / "data/catalogue").current["snapshot"] == 2


def test_both_keys_of_the_timer_are_made_anew_by_one_command(vendor: Shell) -> None:
    vendor.done("keys", "rotate")
    carry(vendor, "root-1", "root-2")
    turn(vendor)
    found = holders(vendor)
    assert (found["snapshot"], found["timestamp"]) == ((1, ["snapshot-2"]), (1, ["timestamp-2"]))
    assert catalogue.load(vendor.folder / "data/catalogue").current["targets"] == 1


def test_another_threshold_takes_the_signatures_of_who_says_so(vendor: Shell) -> None:
    said = vendor.done("keys", "assign", "halts", "alice", "bob", "carol", "--threshold", "2").out
    assert "halts: 2 of alice, bob, carol, once that is signed:" in said
    approve(vendor, "alice")
    approve(vendor, "carol")
    turn(vendor)
    assert holders(vendor)["halts"] == (2, ["alice", "bob", "carol"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", "source/lib/a.txt"), "NAME.pub"),
        (("add", "nothing.pub"), "cannot be read"),
        (("replace", "nobody", "alice"), "knows no key 'nobody'"),
        (("replace", "alice", "nobody"), "knows no key 'nobody'"),
        (("replace", "dave", "alice"), "signs for no role"),
        (("assign", "nothing", "alice", "--threshold", "1"), "no role 'nothing'"),
        (("assign", "halts", "alice", "--threshold", "2"), "name enough keys"),
        (("assign", "halts", "alice", "alice", "--threshold", "2"), "alice"),
    ],
)
def test_what_cannot_be_is_refused_with_the_next_step_and_stages_nothing(
    vendor: Shell, words: tuple[str, ...], told: str
) -> None:
    make_keys(vendor, "dave")
    vendor.done("keys", "add", "stick-dave/dave.pub")
    result = vendor("keys", *words)
    assert result.code == 8, result.err
    assert told in result.err
    assert vendor.done("staged", "--json").out.strip() == "[]"


def test_the_document_for_programs_says_whose_signatures_it_waits_for(vendor: Shell) -> None:
    make_keys(vendor, "dave")
    vendor.done("keys", "add", "stick-dave/dave.pub")
    answer = json.loads(vendor.done("keys", "replace", "carol", "dave", "--json").out)
    assert (answer["signed"], answer["visible"]) == ([], False)
    waits = {line["role"]: (line["missing"], line["may_sign"]) for line in answer["waits"]}
    assert waits["root"] == (2, ["root-1", "root-2", "root-3"])
    assert waits["house"] == (2, ["alice", "bob", "dave"])


def test_keys_of_the_timer_that_are_lost_are_made_anew_by_rotating_them(vendor: Shell) -> None:
    for damage in ("missing", "damaged"):
        folder = vendor.folder / "online-keys"
        if damage == "damaged":
            (folder / "keys.json").write_text("{}")
        else:
            folder.rename(vendor.folder / "lost")
        for words in (("resign",), ("catalogue-timer", "--once")):
            result = vendor(*words)
            assert result.code == 8
            assert "keys rotate" in result.err
        if damage == "damaged":
            assert vendor("keys", "rotate").code == 8
            folder.rename(vendor.folder / "broken")
        vendor.done("keys", "rotate")
        carry(vendor, "root-1", "root-2")
        turn(vendor)
    assert holders(vendor)["timestamp"] == (1, ["timestamp-3"])


def test_one_key_of_the_timer_that_is_lost_is_told_with_what_to_do(vendor: Shell) -> None:
    (vendor.folder / "online-keys/timestamp.pem").unlink()
    result = vendor("catalogue-timer", "--once")
    assert result.code == 8
    assert "keys rotate" in result.err
    vendor.done("keys", "rotate")
    carry(vendor, "root-1", "root-2")


def test_names_of_keys_that_are_lost_are_begun_anew(vendor: Shell) -> None:
    (vendor.folder / "keys/keys.json").write_text("{}")
    result = vendor("halts")
    assert result.code == 8
    assert "keys add" in result.err
    (vendor.folder / "keys").rename(vendor.folder / "away")
    for name in (*ROOT, *PEOPLE):
        vendor.done("keys", "add", f"stick-{name}/{name}.pub")
    assert holders(vendor)["targets"] == (2, ["alice", "bob", "carol"])
    assert holders(vendor)["snapshot"] == (1, ["snapshot"])
    vendor.done("publish", "sdk/tool", "1.0", "source", *person(vendor, "alice"))


def test_a_key_is_not_put_in_place_of_itself(vendor: Shell) -> None:
    result = vendor("keys", "replace", "bob", "bob")
    assert (result.code, "in place of itself" in result.err) == (8, True)
    assert "Nothing waits" in vendor.done("staged").out
