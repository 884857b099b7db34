"""Signing keys at rest: encrypted, private, and opened only where the URI says they lie."""

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
from mirror.signing import keys, ring
from tests.mirror.publishing.rig import PASSPHRASE


def known() -> str:
    return PASSPHRASE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ring.create(tmp_path / "keys", ("root", "timestamp"), known)
    return tmp_path / "keys"


def pem_of(folder: Path, role: str) -> Path:
    return folder / f"{role}.pem"


def edit(folder: Path, change: Callable[[Any], None]) -> None:
    table = json.loads((folder / "keys.json").read_text())
    change(table)
    (folder / "keys.json").write_text(json.dumps(table, separators=(",", ":"), sort_keys=True))


def reason(folder: Path, role: str = "root") -> str:
    with pytest.raises(SigningError) as error:
        ring.read(folder, known).signer(role)
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
    ring.create(tmp_path / "other", ("root",), known)
    first, second = (pem_of(place, "root").read_bytes().splitlines()[0] for place in (folder, tmp_path / "other"))
    assert first != second


@pytest.mark.parametrize(("old", "new"), [(b"n=131072", b"n=2"), (b"n=131072", b"n=1073741824"), (b"scrypt", b"none")])
def test_a_key_cannot_ask_for_other_parameters(folder: Path, old: bytes, new: bytes) -> None:
    path = pem_of(folder, "root")
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    assert reason(folder) == "damaged-key"


def test_every_name_has_a_key_of_its_own_that_signs_for_it(folder: Path) -> None:
    keys = ring.read(folder, known)
    publics: list[SSlibKey] = [keys.key(name).verifier for name in ("root", "timestamp")]
    assert len({key.keyid for key in publics}) == 2
    for name, public in zip(("root", "timestamp"), publics, strict=True):
        public.verify_signature(keys.signer(name).sign(b"payload"), b"payload")


def test_a_wrong_passphrase_says_so(folder: Path) -> None:
    with pytest.raises(PassphraseError) as error:
        ring.read(folder, lambda: "wrong").signer("root")
    assert error.value.reason == "wrong-passphrase"
    assert "wrong" not in str(error.value).replace("is wrong", "")


def test_the_passphrase_is_asked_for_once_and_only_when_a_key_is_opened(folder: Path) -> None:
    asked: list[int] = []

    def ask() -> str:
        asked.append(1)
        return PASSPHRASE

    keys = ring.read(folder, ask)
    assert keys.key("root").verifier.keyid
    assert not asked
    keys.signer("root")
    keys.signer("timestamp")
    assert len(asked) == 1


@pytest.mark.parametrize(
    "uri",
    ["file2:root.pem", "encrypted-file:../root.pem", "encrypted-file:..", "encrypted-file:a\0b", "encrypted-file:"],
)
def test_a_private_key_lies_in_the_folder_and_nowhere_else(folder: Path, uri: str) -> None:
    edit(folder, lambda table: table["keys"]["root"].update(uri=uri))
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


def test_the_public_half_is_passed_on_as_one_line(folder: Path, tmp_path: Path) -> None:
    key = ring.read(folder, known).key("root")
    line = keys.public_line("root", key)
    assert len(line.splitlines()) == 1
    (tmp_path / "root.pub").write_text(line)
    assert keys.read_public(tmp_path / "root.pub") == ("root", key.public)
    private = pem_of(folder, "root").read_text()
    for text in ("", line * 2, line.replace("ed25519", "rsa"), line.upper(), private, line.replace("root", "../root")):
        (tmp_path / "root.pub").write_text(text)
        with pytest.raises(SigningError) as error:
            keys.read_public(tmp_path / "root.pub")
        assert error.value.reason == "bad-public-key"
    with pytest.raises(SigningError) as missing:
        keys.read_public(tmp_path / "missing.pub")
    assert missing.value.reason == "bad-public-key"
