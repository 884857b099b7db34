"""A ring: names of keys in a folder. One key has one name, and what others call a key is never written down."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ca.errors import PassphraseError
from mirror.errors import SigningError
from mirror.signing import ring
from mirror.signing.ring import Ring
from tests.mirror.killing import killed_at
from tests.mirror.publishing.rig import PASSPHRASE, made_keys

HERE = ("root", "publisher", "snapshot", "timestamp")


def known() -> str:
    return PASSPHRASE


def folder_of(person: str) -> Ring:
    return ring.read(made_keys() / person, known)


def table(folder: Path) -> Any:
    return json.loads((folder / "keys.json").read_text())["keys"]


@pytest.fixture
def keys(tmp_path: Path) -> Ring:
    """A ring with keys of its own, which also knows alice's public key."""
    shutil.copytree(made_keys() / "development", tmp_path / "keys")
    made = ring.read(tmp_path / "keys", known)
    made.add("alice", folder_of("alice").key("alice").public)
    return made


def reason(keys: Ring, name: str) -> str:
    with pytest.raises(SigningError) as error:
        keys.signer(name)
    return error.value.reason


def test_names_are_on_disk_with_what_is_here_and_what_is_not(keys: Ring) -> None:
    again = ring.read(keys.folder, known)
    assert again.keys == keys.keys
    assert set(again.held()) == {*HERE}
    assert again.name(again.key("alice").verifier.keyid) == "alice"
    assert again.name("0" * 64) is None
    assert reason(again, "alice") == "not-here"
    assert reason(again, "bob") == "no-key"
    assert PASSPHRASE not in (keys.folder / "keys.json").read_text()


@pytest.mark.parametrize("name", ["Alice", "a b", "", "../x", "a" * 64, "a\n", "a.b"])
def test_what_cannot_be_a_name_is_refused(keys: Ring, name: str) -> None:
    for call in (lambda: keys.create(name), lambda: keys.add(name, "0" * 64)):
        with pytest.raises(SigningError) as error:
            call()
        assert error.value.reason == "bad-key-name"
    assert sorted(table(keys.folder)) == sorted([*HERE, "alice"])


def test_a_name_is_given_once(keys: Ring) -> None:
    for call in (lambda: keys.create("alice"), lambda: keys.add("alice", "0" * 64)):
        with pytest.raises(SigningError) as error:
            call()
        assert error.value.reason == "key-exists"


def test_one_key_has_one_name_and_the_same_again_is_no_error(keys: Ring) -> None:
    public = keys.key("alice").public
    keys.add("alice", public)
    with pytest.raises(SigningError, match="as alice") as error:
        keys.add("bob", public)
    assert error.value.reason == "key-exists"
    raw = json.loads((keys.folder / "keys.json").read_text())
    raw["keys"]["bob"] = raw["keys"]["alice"]
    (keys.folder / "keys.json").write_text(json.dumps(raw))
    with pytest.raises(SigningError) as damaged:
        ring.read(keys.folder, known)
    assert damaged.value.reason == "bad-keys"


def test_a_joined_folder_signs_under_the_name_that_is_known_here(keys: Ring) -> None:
    stick = folder_of("alice")
    stick.keys = {"my-key": stick.keys["alice"]}
    keys.join(stick)
    assert set(keys.held()) == {*HERE, "alice"}
    keys.key("alice").verifier.verify_signature(keys.signer("alice").sign(b"x"), b"x")
    assert "my-key" not in keys.keys


def test_a_joined_folder_changes_no_name_and_nothing_on_disk(keys: Ring, tmp_path: Path) -> None:
    """A stick with another key that calls itself alice does not become alice."""
    alice = keys.key("alice")
    thief = ring.create(tmp_path / "stick", ("alice", "mallory"), known)
    keys.join(thief)
    assert keys.key("alice") == alice
    other = thief.key("alice").public
    assert set(keys.held()) == {*HERE, f"alice (public key {other[:16]}...)", "mallory"}
    keys.signer("mallory")
    keys.add("bob", folder_of("bob").key("bob").public)
    assert sorted(ring.read(keys.folder, known).keys) == sorted([*HERE, "alice", "bob"])


def test_names_that_are_heard_are_read_beside_the_key_and_never_written_down(keys: Ring) -> None:
    public = folder_of("bob").key("bob")
    keys.hear({"alice": public.public, "me": keys.key("publisher").public})
    assert keys.name(public.verifier.keyid) == f"alice (public key {public.public[:16]}...)"
    assert keys.name(keys.key("publisher").verifier.keyid) == "publisher"
    keys.create("more")
    assert sorted(ring.read(keys.folder, known).keys) == sorted([*HERE, "alice", "more"])


def test_keys_that_were_made_since_are_known_after_a_look(keys: Ring) -> None:
    early = ring.read(keys.folder, known)
    keys.create("snapshot-2")
    early.refresh()
    assert "snapshot-2" in early.held()


def test_a_wrong_passphrase_shows_when_all_are_opened(keys: Ring) -> None:
    with pytest.raises(PassphraseError):
        ring.read(keys.folder, lambda: "wrong").unlock_all()
    ring.read(keys.folder, known).unlock_all()


def test_killed_at_any_step_a_key_is_there_or_can_be_made(keys: Ring, tmp_path: Path) -> None:
    seen = set()
    keys.unlock_all()  # no salt has to be stretched later
    number = 0
    while number := number + 1:
        copy = Path(shutil.copytree(keys.folder, tmp_path / str(number)))
        keys.folder = copy
        if not killed_at(number, lambda: keys.create("bob")):
            break
        again = ring.read(copy, known)
        seen.add(((copy / "bob.pem").exists(), "bob" in again.keys))
        if "bob" not in again.keys:
            again.unlock_all()
            again.create("bob")
        ring.read(copy, known).signer("bob")
        keys.folder = tmp_path / "keys"
    assert seen == {(False, False), (True, False)}


def test_a_folder_is_never_replaced(keys: Ring) -> None:
    before = (keys.folder / "keys.json").read_bytes()
    with pytest.raises(FileExistsError):
        ring.create(keys.folder, ("root",), known)
    assert (keys.folder / "keys.json").read_bytes() == before


def test_a_missing_or_hostile_table_is_refused(keys: Ring) -> None:
    path = keys.folder / "keys.json"
    good = json.loads(path.read_text())
    for raw in (
        b"",
        b"[]",
        b"\xff",
        b'{"keys":{},"keys":{}}',
        b"x" * 2_000_000,
        json.dumps({**good, "extra": 1}).encode(),
        json.dumps({**good, "keys": {"Root": good["keys"]["alice"]}}).encode(),
        json.dumps({**good, "keys": {"root": {"public": "00"}}}).encode(),
    ):
        path.write_bytes(raw)
        with pytest.raises(SigningError) as error:
            ring.read(keys.folder, known)
        assert error.value.reason == "bad-keys"
        assert str(path) in str(error.value)
    path.unlink()
    with pytest.raises(SigningError) as missing:
        ring.read(keys.folder, known)
    assert missing.value.reason == "no-keys"
