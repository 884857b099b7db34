"""Signing keys, whatever became of their files: keys that keep every rule, or a refusal by name. Never another key."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ca.keys
from ca import strict_json
from ca.errors import PassphraseError
from mirror.errors import SigningError
from mirror.signing import keys, ring
from mirror.signing.ring import Ring
from tests.drawn import json_documents, texts
from tests.mirror.publishing.rig import PASSPHRASE
from tests.spot_client.wire.strategies import mutated, sha256s

quick = settings(deadline=None)  # files are written

SIGNER_REASONS = {"unknown-uri", "missing-key", "bad-mode", "damaged-key", "other-key", "wrong-passphrase"}
OTHER_PASSWORD = b"0" * 64


class Folder:
    """Keys of the real kind, for tests that spoil one file at a time."""

    def __init__(self, path: Path) -> None:
        ring.create(path, ("root", "timestamp"), lambda: PASSPHRASE)
        self.path = path
        self.table = (path / "keys.json").read_bytes()
        self.pem = path / "root.pem"
        self.sealed = self.pem.read_bytes()
        self.other = (path / "timestamp.pem").read_bytes()
        self.salt = bytes.fromhex(self.sealed.partition(b"\n")[0].rpartition(b"=")[2].decode())

    def ring(self) -> Ring:
        return ring.read(self.path, lambda: PASSPHRASE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """One salt is stretched, once. What comes out for another is another password, and here a known one."""
    made = Folder(tmp_path_factory.mktemp("signing") / "keys")
    known = ca.keys.stretch(PASSPHRASE, made.salt)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "stretch", lambda _, salt: known if salt == made.salt else OTHER_PASSWORD)
        yield made


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """What people may make of keys.json: names that keep the rules, and at times one that nearly does."""
    uris = st.sampled_from(["encrypted-file:root.pem", "hsm:1", "", "x" * 1024])
    names = draw(st.lists(st.sampled_from(["root", "timestamp", "a-b", "a" * 63]), unique=True))
    publics = draw(st.lists(sha256s, min_size=len(names), max_size=len(names), unique=True))
    found: dict[str, Any] = {}
    for name, public in zip(names, publics, strict=True):
        found[name] = {"public": public, **({"uri": draw(uris)} if draw(st.booleans()) else {})}
    match draw(st.integers(0, 4)):
        case 0:
            odd = draw(st.sampled_from(["Root", "s/k", "", "a" * 64, "a\n", "\x1b[2J"]) | texts)
            found[odd] = {"public": draw(sha256s)}
        case 1:
            found["b"] = {"public": draw(sha256s), "uri": draw(st.sampled_from(["x", "x" * 1025]))}
        case 2:
            found["b"] = {"public": draw(st.sampled_from(publics)) if publics else draw(sha256s)}
    return {"format": 1, "keys": found, "min_spot": "0.1"}


def is_kept(found: dict[str, Any]) -> bool:
    """The rules, said once more."""
    publics = [key["public"] for key in found.values()]
    return (
        all(re.fullmatch("[a-z0-9][a-z0-9-]{0,62}", name) is not None for name in found)
        and len(publics) == len(set(publics))
        and all(len(key.get("uri", "")) <= 1024 for key in found.values())
    )


def read(folder: Folder, raw: bytes) -> Ring | None:
    """The keys that the table names, which keep the rules; None where it is refused as it should be."""
    path = folder.path / "keys.json"
    path.write_bytes(raw)
    try:
        found = folder.ring()
    except SigningError as error:
        refused = error
    else:
        assert is_kept({name: {"public": key.public, "uri": key.uri or ""} for name, key in found.keys.items()})
        return found
    finally:
        path.write_bytes(folder.table)
    assert refused.reason == "bad-keys"
    assert str(path) in str(refused)
    assert str(refused).isprintable()
    return None


@settings(quick, max_examples=200)
@given(table=tables())
def test_a_table_is_taken_where_it_keeps_the_rules(folder: Folder, table: dict[str, Any]) -> None:
    raw = json.dumps(table, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    found = read(folder, raw.encode(errors="surrogatepass"))
    assert (found is not None) == is_kept(table["keys"])
    if found is not None:
        assert {name: key.public for name, key in found.keys.items()} == {
            name: key["public"] for name, key in table["keys"].items()
        }


@quick
@given(data=st.data())
def test_whatever_was_done_to_the_table_it_keeps_the_rules_or_is_refused(folder: Folder, data: st.DataObject) -> None:
    read(folder, data.draw(mutated(folder.table) | json_documents(folder.table) | st.binary(max_size=50)))


@quick
@given(data=st.data())
def test_whatever_a_table_names_a_signer_signs_with_that_key_or_is_refused(folder: Folder, data: st.DataObject) -> None:
    found = read(folder, data.draw(mutated(folder.table) | json_documents(folder.table)))
    for name in found.held() if found else ():
        assert found is not None
        check_signer(found, name)


@quick
@given(data=st.data())
def test_an_address_is_of_a_file_in_the_folder_or_refused(folder: Folder, data: st.DataObject) -> None:
    name = folder.pem.name
    names = [name, f"../keys/{name}", str(folder.pem), f"./{name}", f"{name}/", name.upper(), "", ".", "..", "a\0b"]
    schemes = st.sampled_from(["encrypted-file:", "encrypted-file:", "file2:", "Encrypted-file:", ""])
    uri = data.draw(schemes) + data.draw(st.sampled_from(names) | texts)
    found = read(folder, folder.table.replace(f"encrypted-file:{name}".encode(), strict_json.encode(uri)[1:-1]))
    assert found is not None
    assert check_signer(found, "root") == (uri == f"encrypted-file:{name}")


@st.composite
def resealed(draw: st.DrawFn, pem: bytes) -> bytes:
    """A sealed key with a byte changed below its base64: as often as not in the IV, which changes what is sealed."""
    lines = pem.splitlines()
    der = bytearray(base64.b64decode(b"".join(lines[2:-1])))
    iv = len(der) - 64 - 2 - 16
    der[draw(st.integers(0, len(der) - 1) | st.integers(iv, iv + 15))] ^= draw(st.integers(1, 255))
    return b"\n".join([*lines[:2], base64.b64encode(der), lines[-1], b""])


def check_sealed(folder: Folder, sealed: bytes) -> None:
    folder.pem.write_bytes(sealed)
    try:
        check_signer(folder.ring(), "root")
    finally:
        folder.pem.write_bytes(folder.sealed)


@quick
@given(data=st.data())
def test_whatever_was_done_to_a_sealed_key_it_is_that_key_or_refused(folder: Folder, data: st.DataObject) -> None:
    sealed = folder.sealed
    header, body = sealed[:80], sealed[80:]
    changed = st.one_of(
        mutated(sealed),
        mutated(header).map(lambda start: start + body),
        st.integers(0, len(sealed)).map(lambda end: sealed[:end]),
        st.binary(max_size=50).map(sealed.__add__),
        st.binary(max_size=50),
        st.just(folder.other),
    )
    check_sealed(folder, data.draw(changed))


@quick
@given(data=st.data())
def test_whatever_was_done_to_what_is_sealed_it_is_that_key_or_refused(folder: Folder, data: st.DataObject) -> None:
    check_sealed(folder, data.draw(resealed(folder.sealed)))


def check_signer(found: Ring, name: str) -> bool:
    """True where it signs for the key that the table names; else there is none, and it is said why."""
    try:
        signer = found.signer(name)
    except (SigningError, PassphraseError) as error:
        refused = error
    else:
        found.key(name).verifier.verify_signature(signer.sign(b"payload"), b"payload")
        return True
    assert refused.reason in SIGNER_REASONS
    assert str(refused).isprintable()
    return False


def test_the_keys_that_are_spoilt_are_whole(folder: Folder) -> None:
    found = read(folder, folder.table)
    assert found is not None
    for name in ("root", "timestamp"):
        found.signer(name)
