"""What the CA signs, judged by our own reading and by openssl's strict one; and what it never signs."""

import itertools
import subprocess
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.errors import IdentityError, IssueError
from ca.identity import Identity, Role, make
from ca.issue import REASONS, Issuer, Request, Revoked, build_crl, issue, realm_of
from ca.peer import read_peer
from ca.profiles import (
    CA_OPERATOR,
    CLIENT,
    ENROL,
    ISSUING,
    MIRROR,
    ROOT,
    SERVER,
    SUPPORT,
    KeyType,
    Profile,
    is_strong,
    key_kind,
)
from ca.subjects import Authority, Hosts
from tests.ca.house import HOSTS, NOW, REALM, House, client, pem_of, sign


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def write_authorities(house: House, folder: Path, *revoked: Revoked) -> None:
    (folder / "root.crt").write_bytes(pem_of(house.root.certificate))
    (folder / "issuing.crt").write_bytes(pem_of(house.issuing.certificate))
    crls = [
        build_crl(party.certificate, party.key, entries, number=1, now=NOW)
        for party, entries in ((house.root, ()), (house.issuing, revoked))
    ]
    (folder / "all.crl").write_bytes(b"".join(crl.public_bytes(Encoding.PEM) for crl in crls))


def strict_verify(folder: Path, certificate: x509.Certificate, purpose: str) -> str:
    (folder / "it.crt").write_bytes(pem_of(certificate))
    crls = ("-crl_check_all", "-CRLfile", folder / "all.crl")
    chain = ("-CAfile", folder / "root.crt", "-untrusted", folder / "issuing.crt")
    return openssl("verify", "-x509_strict", "-purpose", purpose, *crls, *chain, folder / "it.crt")


@pytest.mark.parametrize("key_type", KeyType)
def test_every_profile_passes_openssls_strict_checks_with_crls(
    houses: dict[KeyType, House], key_type: KeyType, tmp_path: Path
) -> None:
    house = houses[key_type]
    write_authorities(house, tmp_path)
    for party, purpose in ((house.server, "sslserver"), (house.client, "sslclient"), (house.issuing, "crlsign")):
        assert strict_verify(tmp_path, party.certificate, purpose).strip().endswith(": OK")
    assert "error" in strict_verify(tmp_path, house.server.certificate, "sslclient")
    assert "error" in strict_verify(tmp_path, house.client.certificate, "sslserver")


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("profile", [ENROL, MIRROR, SUPPORT, CA_OPERATOR])
def test_every_role_passes_openssls_strict_checks_as_a_client_only(
    houses: dict[KeyType, House], key_type: KeyType, profile: Profile, tmp_path: Path
) -> None:
    house, role = houses[key_type], profile.role
    assert role is not None
    write_authorities(house, tmp_path)
    certificate = house.leaf(make(REALM, role, "eu-1"), profile).certificate
    assert strict_verify(tmp_path, certificate, "sslclient").strip().endswith(": OK")
    assert "error" in strict_verify(tmp_path, certificate, "sslserver")
    peer = read_peer(certificate.public_bytes(Encoding.DER))
    assert (peer.identity, peer.problems) == (make(REALM, role, "eu-1"), ())
    assert certificate.not_valid_after_utc == NOW + profile.lifetime


def test_no_profile_is_made_for_the_role_of_another(house: House) -> None:
    profiles = [CLIENT, MIRROR, SUPPORT, CA_OPERATOR]
    for profile, role in itertools.product(profiles, Role):
        if profile.role is not role:
            assert refused(house, make(REALM, role, "eu-1"), profile) == "wrong-subject"


@given(
    name=st.text(max_size=5) | st.just("m"),
    dns=st.lists(st.text(max_size=12) | st.just("localhost"), max_size=3),
    addresses=st.lists(st.text("0123456789abcdef:.%/", max_size=12), max_size=3),
)
@settings(deadline=None)
def test_any_names_are_certified_as_they_are_or_refused(
    house: House, name: str, dns: list[str], addresses: list[str]
) -> None:
    try:
        certificate = house.leaf(Hosts(name, tuple(dns), tuple(addresses)), SERVER).certificate
    except (IssueError, IdentityError):
        return
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == dns
    assert found.get_values_for_type(x509.IPAddress) == [ip_address(text) for text in addresses]


def test_openssl_refuses_what_the_crl_names_and_nothing_else(house: House, tmp_path: Path) -> None:
    write_authorities(house, tmp_path, Revoked(house.client.certificate.serial_number, NOW, "key-compromise"))
    assert "certificate revoked" in strict_verify(tmp_path, house.client.certificate, "sslclient")
    assert "OK" in strict_verify(tmp_path, house.server.certificate, "sslserver")


def test_openssl_refuses_an_identity_of_another_realm(house: House, tmp_path: Path) -> None:
    """A stolen issuing key signs what it likes, past our own check; the name constraint still holds."""
    write_authorities(house, tmp_path)
    mine = house.client.certificate
    for realm in ("other.example.com", f"sub.{REALM}", f"x{REALM}"):
        builder = x509.CertificateBuilder(
            mine.issuer, mine.subject, mine.public_key(), 5, mine.not_valid_before_utc, mine.not_valid_after_utc
        )
        for extension in mine.extensions:
            value = extension.value
            if isinstance(value, x509.SubjectAlternativeName):
                value = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(client(realm=realm).uri)])
            builder = builder.add_extension(value, extension.critical)
        forged = builder.sign(house.keys["issuing"], hashes.SHA256())
        assert "permitted subtree violation" in strict_verify(tmp_path, forged, "sslclient")


def extensions(certificate: x509.Certificate) -> dict[type[x509.ExtensionType], tuple[x509.ExtensionType, bool]]:
    return {type(item.value): (item.value, item.critical) for item in certificate.extensions}


def test_authorities_are_limited_in_depth_and_realm(house: House) -> None:
    for certificate, depth in ((house.root.certificate, 1), (house.issuing.certificate, 0)):
        found = extensions(certificate)
        assert found[x509.BasicConstraints] == (x509.BasicConstraints(ca=True, path_length=depth), True)
        permitted = [x509.UniformResourceIdentifier(REALM)]
        assert found[x509.NameConstraints] == (x509.NameConstraints(permitted, None), True)
        assert x509.ExtendedKeyUsage not in found
        assert realm_of(certificate) == REALM
        assert certificate.subject.rfc4514_string().endswith(",DC=build,DC=example,DC=com")
    with pytest.raises(IssueError):
        realm_of(house.server.certificate)


def test_leaves_have_one_use_and_are_no_ca(house: House) -> None:
    for certificate, profile in ((house.server.certificate, SERVER), (house.client.certificate, CLIENT)):
        found = extensions(certificate)
        assert found[x509.BasicConstraints] == (x509.BasicConstraints(ca=False, path_length=None), True)
        assert profile.usage is not None
        assert found[x509.ExtendedKeyUsage] == (x509.ExtendedKeyUsage([profile.usage]), False)
        assert certificate.not_valid_before_utc == NOW - timedelta(minutes=5)
        assert certificate.not_valid_after_utc == NOW + profile.lifetime
        assert {x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier} <= set(found)
        assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
    names = house.server.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert house.client.certificate.subject.rfc4514_string() == "CN=acme"


def test_a_certificate_never_outlives_its_issuer(house: House) -> None:
    late = house.issuing.certificate.not_valid_after_utc - timedelta(days=1)
    assert house.leaf(client(), CLIENT, now=late).certificate.not_valid_after_utc == late + timedelta(days=1)


def test_a_realm_longer_than_a_common_name_is_issued_for() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    realm = ".".join(["a" * 60] * 3)
    assert realm_of(sign(key, Authority(realm), ROOT, Issuer(key, None)).certificate) == realm


def refused(house: House, subject: Authority | Hosts | Identity, profile: Profile, issuer: Issuer | None = None) -> str:
    with pytest.raises(IssueError) as error:
        sign(house.keys["leaf"], subject, profile, issuer or house.issuing.issuer)
    return error.value.reason


def test_no_ca_signs_what_is_not_its_business(house: House) -> None:
    assert refused(house, client(), CLIENT, house.root.issuer) == "wrong-issuer"
    assert refused(house, HOSTS, SERVER, house.client.issuer) == "wrong-issuer"
    assert refused(house, Authority(REALM), ISSUING) == "wrong-issuer"
    assert refused(house, Authority(REALM), ROOT, house.root.issuer) == "wrong-issuer"
    assert refused(house, client(), CLIENT, Issuer(house.keys["leaf"], None)) == "wrong-issuer"
    assert refused(house, Authority(REALM), ROOT, Issuer(house.keys["root"], None)) == "wrong-issuer"
    assert refused(house, client(realm="other.example.com"), CLIENT) == "wrong-realm"
    assert refused(house, Authority("other.example.com"), ISSUING, house.root.issuer) == "wrong-realm"
    stolen = Issuer(house.keys["leaf"], house.issuing.certificate)
    assert refused(house, client(), CLIENT, stolen) == "key-mismatch"


def test_a_subject_fits_its_profile(house: House) -> None:
    assert refused(house, HOSTS, CLIENT) == "wrong-subject"
    assert refused(house, client(), SERVER) == "wrong-subject"
    assert refused(house, Authority(REALM), SERVER) == "wrong-subject"
    assert refused(house, Identity(REALM, Role.SUPPORT, "kim"), CLIENT) == "wrong-subject"
    with pytest.raises(IdentityError):  # built past `make`
        sign(house.keys["leaf"], Identity(REALM, Role.CLIENT, "a/../b"), CLIENT, house.issuing.issuer)


@pytest.mark.parametrize(
    "name", ["", "*.example.com", "Mirror.example", "a b", "-a.example", "a..b", "127.0.0.1", "a\n"]
)
def test_a_dns_name_is_exact_lower_case_and_no_address(house: House, name: str) -> None:
    assert refused(house, Hosts("m", (name,)), SERVER) == "bad-name"


@pytest.mark.parametrize("address", ["", "localhost", "256.1.1.1", "10.0.0.0/8", "fe80::1%eth0"])
def test_an_address_is_an_address(house: House, address: str) -> None:
    assert refused(house, Hosts("m", (), (address,)), SERVER) == "bad-name"


def test_a_server_has_names_but_not_without_end(house: House) -> None:
    assert refused(house, Hosts("m"), SERVER) == "no-names"
    assert refused(house, Hosts("m", ("a",) * 65), SERVER) == "no-names"


@pytest.mark.parametrize("serial", [0, -1, 1 << 159])
def test_a_serial_is_positive_and_has_20_octets_at_most(house: House, serial: int) -> None:
    request = Request(house.keys["leaf"].public_key(), client())
    with pytest.raises(IssueError) as error:
        issue(request, CLIENT, house.issuing.issuer, serial=serial, now=NOW)
    assert error.value.reason == "bad-serial"


def test_weak_keys_are_not_certified(house: House) -> None:
    weak = rsa.RSAPublicNumbers(65537, (1 << 2046) | 1).public_key()
    assert not is_strong(weak)
    with pytest.raises(IssueError) as error:
        issue(Request(weak, client()), CLIENT, house.issuing.issuer, serial=1, now=NOW)
    assert error.value.reason == "weak-key"


def test_a_key_is_told_in_a_word() -> None:
    for curve, word in (
        (ec.SECP256R1(), "ecdsa-p256"),
        (ec.SECP384R1(), "ecdsa-p384"),
        (ec.SECP521R1(), "ecdsa-secp521r1"),
    ):
        assert key_kind(ec.generate_private_key(curve).public_key()) == word
    assert key_kind(ed25519.Ed25519PrivateKey.generate().public_key()) == "ed25519"
    assert not is_strong(ed25519.Ed25519PrivateKey.generate().public_key())
    assert not is_strong(ec.generate_private_key(ec.SECP521R1()).public_key())


def test_an_expired_issuer_signs_nothing(house: House) -> None:
    with pytest.raises(IssueError) as error:
        house.leaf(client(), CLIENT, now=house.issuing.certificate.not_valid_after_utc)
    assert error.value.reason == "issuer-expired"


def test_a_crl_carries_number_dates_and_reasons(house: House) -> None:
    entries = [Revoked(number, NOW, reason) for number, reason in enumerate(REASONS, start=1)]
    crl = build_crl(
        house.issuing.certificate, house.issuing.key, entries, number=7, now=NOW, lifetime=timedelta(days=2)
    )
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    assert (crl.last_update_utc, crl.next_update_utc) == (NOW, NOW + timedelta(days=2))
    assert [entry.serial_number for entry in crl] == [1, 2, 3, 4]
    found = [
        [item.value.reason for item in entry.extensions if isinstance(item.value, x509.CRLReason)] for entry in crl
    ]
    assert found == [[], *([REASONS[name]] for name in list(REASONS)[1:])]  # RFC 5280 §5.3.1: unspecified is absent
    with pytest.raises(IssueError) as error:
        build_crl(house.issuing.certificate, house.keys["leaf"], [], number=1, now=NOW)
    assert error.value.reason == "key-mismatch"
