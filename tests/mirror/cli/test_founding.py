"""`init` with people: nothing is visible before two holders of the root and two people have signed."""

import json

import pytest

from mirror import catalogue
from mirror.errors import CatalogueFault
from tests.mirror.cli.shell import Shell
from tests.mirror.cli.vendor import PEOPLE, ROOT, approve, carry, founding, make_keys, person


def test_init_asks_who_signs_and_says_what_development_is(shell: Shell) -> None:
    result = shell("init", "--realm", "build.example.com")
    assert result.code == 2
    assert "--root-key" in result.err
    assert "--development" in result.err


def test_the_ceremony_from_the_first_key_to_a_catalogue_that_is_visible(shell: Shell) -> None:
    make_keys(shell, *ROOT, *PEOPLE)
    said = shell.done(*founding()).out
    assert "2 of root-1, root-2, root-3 (root)" in said
    assert "2 of alice, bob, carol (releases)" in said
    assert not list((shell.folder / "data/catalogue").glob("*.json"))
    carry(shell, "root-1")
    assert "root waits for 1 more signature, of root-2, root-3" in shell.done("staged").out
    approve(shell, "alice")
    carry(shell, "root-3")
    assert not list((shell.folder / "data/catalogue").glob("*.json"))
    assert "the timer makes it visible" in approve(shell, "bob").out
    shell.done("catalogue-timer", "--once")
    loaded = catalogue.load(shell.folder / "data/catalogue")
    assert set(loaded.current.values()) == {1}
    assert shell.done("staged").out == "Nothing waits for signatures.\n"


def test_before_the_first_catalogue_is_signed_it_is_told_what_waits_and_no_backup_is_asked_for(shell: Shell) -> None:
    make_keys(shell, *ROOT, *PEOPLE)
    shell.done(*founding())
    folder = shell.folder / "data/catalogue"
    with pytest.raises(CatalogueFault) as caught:
        catalogue.load(folder)
    assert caught.value.reason == "missing"
    for word in ("first catalogue", "spot-mirror staged", "catalogue-timer"):
        assert word in str(caught.value)
    assert "backup" not in str(caught.value)
    result = shell("releases")
    assert "spot-mirror staged" in result.err


def test_a_catalogue_that_was_visible_and_is_gone_comes_from_a_backup(vendor: Shell) -> None:
    (vendor.folder / "data/catalogue/timestamp.json").unlink()
    (vendor.folder / "data/publishing/staged.json").write_text("{}")
    with pytest.raises(CatalogueFault, match="from a backup"):
        catalogue.load(vendor.folder / "data/catalogue")


def test_no_private_key_of_people_is_where_the_mirror_is(vendor: Shell) -> None:
    assert list((vendor.folder / "keys").glob("*.pem")) == []
    assert {path.stem for path in (vendor.folder / "online-keys").glob("*.pem")} == {"snapshot", "timestamp"}
    keys = {one["name"]: one["here"] for one in json.loads(vendor.done("keys", "list", "--json").out)["keys"]}
    assert keys == {**dict.fromkeys((*ROOT, *PEOPLE), False), "snapshot": True, "timestamp": True}


def test_names_of_people_stand_in_nothing_that_customers_read(vendor: Shell) -> None:
    published = b"".join(path.read_bytes() for path in (vendor.folder / "data/catalogue").rglob("*") if path.is_file())
    assert [name for name in (*ROOT, *PEOPLE) if name.encode() in published] == []


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--development", "--person", "stick-alice/alice.pub"], 2, "leave --root-key and --person out"),
        (["--root-key", "stick-alice/alice.pub"], 2, "Say who signs"),
        (["--root-key", "stick-alice/alice.pub", "--person", "stick-alice/alice.pub"], 2, "name of its own"),
        (["--root-key", "mirror", "--person", "stick-alice/alice.pub"], 8, "cannot be read"),
        (["--root-key", "source/lib/a.txt", "--person", "stick-alice/alice.pub"], 8, "NAME.pub"),
        (["--root-key", "stick-bob/bob.pub", "--person", "stick-alice/alice.pub"], 8, "name enough keys"),
    ],
)
def test_what_is_no_plan_for_signing_is_refused_and_nothing_is_made(
    shell: Shell, words: list[str], code: int, told: str
) -> None:
    make_keys(shell, "alice", "bob")
    before = sorted(shell.folder.rglob("*"))
    result = shell("init", "--realm", "build.example.com", *words)
    assert result.code == code, result.err
    assert told in result.err
    assert sorted(shell.folder.rglob("*")) == before


def test_one_key_under_two_names_is_one_key(shell: Shell) -> None:
    make_keys(shell, "alice", "bob")
    text = (shell.folder / "stick-alice/alice.pub").read_text()
    (shell.folder / "eve.pub").write_text(text.replace("alice", "eve"))
    words = ("--root-key", "stick-bob/bob.pub", "--root-threshold", "1")
    result = shell(
        "init", "--realm", "build.example.com", *words, "--person", "stick-alice/alice.pub", "--person", "eve.pub"
    )
    assert result.code == 8
    assert "one key has one name" in result.err


def test_publishing_before_the_first_catalogue_is_signed_says_whose_turn_it_is(shell: Shell) -> None:
    make_keys(shell, *ROOT, *PEOPLE)
    shell.done(*founding())
    result = shell("publish", "sdk/tool", "1.0", "source", *person(shell, "alice"))
    assert result.code != 0
    assert "staged" in result.err or "sign" in result.err
