"""The commands `staged`, `approve` and `discard`: two people, each with a key of their own."""

import json
import re

import pytest

from mirror import catalogue
from tests.mirror.cli.shell import Result, Shell
from tests.mirror.cli.vendor import approve, carry, make_keys, person


def publish(shell: Shell, name: str, version: str = "1.0") -> Result:
    return shell.done("publish", "sdk/tool", version, "source", *person(shell, name))


def visible(shell: Shell) -> list[str]:
    """The versions of sdk/tool on offer."""
    shell.done("catalogue-timer", "--once")
    loaded = catalogue.load(shell.folder / "data/catalogue")
    offered = loaded.indexes.get(("sdk", "tool"))
    return [line.version for line in offered.releases] if offered else []


def test_what_one_person_published_waits_and_what_two_signed_is_visible(vendor: Shell) -> None:
    said = publish(vendor, "alice").out
    assert "staged: it waits for approval" in said
    assert "sdk waits for 1 more signature, of bob, carol: spot-mirror approve" in said
    assert visible(vendor) == []
    said = approve(vendor, "carol").out
    assert "new        sdk/tool 1.0 (any): new in stable" in said
    assert "Signed: targets, sdk." in said
    assert visible(vendor) == ["1.0"]


def test_all_that_is_signed_for_with_a_release_is_shown_and_who_has_signed_it(vendor: Shell) -> None:
    words = ("--severity", "security", "--restart", "--requires", "sdk/base>=2", "--notes", "First line.\nSecond line.")
    said = vendor.done("publish", "sdk/tool", "1.0", "source", *words, *person(vendor, "alice")).out
    found = re.search(r"manifest  ([0-9a-f]{64})\n", said)
    assert found is not None
    shown = vendor.done("staged").out
    for line in (f"manifest {found[1]}", "security, restart", "requires sdk/base >=2", "First line.", "Second line."):
        assert f"\n             {line}\n" in shown
    assert re.search(r"^sdk, version 1, until .*, signed by alice:$", shown, re.MULTILINE)
    assert approve(vendor, "bob").out.count(found[1]) == 1


def test_what_a_host_puts_in_the_place_of_what_waits_is_shown_as_what_it_is(vendor: Shell) -> None:
    """It lost the signature of whoever published, and has another digest."""
    made = json.loads(vendor.done("publish", "sdk/tool", "1.0", "source", "--json", *person(vendor, "alice")).out)
    vendor.done("discard", "sdk", "targets")
    (vendor.folder / "source/evil").write_text("rm -rf /")
    vendor.done("publish", "sdk/tool", "1.0", "source", *person(vendor, "alice"))
    path = vendor.folder / "data/publishing/staged.json"
    staged = json.loads(path.read_bytes())
    for role, text in staged["statements"].items():
        staged["statements"][role] = json.dumps({**json.loads(text), "signatures": []})
    path.write_bytes(json.dumps(staged, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode())
    shown = vendor.done("approve", "--dry-run", *person(vendor, "bob")).out
    assert shown.count("signed by nobody yet:") == 2
    assert made["manifest"] not in shown


def test_the_second_person_holds_what_waits_to_a_build_of_their_own(vendor: Shell) -> None:
    publish(vendor, "alice")
    held = ("publish", "sdk/tool", "1.0", "source", "--dry-run")
    assert "is there with exactly this content" in vendor.done(*held).out + vendor.done(*held).err
    (vendor.folder / "source/evil").write_text("rm -rf /")
    result = vendor(*held)
    assert result.code == 3
    assert "published with other content" in result.err


def test_nobody_approves_what_they_signed(vendor: Shell) -> None:
    publish(vendor, "alice")
    for _ in range(2):
        result = vendor("approve", *person(vendor, "alice"))
        assert result.code == 8
        assert "alice has signed this already: now somebody else has to." in result.err
    assert visible(vendor) == []


def test_holders_of_the_root_do_not_sign_releases(vendor: Shell) -> None:
    publish(vendor, "alice")
    result = vendor("approve", *person(vendor, "root-1"))
    assert result.code == 8
    assert "root-1 does not sign for this: bob, carol may." in result.err


def test_the_documents_for_programs(vendor: Shell) -> None:
    staged = json.loads(vendor.done("staged", "--json").out)
    assert staged == []
    made = json.loads(vendor.done("publish", "sdk/tool", "1.0", "source", "--json", *person(vendor, "alice")).out)
    staged = json.loads(vendor.done("staged", "--json").out)
    assert [one["role"] for one in staged] == ["targets", "sdk"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", staged[1].pop("until"))
    assert staged[1] == {
        "role": "sdk",
        "version": 1,
        "changes": [
            {
                "kind": "new",
                "what": "sdk/tool 1.0 (any): new in stable",
                "details": [f"manifest {made['manifest']}", "feature"],
            }
        ],
        "missing": 1,
        "signed_by": ["alice"],
        "may_sign": ["bob", "carol"],
    }
    answer = json.loads(approve(vendor, "bob", "--json").out)
    assert {**answer, "waits": len(answer["waits"])} == {
        "signed": ["targets", "sdk"],
        "visible": False,
        "catalogue_version": None,
        "waits": 2,
    }


def test_a_dry_run_shows_all_and_signs_nothing(vendor: Shell) -> None:
    publish(vendor, "alice")
    before = (vendor.folder / "data/publishing/staged.json").read_bytes()
    result = approve(vendor, "bob", "--dry-run")
    assert "sdk/tool 1.0" in result.out
    assert "Nothing was signed." in result.out
    assert (vendor.folder / "data/publishing/staged.json").read_bytes() == before


def test_a_wrong_passphrase_signs_nothing_and_exits_with_4(vendor: Shell) -> None:
    publish(vendor, "alice")
    wrong = vendor.folder / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("this is not the one\n")
    result = vendor("approve", "--as", "bob", "--keys", "stick-bob", "--passphrase-file", str(wrong))
    assert result.code == 4
    assert json.loads(vendor.done("staged", "--json").out)[1]["signed_by"] == ["alice"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--as", "bob"], "private key of bob is not in"),
        (["--as", "nobody"], "knows no key 'nobody'"),
        ([], "No key in"),
        (["--keys", "source"], "source"),
    ],
)
def test_who_cannot_sign_here_is_told_what_to_do(vendor: Shell, words: list[str], told: str) -> None:
    publish(vendor, "alice")
    result = vendor("approve", *words)
    assert result.code == 8
    assert told in result.err


def test_only_the_named_roles_are_signed(vendor: Shell) -> None:
    publish(vendor, "alice")
    assert "Signed: targets." in approve(vendor, "bob", "targets").out
    missing = {one["role"]: one["missing"] for one in json.loads(vendor.done("staged", "--json").out)}
    assert missing == {"targets": 0, "sdk": 1}


def test_a_pack_that_was_exchanged_since_is_not_signed_for(vendor: Shell) -> None:
    publish(vendor, "alice")
    pack = vendor.folder / "data/releases/sdk/tool/1.0/any/pack"
    pack.write_bytes(b"\0" * pack.stat().st_size)
    result = vendor("approve", *person(vendor, "bob"))
    assert result.code == 3
    assert "must not be signed" in result.err


def test_what_is_discarded_leaves_nothing_and_can_be_published_again(vendor: Shell) -> None:
    publish(vendor, "alice")
    assert "Forgotten: 2 changes." in vendor.done("discard", "sdk", "targets").out
    assert vendor.done("staged").out == "Nothing waits for signatures.\n"
    assert not (vendor.folder / "data/releases/sdk/tool/1.0").exists()
    publish(vendor, "bob")
    approve(vendor, "alice")
    assert visible(vendor) == ["1.0"]


def test_what_does_not_wait_cannot_be_discarded(vendor: Shell) -> None:
    result = vendor("discard", "sdk")
    assert result.code == 8
    assert "Nothing waits for sdk (waiting: nothing)." in result.err


def test_whoever_adds_to_what_another_staged_does_not_sign_that_unseen(vendor: Shell) -> None:
    publish(vendor, "alice")
    publish(vendor, "bob", "1.1")
    (line,) = [one for one in json.loads(vendor.done("staged", "--json").out) if one["role"] == "sdk"]
    assert line["signed_by"] == []
    assert [one["what"] for one in line["changes"]] == [f"sdk/tool {v} (any): new in stable" for v in ("1.0", "1.1")]
    approve(vendor, "bob")
    assert visible(vendor) == []
    approve(vendor, "alice")
    assert visible(vendor) == ["1.0", "1.1"]


def keep_copy(shell: Shell) -> bytes:
    return (shell.folder / "data/publishing/staged.json").read_bytes()


def test_discarding_revokes_no_signature_and_says_what_does(vendor: Shell) -> None:
    publish(vendor, "alice")
    approve(vendor, "bob")
    assert visible(vendor) == ["1.0"]
    publish(vendor, "alice", "1.1")
    approve(vendor, "bob")
    copy = keep_copy(vendor)
    said = vendor.done("discard", "sdk").out
    assert "not revoked" in said
    assert "spot-mirror resign --all sdk" in said
    vendor.done("resign", "--all", "sdk", *person(vendor, "alice"))
    approve(vendor, "bob")
    vendor.done("catalogue-timer", "--once")
    (vendor.folder / "data/publishing/staged.json").write_bytes(copy)
    assert visible(vendor) == ["1.0"]


def test_what_nobody_signed_is_discarded_without_a_word_of_signatures(vendor: Shell) -> None:
    vendor.done("resign", "--all", "root")
    assert "revoked" not in vendor.done("discard", "root").out


@pytest.mark.parametrize("roles", [("root",), ("targets",), ("house",), ("root", "targets", "house")])
def test_half_of_a_change_of_keys_is_not_discarded(vendor: Shell, roles: tuple[str, ...]) -> None:
    make_keys(vendor, "dave")
    vendor.done("keys", "add", "stick-dave/dave.pub")
    vendor.done("keys", "replace", "bob", "dave")
    result = vendor("discard", *roles)
    assert result.code == 8
    assert "spot-mirror discard halts house root targets" in result.err
    assert (
        "Forgotten: 1 change.\n  dave in place of bob"
        in vendor.done("discard", "halts", "house", "root", "targets").out
    )


def test_all_that_waits_is_discarded_and_roles_and_all_are_not_both_named(vendor: Shell) -> None:
    assert "Nothing waits" in vendor.done("discard", "--all").out
    publish(vendor, "alice")
    assert vendor("discard", "--all", "sdk").code == vendor("discard").code == 2
    assert "Forgotten: 2 changes." in vendor.done("discard", "--all").out
    assert vendor.done("staged").out == "Nothing waits for signatures.\n"


def test_what_cannot_be_read_of_what_waits_is_set_aside_and_a_halt_goes_on(vendor: Shell) -> None:
    publish(vendor, "alice")
    approve(vendor, "bob")
    assert visible(vendor) == ["1.0"]
    folder = vendor.folder / "data/publishing"
    for number in (1, 2):
        (folder / "staged.json").write_text("{}")
        for words in (("halt", "sdk/tool", "1.0", "--reason", "x", *person(vendor, "bob")), ("discard", "sdk")):
            result = vendor(*words)
            assert result.code == 8
            assert "spot-mirror discard --all" in result.err
        assert f"staged.json.damaged-{number}" in vendor.done("discard", "--all").out
        assert (folder / f"staged.json.damaged-{number}").read_text() == "{}"
    vendor.done("halt", "sdk/tool", "1.0", "--reason", "x", *person(vendor, "bob"))
    vendor.done("catalogue-timer", "--once")
    assert "sdk/tool" in vendor.done("halts").out


def test_whoever_looks_is_warned_of_what_would_hold_for_too_long(vendor: Shell) -> None:
    config = vendor.folder / "mirror.toml"
    usual = config.read_text()
    config.write_text(usual.replace("products_days = 365", "products_days = 3650"))
    publish(vendor, "alice")
    assert "WARNING" not in vendor.done("staged").out
    config.write_text(usual)
    assert "WARNING    sdk would hold until" in vendor.done("staged").out
    vendor.done("signing", "export", "to-sign")
    assert (
        "WARNING    sdk would hold until" in vendor.done("signing", "sign", "to-sign", "x", *person(vendor, "bob")).out
    )
    result = vendor("approve", *person(vendor, "bob"))
    assert result.code == 3
    assert "365 days are the most: it must not be signed. 'discard' forgets it." in result.err


def test_a_role_that_does_not_wait_is_not_approved_in_silence(vendor: Shell) -> None:
    publish(vendor, "alice")
    result = vendor("approve", "sdk", "nosuchrole", *person(vendor, "bob"))
    assert result.code == 8
    assert "Nothing waits for nosuchrole (waiting: sdk, targets)." in result.err


def test_what_is_signed_and_waits_for_others_is_not_promised_for_the_next_turn(vendor: Shell) -> None:
    make_keys(vendor, "dave")
    vendor.done("keys", "add", "stick-dave/dave.pub")
    vendor.done("keys", "replace", "bob", "dave")
    approve(vendor, "alice")
    said = approve(vendor, "dave").out
    assert "halts signed: the timer makes it visible at its next turn" in said, "one person suffices, old or new"
    assert "targets, house signed: not visible before the rest is signed, root (2 more)" in said
    carry(vendor, "root-1", "root-2")
    assert "root signed: the timer makes it visible at its next turn" in vendor.done("staged").out


def test_who_comes_after_all_that_had_to_sign_is_told_what_happens_next(vendor: Shell) -> None:
    publish(vendor, "alice")
    approve(vendor, "bob")
    for name in ("alice", "carol"):
        result = vendor("approve", *person(vendor, name))
        assert result.code == 8
        assert "now nobody" not in result.err
    assert "so have all who had to. The timer makes it visible" in vendor("approve", *person(vendor, "alice")).err
    assert "Enough have signed this already." in vendor("approve", "--keys", "stick-carol").err
