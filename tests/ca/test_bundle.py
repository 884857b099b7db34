"""A bundle is one canonical document whose parts belong together."""

import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ca.bundle import MAX_BUNDLE, Bundle, MirrorPins, check, check_vendor_side, decode, encode
from ca.errors import BundleError
from ca.identity import Role, make
from ca.profiles import CA_OPERATOR, CLIENT, ENROL, MIRROR, SERVER, SUPPORT, KeyType, Profile
from ca.subjects import Hosts
from tests.ca.house import HOSTS, REALM, House, key_pem, pem_of, reason_of

URL = "https://localhost:8443"
ROOT_JSON = '{\n "signed": {"_type": "root", "version": 1},\n "signatures": []\n}\n'


def bundle_of(house: House) -> Bundle:
    return Bundle(
        realm=REALM,
        customer="acme",
        client_certificate=pem_of(house.client.certificate).decode(),
        client_key=key_pem(house.client.key).decode(),
        mirrors=(MirrorPins(URL, (pem_of(house.server.certificate).decode(),)),),
        catalogue_root=ROOT_JSON,
    )


@pytest.fixture
def bundle(house: House) -> Bundle:
    return bundle_of(house)


def mismatch(bundle: Bundle, **changed: Any) -> str:
    with pytest.raises(BundleError) as refused:
        check(msgspec.structs.replace(bundle, **changed))
    assert refused.value.reason == "bundle-mismatch"
    return str(refused.value)


def bad(raw: bytes) -> str:
    with pytest.raises(BundleError) as refused:
        decode(raw)
    return refused.value.reason


def reshaped(bundle: Bundle, **changed: Any) -> bytes:
    document = {**json.loads(encode(bundle)), **changed}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize("key_type", KeyType)
def test_a_bundle_survives_the_way(houses: dict[KeyType, House], key_type: KeyType) -> None:
    bundle = bundle_of(houses[key_type])
    assert decode(encode(bundle)) == bundle
    check(decode(encode(bundle)))


def test_the_names_of_its_fields_are_frozen(bundle: Bundle) -> None:
    document = json.loads(encode(bundle))
    assert list(document) == [
        "catalogue_root",
        "client_certificate",
        "client_key",
        "customer",
        "format",
        "min_spot",
        "mirrors",
        "realm",
    ]
    assert (document["format"], document["min_spot"]) == (1, "0.1")
    assert list(document["mirrors"][0]) == ["pins", "url"]


def test_a_newer_format_is_told_apart_whatever_else_it_holds(bundle: Bundle) -> None:
    assert bad(reshaped(bundle, format=2)) == "too-new"
    assert bad(b'{"format":3,"wholly":["other"]}') == "too-new"


def test_another_shape_is_no_bundle(bundle: Bundle) -> None:
    assert bad(b"") == "bad-bundle"
    assert bad(b"[]") == "bad-bundle"
    assert bad(encode(bundle)[:-1]) == "bad-bundle"
    assert bad(encode(bundle) + b"\n") == "bad-bundle"
    assert bad(b'{"format":1,' + encode(bundle)[1:]) == "bad-bundle"
    assert bad(b" " * (MAX_BUNDLE + 1)) == "bad-bundle"
    for number in (0, -1, True, "1", None):
        assert bad(reshaped(bundle, format=number)) == "bad-bundle"
    assert bad(reshaped(bundle, extra=1)) == "bad-bundle"
    assert bad(reshaped(bundle, mirrors=[{"url": URL, "pins": [], "extra": 1}])) == "bad-bundle"
    assert bad(reshaped(bundle, mirrors=[{"url": URL, "pins": ["x"] * 9}])) == "bad-bundle"
    assert bad(reshaped(bundle, client_key="x" * 40_000)) == "bad-bundle"


def test_the_client_is_of_this_realm_and_customer(bundle: Bundle) -> None:
    assert "not of spiffe://other.example.com/client/acme" in mismatch(bundle, realm="other.example.com")
    assert "not of spiffe://build.example.com/client/globex" in mismatch(bundle, customer="globex")
    assert "unusable" in mismatch(bundle, customer="../x")
    assert "unusable" in mismatch(bundle, realm="localhost")


def test_the_client_certificate_is_one(bundle: Bundle, house: House) -> None:
    assert "unusable" in mismatch(bundle, client_certificate="none")
    assert "wrong-usage" in mismatch(bundle, client_certificate=pem_of(house.server.certificate).decode())
    assert "is-a-ca" in mismatch(bundle, client_certificate=pem_of(house.issuing.certificate).decode())
    chain = pem_of(house.client.certificate) + pem_of(house.issuing.certificate)
    assert "more than the leaf" in mismatch(bundle, client_certificate=chain.decode())


def test_what_can_only_enrol_is_a_client_too(bundle: Bundle, house: House) -> None:
    party = house.leaf(make(REALM, Role.ENROL, "acme"), ENROL)
    for_enrolment = msgspec.structs.replace(bundle, client_certificate=pem_of(party.certificate).decode())
    check(decode(encode(for_enrolment)))
    assert for_enrolment.format == 1
    other = house.leaf(make(REALM, Role.ENROL, "globex"), ENROL)
    assert "enrol/globex, not of" in mismatch(bundle, client_certificate=pem_of(other.certificate).decode())


@pytest.mark.parametrize("profile", [MIRROR, SUPPORT, CA_OPERATOR])
def test_another_role_is_no_client(bundle: Bundle, house: House, profile: Profile) -> None:
    assert profile.role is not None
    party = house.leaf(make(REALM, profile.role, "acme"), profile)
    message = mismatch(bundle, client_certificate=pem_of(party.certificate).decode())
    assert f"spiffe://{REALM}/{profile.name}/acme, not of" in message


def test_parts_of_another_ca_of_the_same_realm_do_not_fit(bundle: Bundle, other_house: House) -> None:
    other = bundle_of(other_house)
    assert "not that of the client certificate" in mismatch(bundle, client_key=other.client_key)
    assert "not that of the client certificate" in mismatch(bundle, client_certificate=other.client_certificate)


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"1e400", b"[" * 300_000, b'{"a":' * 150_000])
def test_hostile_json_is_no_bundle(bundle: Bundle, value: bytes) -> None:
    assert bad(b'{"format":1,"realm":' + value) == "bad-bundle"
    assert bad(encode(bundle).replace(b'"format":1', b'"format":' + value)) == "bad-bundle"
    assert bad(b"[" * 10_000_000) == "bad-bundle"


def test_what_the_parser_says_is_not_told(bundle: Bundle) -> None:
    with pytest.raises(
        BundleError, match=r"^This is not a bundle, or a damaged one \(not-json\): get a new one"
    ) as refused:
        decode(encode(bundle)[:-1])
    assert "line 1" not in str(refused.value)


@given(st.binary(max_size=80) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_refused(raw: bytes) -> None:
    for spelled in (raw, b'{"format":1,' + raw):
        assert bad(spelled) in {"bad-bundle", "too-new"}


@pytest.mark.filterwarnings("ignore:.*:Warning")  # the certificate library's, about what it is given to read
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10_000), length=st.integers(0, 30), text=st.binary(max_size=10))
def test_a_changed_bundle_is_refused_or_still_one_that_fits(
    house: House, position: int, length: int, text: bytes
) -> None:
    raw = encode(bundle_of(house))
    position %= len(raw)
    changed: list[Bundle] = []

    def read() -> None:
        found = decode(raw[:position] + text + raw[position + length :])
        check(found)
        changed.append(found)

    assert reason_of(read) in {None, "bad-bundle", "bundle-mismatch", "too-new"}
    assert {(found.realm, found.customer) for found in changed} <= {(REALM, "acme")}


def test_an_installations_certificate_serves_its_customer(bundle: Bundle, house: House) -> None:
    party = house.leaf(make(REALM, Role.CLIENT, "acme", "i-1"), CLIENT)
    check(msgspec.structs.replace(bundle, client_certificate=pem_of(party.certificate).decode()))


def test_the_key_belongs_to_the_certificate_and_is_not_encrypted(bundle: Bundle, house: House) -> None:
    assert "not that of the client certificate" in mismatch(bundle, client_key=key_pem(house.keys["root"]).decode())
    sealed = house.client.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    assert "unencrypted" in mismatch(bundle, client_key=sealed.decode())
    assert "unencrypted" in mismatch(bundle, client_key="none")


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8443",
        "HTTPS://localhost:8443",
        "https://localhost:8443/",
        "https://localhost:8443/path",
        "https://user@localhost:8443",
        "https://user:secret@localhost",
        "https://localhost:8443?x",
        "https://localhost:8443#x",
        "https://localhost:08443",
        "https://localhost:99999",
        "https://localhost:0",
        "https://localhost:",
        "https://LOCALHOST",
        "https://",
        "https://[::1",
        "https://locälhost",
        "https://localhost:8443\n",
        "localhost:8443",
        "",
    ],
)
def test_a_mirror_has_one_spelling(bundle: Bundle, url: str) -> None:
    mirror = msgspec.structs.replace(bundle.mirrors[0], url=url)
    assert "is not of the form" in mismatch(bundle, mirrors=(mirror,))


@pytest.mark.parametrize("url", ["https://localhost", "https://127.0.0.1:8443", "https://[::1]:8443"])
def test_a_mirror_may_be_an_address(bundle: Bundle, url: str) -> None:
    check(msgspec.structs.replace(bundle, mirrors=(msgspec.structs.replace(bundle.mirrors[0], url=url),)))


def test_every_mirror_has_pins_that_are_its_own(bundle: Bundle, house: House) -> None:
    def with_pins(*pins: bytes) -> tuple[MirrorPins, ...]:
        return (MirrorPins(URL, tuple(pin.decode() for pin in pins)),)

    mine = pem_of(house.server.certificate)
    elsewhere = house.leaf(Hosts("far", ("far.example.com",)), SERVER)
    assert "no mirror" in mismatch(bundle, mirrors=())
    assert "has no pin" in mismatch(bundle, mirrors=with_pins())
    assert "named twice" in mismatch(bundle, mirrors=with_pins(mine) * 2)
    assert "pin-is-ca" in mismatch(bundle, mirrors=with_pins(mine, pem_of(house.issuing.certificate)))
    assert "not-a-server" in mismatch(bundle, mirrors=with_pins(pem_of(house.client.certificate)))
    assert "more than one" in mismatch(bundle, mirrors=with_pins(mine + mine))
    assert "not a certificate for localhost" in mismatch(bundle, mirrors=with_pins(pem_of(elsewhere.certificate)))
    check(msgspec.structs.replace(bundle, mirrors=with_pins(mine, pem_of(house.leaf(HOSTS, SERVER).certificate))))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"signed":[]}', '{"signed":{"_type":"targets"}}', "\ud800", '{"a":1,"a":1}']
)
def test_the_catalogue_root_is_a_tuf_root(bundle: Bundle, text: str) -> None:
    assert "not a TUF root.json" in mismatch(bundle, catalogue_root=text)


def test_everything_wrong_is_named_at_once(bundle: Bundle) -> None:
    message = mismatch(bundle, customer="globex", mirrors=(MirrorPins("http://x", ()),), catalogue_root="{}")
    for part in ("globex", "http://x", "has no pin", "root.json"):
        assert part in message


def test_the_vendors_side_is_checked_before_there_is_a_client(bundle: Bundle) -> None:
    check_vendor_side(bundle.mirrors, ROOT_JSON)
    with pytest.raises(BundleError, match=r"root\.json"):
        check_vendor_side(bundle.mirrors, "{}")


def test_no_message_tells_the_key(bundle: Bundle, house: House) -> None:
    secret = key_pem(house.keys["root"]).decode()
    message = mismatch(bundle, client_key=secret[:-40], customer="globex")
    assert secret.splitlines()[1] not in message
    assert "PRIVATE" not in repr(bundle)
