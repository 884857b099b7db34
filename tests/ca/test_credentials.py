"""ca.credentials: a certificate and its key as bytes, as `ca.tls` reads them. What it refuses: see `test_tls`."""

from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.credentials import Credentials
from ca.errors import TlsError
from ca.tls import read_credentials
from tests.ca.house import House, key_pem, pem_of


def test_what_was_read_is_what_stands_in_the_files(house: House, tmp_path: Path) -> None:
    files = house.server.files(tmp_path, "server")
    found = read_credentials(**files)
    assert found == Credentials(pem_of(house.server.certificate), key_pem(house.server.key))
    assert found.chain == [house.server.certificate]
    assert found.private_key.public_key() == house.server.key.public_key()


def test_both_may_stand_in_one_file_and_more_certificates_after_the_first(house: House, tmp_path: Path) -> None:
    both = house.server.files(tmp_path, "server")["key"]
    both.write_bytes(pem_of(house.server.certificate) + key_pem(house.server.key) + pem_of(house.issuing.certificate))
    assert read_credentials(both, both).chain == [house.server.certificate, house.issuing.certificate]


def test_no_text_shows_the_key(house: House) -> None:
    found = Credentials(pem_of(house.server.certificate), key_pem(house.server.key))
    for text in (repr(found), str(found), f"{found}", repr([found])):
        assert "PRIVATE" not in text
        assert key_pem(house.server.key).decode()[40:60] not in text


def test_they_go_through_messagepack_unchanged(house: House) -> None:
    found = Credentials(pem_of(house.server.certificate), key_pem(house.server.key))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Credentials) == found


def test_a_key_of_another_kind_is_refused(house: House, tmp_path: Path) -> None:
    files = house.server.files(tmp_path, "server")
    other = ed25519.Ed25519PrivateKey.generate()
    files["key"].write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(TlsError) as refused:
        read_credentials(**files)
    assert refused.value.reason == "bad-key"
