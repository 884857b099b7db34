"""What a certificate request asks for, and each way in which it is none."""

import hashlib
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.errors import RequestError
from ca.identity import Role, make
from ca.profiles import KeyType
from ca.request import MAX_REQUEST, read_request
from tests.ca.house import REALM, House, reason_of

OURS = make(REALM, Role.CLIENT, "acme", "7k2m9xq40gct31vz")
KEY = ec.generate_private_key(ec.SECP256R1())


def request(
    key: CertificateIssuerPrivateKeyTypes = KEY,
    names: Sequence[x509.GeneralName] | None = (x509.UniformResourceIdentifier(OURS.uri),),
) -> bytes:
    builder = x509.CertificateSigningRequestBuilder(x509.Name([]))
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("key_type", KeyType)
def test_it_says_who_asks_with_which_key(houses: dict[KeyType, House], key_type: KeyType) -> None:
    key = houses[key_type].keys["leaf"]
    raw = request(key)
    found = read_request(raw)
    assert (found.identity, found.public_key) == (OURS, key.public_key())
    assert found.digest == hashlib.sha256(raw).hexdigest()


def test_whoever_does_not_hold_the_key_has_no_proof() -> None:
    raw = request()
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    theirs = other.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    ours = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert reason_of(lambda: read_request(raw.replace(ours, theirs))) == "no-proof"


def test_weak_keys_are_refused() -> None:
    assert reason_of(lambda: read_request(request(rsa.generate_private_key(65537, 1024)))) == "weak-key"  # noqa: S505
    assert reason_of(lambda: read_request(request(ec.generate_private_key(ec.SECP521R1())))) == "weak-key"


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (None, "no-san"),
        ((x509.UniformResourceIdentifier(OURS.uri),) * 2, "two-sans"),
        ((x509.UniformResourceIdentifier(OURS.uri), x509.DNSName("localhost")), "two-sans"),
        ((x509.DNSName("localhost"),), "not-a-uri"),
        ((x509.UniformResourceIdentifier("https://build.example.com/client/acme"),), "bad-uri"),
        ((x509.UniformResourceIdentifier(f"spiffe://{REALM}/client/%61cme"),), "bad-id"),
        ((x509.UniformResourceIdentifier(f"spiffe://{REALM}/root/acme"),), "bad-role"),
        ((x509.UniformResourceIdentifier(f"spiffe://{REALM}/client/acme/a/b"),), "bad-path"),
        ((x509.UniformResourceIdentifier("spiffe://*/client/acme"),), "bad-realm"),
    ],
)
def test_it_asks_for_the_one_uri_of_an_identity(names: Sequence[x509.GeneralName] | None, reason: str) -> None:
    assert reason_of(lambda: read_request(request(names=names))) == reason


WHOLE = request()


def test_a_long_one_is_not_looked_at() -> None:
    assert reason_of(lambda: read_request(b"\x30" * (MAX_REQUEST + 1))) == "too-large"


@settings(max_examples=200)
@given(st.data())
def test_whatever_is_changed_is_refused_by_name(data: st.DataObject) -> None:
    raw = bytearray(WHOLE)
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RequestError):
        read_request(bytes(raw))
