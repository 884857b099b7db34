"""Signing keys at rest: encrypted, private, named by keys.json, and never two for one."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from securesystemslib.signer import SSlibKey

from ca.errors import PassphraseError
from ca.keys import stretch
from mirror.errors import SigningError
from mirror.publishing import keys
from tests.mirror.publishing.rig import PASSPHRASE


def known() -> str:
    return PASSPHRASE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.create(tmp_path / "keys", ("root", "timestamp"), known)
    return tmp_path / "keys"


def pem_of(folder: Path, role: str) -> Path:
    return next(folder.glob(f"{role}-*.pem"))


def edit(folder: Path, change: Callable[[Any], None]) -> None:
    table = json.loads((folder / "keys.json").read_text())
    change(table)
    (folder / "keys.json").write_text(json.dumps(table, indent=2))


def reason(folder: Path, role: str = "root") -> str:
    with pytest.raises(SigningError) as error:
        keys.read(folder, known).signers(role)
    return error.value.reason


def test_keys_are_encrypted_and_for_their_owner_only(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    for role in ("root", "timestamp"):
        header, begin = pem_of(folder, role).read_text().splitlines()[:2]
        assert header.startswith("spot-mirror-key: scrypt n=131072 r=8 p=1 salt=")
        assert begin == "-----BEGIN ENCRYPTED PRIVATE KEY-----"


def test_a_guess_at_the_passphrase_costs_scrypt_and_openssl_opens_the_key_with_what_comes_out(folder: Path) -> None:
    path = pem_of(folder, "root")
    salt = bytes.fromhex(path.read_text().splitlines()[0].rpartition("=")[2])
    password = Scrypt(salt=salt, length=32, n=131072, r=8, p=1).derive(PASSPHRASE.encode()).hex()
    command = ["openssl", "pkey", "-in", str(path), "-passin", "stdin", "-noout"]
    subprocess.run(command, input=password, text=True, check=True, capture_output=True)
    direct = subprocess.run(command, input=PASSPHRASE, text=True, check=False, capture_output=True)
    assert direct.returncode != 0


def test_each_folder_of_keys_has_its_own_salt(folder: Path, tmp_path: Path) -> None:
    keys.create(tmp_path / "other", ("root",), known)
    first, second = (pem_of(place, "root").read_bytes().splitlines()[0] for place in (folder, tmp_path / "other"))
    assert first != second


@pytest.mark.parametrize(("old", "new"), [(b"n=131072", b"n=2"), (b"n=131072", b"n=1073741824"), (b"scrypt", b"none")])
def test_a_key_cannot_ask_for_other_parameters(folder: Path, old: bytes, new: bytes) -> None:
    path = pem_of(folder, "root")
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    assert reason(folder) == "damaged-key"


def test_every_role_has_a_key_of_its_own_that_signs_for_it(folder: Path) -> None:
    ring = keys.read(folder, known)
    publics: list[SSlibKey] = [key for role in ("root", "timestamp") for key in ring.public(role)]
    assert len({key.keyid for key in publics}) == 2
    for role in ("root", "timestamp"):
        (signer,) = ring.signers(role)
        signature = signer.sign(b"payload")
        ring.public(role)[0].verify_signature(signature, b"payload")


def test_a_wrong_passphrase_says_so(folder: Path) -> None:
    with pytest.raises(PassphraseError) as error:
        keys.read(folder, lambda: "wrong").signers("root")
    assert error.value.reason == "wrong-passphrase"
    assert "wrong" not in str(error.value).replace("is wrong", "")


def test_the_passphrase_is_asked_for_once_and_only_when_a_key_is_opened(folder: Path) -> None:
    asked: list[int] = []

    def ask() -> str:
        asked.append(1)
        return PASSPHRASE

    ring = keys.read(folder, ask)
    ring.public("root")
    assert not asked
    ring.signers("root")
    ring.signers("timestamp")
    assert len(asked) == 1


def test_an_added_role_is_on_disk_and_adding_it_again_changes_nothing(folder: Path) -> None:
    keys.read(folder, known).add("sdk")
    public = keys.read(folder, known).public("sdk")
    keys.read(folder, known).add("sdk")
    ring = keys.read(folder, known)
    assert [key.keyid for key in ring.public("sdk")] == [key.keyid for key in public]
    assert len(ring.signers("sdk")) == 1


def test_several_keys_and_a_threshold_come_from_keys_json(folder: Path) -> None:
    def both_for_root(table: Any) -> None:
        table["roles"]["root"]["keys"] += table["roles"].pop("timestamp")["keys"]
        table["roles"]["root"]["threshold"] = 2

    edit(folder, both_for_root)
    ring = keys.read(folder, known)
    assert ring.threshold("root") == len(ring.signers("root")) == 2


def test_one_key_never_counts_twice(folder: Path) -> None:
    edit(
        folder, lambda table: table["roles"]["root"]["keys"].append({**table["roles"]["root"]["keys"][0], "uri": "x:y"})
    )
    assert reason(folder) == "bad-keys"


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table["roles"]["root"].update(threshold=2),
        lambda table: table["roles"]["root"].update(threshold=0),
        lambda table: table["roles"]["root"].update(keys=[]),
        lambda table: table["roles"]["root"].update(extra=1),
        lambda table: table["roles"]["root"]["keys"][0].update(public="00"),
        lambda table: table["roles"].update({"s[d]k": table["roles"]["root"]}),
        lambda table: table["roles"].update({"Root": table["roles"]["root"]}),
        lambda table: table.pop("roles"),
    ],
)
def test_a_table_that_breaks_a_rule_is_refused(folder: Path, change: Callable[[Any], None]) -> None:
    edit(folder, change)
    assert reason(folder) == "bad-keys"


def test_a_missing_or_hostile_table_is_refused(folder: Path) -> None:
    path = folder / "keys.json"
    for raw in (b"", b"[]", b"\xff", b'{"roles":{},"roles":{}}', b"x" * 2_000_000):
        path.write_bytes(raw)
        assert reason(folder) == "bad-keys"
    path.unlink()
    assert reason(folder) == "no-keys"


@pytest.mark.parametrize(
    "uri",
    ["file2:root.pem", "encrypted-file:../root.pem", "encrypted-file:..", "encrypted-file:a\0b", "encrypted-file:"],
)
def test_a_private_key_lies_in_the_folder_and_nowhere_else(folder: Path, uri: str) -> None:
    edit(folder, lambda table: table["roles"]["root"]["keys"][0].update(uri=uri))
    assert reason(folder) == "unknown-uri"


def test_a_key_that_others_may_read_is_refused(folder: Path) -> None:
    pem_of(folder, "root").chmod(0o640)
    assert reason(folder) == "bad-mode"


def test_a_missing_damaged_exchanged_or_open_key_is_refused(folder: Path) -> None:
    root = pem_of(folder, "root")
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    good = root.read_bytes()
    header = good.partition(b"\n")[0] + b"\n"
    salt = bytes.fromhex(header.decode().strip().rpartition("=")[2])
    sealed = serialization.BestAvailableEncryption(stretch(PASSPHRASE, salt))
    weak = serialization.BestAvailableEncryption(PASSPHRASE.encode())
    cases = {
        good[: len(good) // 2]: "damaged-key",
        Ed25519PrivateKey.generate().private_bytes(*plain, serialization.NoEncryption()): "damaged-key",
        Ed25519PrivateKey.generate().private_bytes(*plain, weak): "damaged-key",
        pem_of(folder, "timestamp").read_bytes(): "other-key",
        header + ec.generate_private_key(ec.SECP256R1()).private_bytes(*plain, sealed): "other-key",
    }
    for pem, expected in cases.items():
        root.write_bytes(pem)
        assert reason(folder) == expected
    root.unlink()
    assert reason(folder) == "missing-key"


def test_a_role_without_keys_is_named(folder: Path) -> None:
    assert reason(folder, "targets") == "no-role"


def test_a_folder_of_keys_is_never_replaced(folder: Path) -> None:
    before = (folder / "keys.json").read_bytes()
    with pytest.raises(FileExistsError):
        keys.create(folder, ("root",), known)
    assert (folder / "keys.json").read_bytes() == before
