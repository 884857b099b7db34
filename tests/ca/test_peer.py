"""All that a client certificate says, and all that is wrong with it, at once."""

from datetime import UTC, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.errors import IdentityError
from ca.identity import Role, make
from ca.peer import MAX_CERTIFICATE, Peer, read_peer
from ca.profiles import CLIENT, KeyType
from tests.ca.house import NOW, REALM, House, client, der_of, odd_certificate

CLIENT_ONLY = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
URI = x509.UniformResourceIdentifier(client().uri)


def san(*names: x509.GeneralName) -> tuple[x509.ExtensionType, bool]:
    return x509.SubjectAlternativeName(names), False


def usage(*usages: x509.ObjectIdentifier) -> tuple[x509.ExtensionType, bool]:
    return x509.ExtendedKeyUsage(usages), False


def odd(house: House, *extensions: tuple[x509.ExtensionType, bool]) -> Peer:
    return read_peer(der_of(odd_certificate(house.keys["leaf"], *extensions)))


@pytest.mark.parametrize("key_type", KeyType)
def test_a_client_certificate_of_ours_has_no_problems(houses: dict[KeyType, House], key_type: KeyType) -> None:
    house = houses[key_type]
    ski = house.issuing.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert read_peer(der_of(house.client.certificate)) == Peer(
        identity=client(),
        problems=(),
        serial=house.client.certificate.serial_number,
        issuer_key=ski,
        not_before=NOW - timedelta(minutes=5),
        not_after=NOW + CLIENT.lifetime,
    )
    assert read_peer(der_of(house.client.certificate)).not_after.tzinfo is UTC


def test_an_installation_is_read(house: House) -> None:
    installation = make(REALM, Role.CLIENT, "acme", "i-1")
    assert read_peer(der_of(house.leaf(installation, CLIENT).certificate)).identity == installation


def test_dates_are_told_not_judged(house: House) -> None:
    old = read_peer(der_of(house.leaf(client(), CLIENT, now=NOW - 2 * CLIENT.lifetime).certificate))
    assert old.problems == ()
    assert old.not_after < NOW


def test_a_server_certificate_is_not_a_client(house: House) -> None:
    assert read_peer(der_of(house.server.certificate)).problems == ("two-sans", "not-a-uri", "wrong-usage")


def test_a_ca_certificate_is_not_a_client(house: House) -> None:
    assert read_peer(der_of(house.issuing.certificate)).problems == ("no-san", "is-a-ca", "wrong-usage")


def test_every_problem_is_named_at_once(house: House) -> None:
    names = san(URI, x509.DNSName("acme"))
    ca = (x509.BasicConstraints(ca=True, path_length=None), True)
    assert odd(house, names, ca, usage(ExtendedKeyUsageOID.SERVER_AUTH)).problems == (
        "two-sans",
        "not-a-uri",
        "is-a-ca",
        "wrong-usage",
        "no-issuer-key",
    )


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ((URI, URI), "two-sans"),
        ((URI, x509.UniformResourceIdentifier("spiffe://other.example/client/acme")), "two-sans"),
        ((x509.DNSName("spiffe"),), "not-a-uri"),
        ((x509.RFC822Name("acme@build.example.com"),), "not-a-uri"),
        ((x509.UniformResourceIdentifier("https://build.example.com/"),), "bad-uri"),
        ((x509.UniformResourceIdentifier(f"spiffe://{REALM}/root/acme"),), "bad-role"),
        ((x509.UniformResourceIdentifier(f"spiffe://{REALM}/client"),), "bad-path"),
        ((x509.UniformResourceIdentifier(f"spiffe://{REALM}/client/Acme"),), "bad-id"),
        ((x509.UniformResourceIdentifier("spiffe://localhost/client/acme"),), "bad-realm"),
    ],
)
def test_anything_but_one_uri_of_our_form_is_nobody(
    house: House, names: tuple[x509.GeneralName, ...], problem: str
) -> None:
    peer = odd(house, san(*names), CLIENT_ONLY)
    assert problem in peer.problems
    assert peer.identity is None


@pytest.mark.parametrize(
    "usages",
    [
        [],
        [usage(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)],
        [usage(ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)],
        [usage(ExtendedKeyUsageOID.CODE_SIGNING)],
    ],
)
def test_extended_key_usage_is_exactly_client_auth(house: House, usages: list[tuple[x509.ExtensionType, bool]]) -> None:
    assert "wrong-usage" in odd(house, san(URI), *usages).problems
    assert "wrong-usage" not in odd(house, san(URI), CLIENT_ONLY).problems


def test_bytes_that_are_no_certificate_are_refused(house: House) -> None:
    der = der_of(house.client.certificate)
    for raw in (b"", b"\x30", der[:-1], der + b"\0", b"\0" * (MAX_CERTIFICATE + 1)):
        with pytest.raises(IdentityError) as refused:
            read_peer(raw)
        assert refused.value.reason == "bad-certificate"


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(IdentityError) as refused:
        read_peer(raw)
    assert refused.value.reason == "bad-certificate"


@pytest.mark.filterwarnings("ignore:.*:Warning")  # the library's, about what it is given to read
@settings(deadline=None)
@given(position=st.integers(0, 2000), byte=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_by_name(house: House, position: int, byte: int) -> None:
    der = bytearray(der_of(house.client.certificate))
    der[position % len(der)] = byte
    try:
        peer = read_peer(bytes(der))
    except IdentityError:
        return
    assert (peer.identity is None) <= bool(peer.problems)
