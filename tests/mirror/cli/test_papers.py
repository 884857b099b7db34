"""The commands `signing ...`: what is to be signed goes out on a stick, and signatures come back."""

import json
import shutil
from pathlib import Path

import pytest

from spot_client.wire.digest import sha256_hex
from tests.mirror.cli.shell import Shell
from tests.mirror.cli.vendor import carry, person


@pytest.fixture
def waiting(vendor: Shell) -> Shell:
    """sdk/tool 1.0 waits for a second person, and is exported."""
    vendor.done("publish", "sdk/tool", "1.0", "source", *person(vendor, "alice"))
    vendor.done("signing", "export", "to-sign")
    return vendor


def sign(shell: Shell, name: str, *more: str) -> tuple[int, str, str]:
    result = shell("signing", "sign", "to-sign", f"signed-{name}", *more, *person(shell, name))
    return result.code, result.out, result.err


def test_the_round_trip_takes_nothing_of_the_mirror_along_but_the_file(
    waiting: Shell, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(waiting.folder / "to-sign", elsewhere)
    shutil.copytree(waiting.folder / "stick-bob", elsewhere / "my-keys")
    monkeypatch.chdir(elsewhere)
    said = waiting.done("signing", "sign", "to-sign", "signed", "--passphrase-file", "my-keys/passphrase").out
    assert "new        sdk/tool 1.0 (any): new in stable" in said
    assert "Signed by bob." in said
    monkeypatch.chdir(waiting.folder)
    said = waiting.done("signing", "import", str(elsewhere / "signed")).out
    assert said.startswith("Taken: signatures for sdk, targets.")
    waiting.done("catalogue-timer", "--once")
    assert "sdk/tool   1.0" in waiting.done("releases").out


def test_only_a_catalogue_that_begins_with_the_root_that_was_kept_is_signed(waiting: Shell) -> None:
    kept = waiting.folder / "data/catalogue/1.root.json"
    code, _, told = sign(waiting, "bob", "--root", str(kept))
    assert (code, "Nobody here has checked" in told) == (0, False)
    other = waiting.folder / "other.json"
    other.write_bytes(kept.read_bytes() + b"\n")
    code, _, told = sign(waiting, "carol", "--root", str(other))
    assert code == 8
    assert "another catalogue" in told
    assert not (waiting.folder / "signed-carol").exists()


def test_whoever_keeps_no_root_is_told_which_one_to_compare(waiting: Shell) -> None:
    kept = (waiting.folder / "data/catalogue/1.root.json").read_bytes()
    code, _, told = sign(waiting, "bob")
    assert (code, f"the root of SHA-256 {sha256_hex(kept)}" in told) == (0, True)


def test_whoever_has_nothing_to_sign_is_told(waiting: Shell) -> None:
    for name in ("alice", "root-1"):
        code, _, told = sign(waiting, name)
        assert code == 8
        assert f"nothing here for {name} to sign" in told


def test_signatures_of_what_has_changed_since_are_not_taken(waiting: Shell) -> None:
    assert sign(waiting, "bob")[0] == 0
    waiting.done("publish", "sdk/tool", "1.1", "source", *person(waiting, "alice"))
    result = waiting("signing", "import", "signed-bob")
    assert result.code == 8
    found = {one["role"]: one["signed_by"] for one in json.loads(waiting.done("staged", "--json").out)}
    assert "bob" not in found["sdk"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def other_signature(path: Path) -> None:
    document = json.loads(path.read_bytes())
    line = document["signatures"]["sdk"]
    line["signature"] = ("0" if line["signature"][0] != "0" else "1") + line["signature"][1:]
    path.write_bytes(json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n")


@pytest.mark.parametrize("damage", [cut, other_signature])
def test_damaged_signatures_are_not_taken(waiting: Shell, damage: object) -> None:
    assert sign(waiting, "bob")[0] == 0
    before = waiting.done("staged", "--json").out
    assert callable(damage)
    damage(waiting.folder / "signed-bob")
    result = waiting("signing", "import", "signed-bob")
    assert result.code == 8, result.err
    assert waiting.done("staged", "--json").out == before


@pytest.mark.parametrize("name", ["to-sign", "nothing"])
def test_a_file_that_is_not_to_be_signed_is_refused(waiting: Shell, name: str) -> None:
    if name == "to-sign":
        cut(waiting.folder / name)
    result = waiting("signing", "sign", name, "signed", *person(waiting, "bob"))
    assert result.code == 8
    assert not (waiting.folder / "signed").exists()


def test_an_export_where_nothing_waits_is_refused(vendor: Shell) -> None:
    result = vendor("signing", "export", "to-sign")
    assert result.code == 8
    assert "Nothing waits" in result.err


def test_a_wrong_passphrase_exits_with_4(waiting: Shell) -> None:
    options = ("--keys", "stick-bob", "--passphrase-file", "stick-carol/passphrase")
    assert waiting("signing", "sign", "to-sign", "signed", *options).code == 4


def test_the_same_signatures_again_change_nothing(vendor: Shell) -> None:
    vendor.done("resign", "--all", "root")
    carry(vendor, "root-2")
    before = vendor.done("staged", "--json").out
    assert vendor.done("signing", "import", "signed-root-2").out.startswith("Taken")
    assert vendor.done("staged", "--json").out == before


def test_a_signer_is_shown_what_is_theirs_to_sign_and_keys_by_the_beginning_of_their_public_halves(
    vendor: Shell,
) -> None:
    vendor.done("publish", "sdk/tool", "1.0", "source", *person(vendor, "alice"))
    vendor.done("resign", "--all", "root")
    public = (vendor.folder / "stick-alice/alice.pub").read_text().split()[-1]
    vendor.done("signing", "export", "to-sign")
    done = vendor.done("signing", "sign", "to-sign", "signed-root", *person(vendor, "root-1"))
    assert done.out.startswith("root, version 2, ")
    assert "sdk" not in done.out
    assert "Not for root-1 to sign, and not shown: targets, sdk." in done.err
    done = vendor.done("signing", "sign", "to-sign", "signed-bob", *person(vendor, "bob"))
    assert f"alice (public key {public[:16]}...)" in done.out


def test_the_file_to_be_signed_is_no_file_of_signatures(vendor: Shell) -> None:
    vendor.done("resign", "--all", "root")
    vendor.done("signing", "export", "to-sign")
    result = vendor("signing", "import", "to-sign")
    assert (result.code, "import what 'signing sign' has made of it" in result.err) == (8, True)


def test_a_wrong_passphrase_shows_before_anything_is_asked(vendor: Shell) -> None:
    vendor.done("resign", "--all", "root")
    vendor.done("signing", "export", "to-sign")
    secret = vendor.folder / "stick-root-1/passphrase"
    secret.write_text("another one, as long\n")
    result = vendor("signing", "sign", "to-sign", "signed", *person(vendor, "root-1"))
    assert (result.code, result.out) == (4, "")
