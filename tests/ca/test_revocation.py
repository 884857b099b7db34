"""A CRL is believed only if it is of the issuer we know, unchanged, understood, and not older than the last one."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.errors import RevocationError
from ca.issue import Revoked, build_crl
from ca.profiles import KeyType
from ca.revocation import MAX_CRL, Revocations, read_crl
from tests.ca.house import NOW, House, Party, odd_certificate

ENTRIES = [Revoked(5, NOW, "key-compromise"), Revoked(1 << 150, NOW, "unspecified")]


def raw_crl(
    by: Party, number: int = 1, at: datetime = NOW, entries: Any = ENTRIES, form: Encoding = Encoding.PEM
) -> bytes:
    return build_crl(by.certificate, by.key, entries, number=number, now=at).public_bytes(form)


def read(house: House, raw: bytes, previous: Revocations | None = None) -> Revocations:
    return read_crl(raw, house.issuing.certificate, now=NOW, previous=previous)


def refused(house: House, raw: bytes, previous: Revocations | None = None) -> str:
    with pytest.raises(RevocationError) as error:
        read(house, raw, previous)
    assert str(error.value)
    return error.value.reason


def key_of(party: Party) -> bytes:
    return party.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def odd_crl(
    by: Party,
    *extensions: tuple[x509.ExtensionType, bool],
    entry: x509.RevokedCertificate | None = None,
) -> bytes:
    """A CRL as our CA would never sign it, but with its key."""
    builder = x509.CertificateRevocationListBuilder(by.certificate.subject, NOW, NOW + timedelta(days=1))
    builder = builder.add_extension(x509.AuthorityKeyIdentifier(key_of(by), None, None), critical=False)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    if entry is not None:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(by.key, hashes.SHA256()).public_bytes(Encoding.DER)


NUMBER = (x509.CRLNumber(1), False)


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER])
def test_a_crl_becomes_a_set_of_serials(houses: dict[KeyType, House], key_type: KeyType, form: Encoding) -> None:
    house = houses[key_type]
    assert read(house, raw_crl(house.issuing, number=3, form=form)) == Revocations(
        issuer_key=key_of(house.issuing),
        serials=frozenset({5, 1 << 150}),
        number=3,
        this_update=NOW,
        next_update=NOW + timedelta(days=30),
    )


def test_an_empty_crl_revokes_nobody(house: House) -> None:
    assert read(house, raw_crl(house.issuing, entries=[])).serials == frozenset()


def test_an_expired_crl_is_returned_because_the_policy_decides(house: House) -> None:
    old = read(house, raw_crl(house.issuing, at=NOW - timedelta(days=40)))
    assert old.next_update < NOW
    assert old.serials


def test_a_crl_of_another_issuer_is_refused(house: House, other_house: House) -> None:
    assert refused(house, raw_crl(house.root)) == "wrong-issuer"
    assert refused(house, raw_crl(other_house.issuing)) == "wrong-issuer"


def test_a_leaf_signs_no_crl(house: House) -> None:
    with pytest.raises(RevocationError) as error:
        read_crl(raw_crl(house.client), house.client.certificate, now=NOW, previous=None)
    assert error.value.reason == "wrong-issuer"


def test_an_issuer_without_key_identifier_is_refused(house: House) -> None:
    issuer = odd_certificate(house.keys["issuing"])
    with pytest.raises(RevocationError) as error:
        read_crl(raw_crl(house.issuing), issuer, now=NOW, previous=None)
    assert error.value.reason == "wrong-issuer"


def test_a_forged_signature_is_refused(house: House, other_house: House) -> None:
    """All names and key identifiers are right, the key is not."""
    forged = odd_crl(Party(house.issuing.certificate, other_house.keys["issuing"]), NUMBER)
    assert refused(house, forged) == "bad-signature"


def test_a_signature_with_sha1_is_refused(houses: dict[KeyType, House]) -> None:
    """The library signs no SHA-1 any more: the algorithm's identifier, 1.2.840.113549.1.1.11, becomes that of SHA-1."""
    house = houses[KeyType.RSA2048]
    raw = raw_crl(house.issuing, form=Encoding.DER)
    rsa = bytes.fromhex("06092a864886f70d0101")
    assert raw.count(rsa + b"\x0b") == 2
    assert refused(house, raw.replace(rsa + b"\x0b", rsa + b"\x05")) == "weak-signature"


def test_a_crl_under_another_name_is_refused(house: House) -> None:
    assert refused(house, odd_crl(Party(renamed(house.issuing), house.issuing.key), NUMBER)) == "wrong-issuer"


def renamed(party: Party) -> x509.Certificate:
    key_id = x509.SubjectKeyIdentifier(key_of(party))
    return odd_certificate(party.key, (key_id, False))


def test_a_crl_without_number_is_refused(house: House) -> None:
    assert refused(house, odd_crl(house.issuing)) == "no-number"


def test_what_a_crl_means_must_be_understood(house: House) -> None:
    scope = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    assert refused(house, odd_crl(house.issuing, NUMBER, (scope, True))) == "unknown-critical"
    assert refused(house, odd_crl(house.issuing, NUMBER, (x509.DeltaCRLIndicator(1), True))) == "unknown-critical"
    indirect = x509.CertificateIssuer([x509.DirectoryName(house.root.certificate.subject)])
    entry = x509.RevokedCertificateBuilder(5, NOW).add_extension(indirect, critical=True).build()
    assert refused(house, odd_crl(house.issuing, NUMBER, entry=entry)) == "unknown-critical"


def test_a_crl_from_the_future_is_refused_beyond_the_skew(house: House) -> None:
    assert refused(house, raw_crl(house.issuing, at=NOW + timedelta(minutes=6))) == "not-yet-valid"
    assert read(house, raw_crl(house.issuing, at=NOW + timedelta(minutes=4))).number == 1


def test_an_older_crl_never_replaces_a_newer(house: House) -> None:
    previous = read(house, raw_crl(house.issuing, number=5))
    assert refused(house, raw_crl(house.issuing, number=4, entries=[]), previous) == "older-number"
    assert refused(house, raw_crl(house.issuing, number=5, entries=[]), previous) == "same-number"
    early = raw_crl(house.issuing, number=6, at=NOW - timedelta(seconds=1))
    assert refused(house, early, previous) == "older-date"
    assert read(house, raw_crl(house.issuing, number=5), previous) == previous
    assert read(house, raw_crl(house.issuing, number=6, entries=[]), previous).serials == frozenset()


def test_crls_of_two_issuers_do_not_follow_one_another(house: House) -> None:
    of_root = read_crl(raw_crl(house.root), house.root.certificate, now=NOW, previous=None)
    assert refused(house, raw_crl(house.issuing, number=9), of_root) == "wrong-issuer"


@pytest.mark.parametrize("raw", [b"", b"\x30", b"-----BEGIN X509 CRL-----", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_bytes_that_are_no_crl_are_refused(house: House, raw: bytes) -> None:
    assert refused(house, raw) == "not-a-crl"


def test_the_size_is_looked_at_first(house: House) -> None:
    assert refused(house, b"\0" * (MAX_CRL + 1)) == "too-large"


@given(st.binary(max_size=300) | st.binary(max_size=100).map(b"-----BEGIN X509 CRL-----\n".__add__))
def test_any_bytes_are_refused(house: House, raw: bytes) -> None:
    assert refused(house, raw) == "not-a-crl"


@pytest.fixture(scope="module")
def signed(house: House) -> bytes:
    """Signed once: an ECDSA signature differs each time, and a failure must be repeatable."""
    return raw_crl(house.issuing, form=Encoding.DER)


@pytest.mark.filterwarnings("ignore:.*:Warning")  # the library's, about what it is given to read
@settings(deadline=None)
@given(position=st.integers(0, 5000), change=st.integers(1, 255))
def test_nothing_is_believed_but_what_was_signed(house: House, signed: bytes, position: int, change: int) -> None:
    """One byte lies outside all signatures: how many bits of the signature's last byte do not count (X.690 §8.6.2).

    The library takes another count if those bits are zero anyway; then the content must be the one that was signed.
    """
    raw = bytearray(signed)
    raw[position % len(raw)] ^= change
    try:
        found = read(house, bytes(raw))
    except RevocationError:
        return
    assert found == read(house, signed)


@pytest.mark.filterwarnings("ignore:.*:Warning")
def test_no_byte_of_the_signed_part_can_be_changed(house: House, signed: bytes) -> None:
    signed_part = x509.load_der_x509_crl(signed).tbs_certlist_bytes
    start = signed.index(signed_part)
    for position, bit in itertools.product(range(start, start + len(signed_part)), range(8)):
        raw = bytearray(signed)
        raw[position] ^= 1 << bit
        with pytest.raises(RevocationError):
            read(house, bytes(raw))


@pytest.mark.slow
def test_a_crl_of_a_hundred_thousand_is_read(house: House) -> None:
    entries = [Revoked(serial, NOW, "superseded") for serial in range(1, 100_001)]
    assert len(read(house, raw_crl(house.issuing, entries=entries)).serials) == 100_000
