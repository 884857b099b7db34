"""A key at rest opens with its passphrase and with nothing else."""

import base64
import subprocess
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.errors import PassphraseError, VaultError
from ca.keys import is_sealed, load_plain, new_key, plain_pem, seal, unseal
from ca.profiles import KeyType, is_strong
from tests.ca.house import House, reason_of

SALT = bytes(range(16))


@pytest.mark.parametrize("curve", [0x6F, 0x71], ids=["X448", "Ed448"])
def test_a_key_of_curve448_that_has_the_length_of_another_is_no_key(curve: int) -> None:
    der = bytes.fromhex(f"302e020100300506032b65{curve:02x}04220420") + bytes(32)
    raw = b"-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(der) + b"\n-----END PRIVATE KEY-----\n"
    assert reason_of(lambda: load_plain(raw)) == "bad-key"


@pytest.mark.parametrize("key_type", KeyType)
def test_keys_made_here_are_strong_and_survive_the_file(key_type: KeyType) -> None:
    key = new_key(key_type)
    assert is_strong(key.public_key())
    assert load_plain(plain_pem(key)).public_key() == key.public_key()


def test_a_sealed_key_opens_with_its_passphrase_only(house: House) -> None:
    sealed = seal(house.keys["root"], "correct horse", SALT)
    assert unseal(sealed, "correct horse").public_key() == house.keys["root"].public_key()
    for passphrase in ("correct hors", "correct horse ", ""):
        with pytest.raises(PassphraseError) as refused:
            unseal(sealed, passphrase)
        assert refused.value.reason == "wrong-passphrase"


def test_a_sealed_key_can_be_opened_without_this_program(house: House, tmp_path: Path) -> None:
    """The form is documented: scrypt (RFC 7914), in hex, is the password of ordinary PKCS#8."""
    (tmp_path / "key").write_bytes(seal(house.keys["root"], "correct horse", SALT))
    password = Scrypt(salt=SALT, length=32, n=131072, r=8, p=1).derive(b"correct horse").hex()
    command = ["openssl", "pkey", "-in", str(tmp_path / "key"), "-passin", "stdin", "-noout"]
    subprocess.run(command, input=password, text=True, check=True, capture_output=True)
    direct = subprocess.run(command, input="correct horse", text=True, check=False, capture_output=True)
    assert direct.returncode != 0


def test_each_seal_has_its_own_salt(house: House) -> None:
    first, second = (seal(house.keys["root"], "correct horse", salt) for salt in (SALT, bytes(16)))
    assert first.splitlines()[0] != second.splitlines()[0]


@pytest.mark.parametrize(("old", "new"), [(b"n=131072", b"n=2"), (b"n=131072", b"n=1073741824"), (b"scrypt", b"none")])
def test_a_file_cannot_ask_for_other_parameters(house: House, old: bytes, new: bytes) -> None:
    sealed = seal(house.keys["root"], "correct horse", SALT)
    assert old in sealed
    with pytest.raises(VaultError) as refused:
        unseal(sealed.replace(old, new), "correct horse")
    assert refused.value.reason == "damaged-key"


def test_the_form_of_a_sealed_key_is_told_without_its_passphrase(house: House) -> None:
    assert is_sealed(seal(house.keys["root"], "correct horse", SALT))
    for content in (b"", plain_pem(house.keys["root"])):
        assert not is_sealed(content)


@pytest.mark.parametrize("key_type", KeyType)
def test_a_sealed_key_is_whole_and_nothing_follows_it(key_type: KeyType) -> None:
    sealed = seal(new_key(key_type), "correct horse", SALT)
    lines = sealed.splitlines(keepends=True)
    assert is_sealed(sealed)
    damaged = [sealed[:length] for length in range(len(sealed) - 1)]  # the last line break may be missing
    damaged += [sealed + rest for rest in (b"x", b"\n", b"\0", b"".join(lines[1:]))]
    damaged += [b"".join(lines[:cut] + lines[cut + 1 :]) for cut in range(len(lines))]
    damaged += [b"".join(lines[:-1]) + b"AAAA\n" + lines[-1], sealed.replace(lines[3], b"A" + lines[3])]
    for content in damaged:
        assert not is_sealed(content)
        assert reason_of(partial(unseal, content, "correct horse")) == "damaged-key"


def test_an_unencrypted_key_is_no_sealed_one(house: House) -> None:
    for content in (b"", plain_pem(house.keys["root"]), seal(house.keys["root"], "x" * 8, SALT)[:-200]):
        with pytest.raises(VaultError):
            unseal(content, "x" * 8)


def test_only_plain_keys_of_our_kinds_are_loaded(house: House) -> None:
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"none", other, seal(house.keys["root"], "x" * 8, SALT)):
        with pytest.raises(VaultError) as refused:
            load_plain(content)
        assert refused.value.reason == "bad-key"


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: f"-----BEGIN PRIVATE KEY-----{text}".encode()))
def test_any_bytes_are_no_key(raw: bytes) -> None:
    assert reason_of(lambda: load_plain(raw)) == "bad-key"
    assert reason_of(lambda: unseal(raw, "x" * 8)) == "damaged-key"


@settings(deadline=None)
@given(position=st.integers(0, 2000), byte=st.integers(0, 255))
def test_a_plain_key_with_a_changed_byte_is_read_or_refused(house: House, position: int, byte: int) -> None:
    raw = bytearray(plain_pem(house.keys["leaf"]))
    raw[position % len(raw)] = byte
    assert reason_of(lambda: load_plain(bytes(raw))) in {None, "bad-key"}


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(position=st.integers(0, 2000), change=st.integers(1, 255))
def test_a_sealed_key_with_a_changed_byte_is_refused_or_the_same(house: House, position: int, change: int) -> None:
    """Few examples: each that keeps the form costs what a guess at the passphrase costs."""
    raw = bytearray(seal(house.keys["root"], "correct horse", SALT))
    raw[position % len(raw)] ^= change
    found: list[object] = []
    reason = reason_of(lambda: found.append(unseal(bytes(raw), "correct horse").public_key()))
    assert reason in {"damaged-key", "wrong-passphrase"} or found == [house.keys["root"].public_key()]
