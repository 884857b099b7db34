"""Who shows a certificate that our CA would not sign, or that is not of our CA: refused by name, and told no more.

A handshake proves that a current issuing CA signed it, and nothing else; so all that is wrong within one of those is
for the policy. The audit line names what it is; the caller gets one sentence, the same for each.
"""

import socket
import ssl
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.identity import Identity, Role
from ca.profiles import ISSUING, MIRROR, SUPPORT, Profile
from ca.subjects import Authority
from tests.ca.house import NOW, REALM, House, Party, sign
from tests.hostile.forge import ACME, CLIENT_AUTH, SERVER_AUTH, Form, forge, forge_with_sha1, rsa_key, uri
from tests.hostile.listening import V12, V13, context, ends, read_to_end, refusal, said_to, shown
from tests.mirror.content.rig import Mirror
from tests.mirror.operator.conftest import url_of

HOST: Final = f"spiffe://{REALM}"
DAY: Final = timedelta(days=1)
OF_NO_PROFILE: Final[Mapping[str, tuple[Form, str]]] = {
    "two URIs": (Form(names=(uri(ACME), uri(f"{HOST}/client/globex"))), "two-sans"),
    "the same URI twice": (Form(names=(uri(ACME), uri(ACME))), "two-sans"),
    "a DNS name beside it": (Form(names=(uri(ACME), x509.DNSName("acme.example.com"))), "two-sans not-a-uri"),
    "a DNS name alone": (Form(names=(x509.DNSName("acme.example.com"),)), "not-a-uri"),
    "an e-mail address": (Form(names=(x509.RFC822Name("a@example.com"),)), "not-a-uri"),
    "no name": (Form(names=()), "no-san"),
    "no usage": (Form(usages=None), "wrong-usage"),
    "two usages": (Form(usages=(CLIENT_AUTH, SERVER_AUTH)), "wrong-usage"),
    "another one besides": (Form(usages=(CLIENT_AUTH, ExtendedKeyUsageOID.CODE_SIGNING)), "wrong-usage"),
    "any usage": (Form(usages=(CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)), "wrong-usage"),
    "a CA": (Form(is_ca=True), "is-a-ca"),
    "no key of an issuer": (Form(names_issuer_key=False), "no-issuer-key"),
    "all of it": (Form(names=(), usages=None, is_ca=True), "no-san is-a-ca wrong-usage"),
    "a letter as percent and digits": (Form(names=(uri(f"{HOST}/client/ac%6de"),)), "bad-id"),
    "a slash as percent and digits": (Form(names=(uri(f"{HOST}/client%2facme"),)), "bad-path"),
    "a NUL as percent and digits": (Form(names=(uri(f"{HOST}/client/acme%00"),)), "bad-id"),
    "dots": (Form(names=(uri(f"{HOST}/client/x/../acme"),)), "bad-path"),
    "a wildcard for a customer": (Form(names=(uri(f"{HOST}/client/*"),)), "bad-id"),
    "a wildcard for an installation": (Form(names=(uri(f"{HOST}/client/acme/*"),)), "bad-id"),
    "a wildcard for a role": (Form(names=(uri(f"{HOST}/*/acme"),)), "bad-role"),
    "a role of its own": (Form(names=(uri(f"{HOST}/admin/acme"),)), "bad-role"),
    "a query": (Form(names=(uri(f"{ACME}?x"),)), "bad-id"),
    "an end of line": (Form(names=(uri(f"{ACME}\r\nX: y"),)), "bad-id"),
    "too long": (Form(names=(uri(f"{HOST}/client/{'a' * 600}"),)), "bad-uri"),
    "another scheme": (Form(names=(uri(f"https://{REALM}/client/acme"),)), "bad-uri"),
    "a port": (Form(names=(uri(f"{HOST}:443/client/acme"),)), "bad-realm"),
}
"""Signed by our issuing CA, with its key; and what the audit line says of it."""

OUT_OF_ITS_NAME: Final[Mapping[str, Form]] = {
    "another realm": Form(names=(uri("spiffe://other.example.com/client/acme"),)),
    "a realm below ours": Form(names=(uri(f"spiffe://x.{REALM}/client/acme"),)),
    "ours as a user": Form(names=(uri(f"spiffe://{REALM}@other.example.com/client/acme"),)),
    "a realm that percent hides": Form(names=(uri("spiffe://build%2eexample.com/client/acme"),)),
    "a wildcard for a realm": Form(names=(uri("spiffe://*.example.com/client/acme"),)),
    "an ours and another": Form(names=(uri(ACME), uri("spiffe://other.example.com/client/acme"))),
    "no realm": Form(names=(uri("spiffe:///client/acme"),)),
}
"""Signed by our issuing CA, which may not do that: it is constrained to its realm, and OpenSSL holds it to that."""

FOR_ANOTHER_USE: Final[Mapping[str, Form]] = {
    "a server": Form(usages=(SERVER_AUTH,)),
    "who signs code": Form(usages=(ExtendedKeyUsageOID.CODE_SIGNING,)),
}


def told(mirror: Mirror, party: Party) -> dict[str, object]:
    """The line of the audit about a certificate."""
    return mirror.audited(serial=f"{party.certificate.serial_number:x}")


def test_one_that_our_ca_would_sign_is_served(mirror: Mirror, tmp_path: Path) -> None:
    party = forge(Form(), mirror.house.issuing)
    assert said_to(mirror, context(shown(party, tmp_path))).startswith(b"HTTP/1.1 200 OK")
    assert told(mirror, party)["customer"] == "acme"


@pytest.mark.parametrize(("form", "problems"), OF_NO_PROFILE.values(), ids=list(OF_NO_PROFILE))
def test_one_of_no_profile_of_ours_is_refused_in_one_sentence_and_named_in_the_audit(
    mirror: Mirror, tmp_path: Path, form: Form, problems: str
) -> None:
    party = forge(form, mirror.house.issuing)
    body = refusal(said_to(mirror, context(shown(party, tmp_path))))
    line = told(mirror, party)
    assert (line["reason"], line["detail"], line["status"]) == ("bad-certificate", problems, 403)
    assert body == {
        "detail": "The client certificate is not of a form that this mirror accepts.",
        "reason": "bad-certificate",
        "request": line["request"],
        "status": 403,
        "time": body["time"],
        "title": "Bad certificate",
        "type": "about:blank",
    }


def expired(house: House) -> Party:
    return forge(Form(begins=NOW - 40 * DAY, ends=NOW - 15 * DAY), house.issuing)


def not_yet_valid(house: House) -> Party:
    return forge(Form(begins=NOW + DAY, ends=NOW + 2 * DAY), house.issuing)


@pytest.mark.parametrize(("make", "reason"), [(expired, "expired"), (not_yet_valid, "not-yet-valid")])
@pytest.mark.parametrize("version", [V12, V13])
def test_one_out_of_its_dates_is_refused_by_name(
    mirror: Mirror, tmp_path: Path, make: Callable[[House], Party], reason: str, version: ssl.TLSVersion
) -> None:
    party = make(mirror.house)
    assert refusal(said_to(mirror, context(shown(party, tmp_path), version)))["reason"] == reason
    assert told(mirror, party)["reason"] == reason


@pytest.mark.parametrize("profile", [MIRROR, SUPPORT])
def test_one_of_another_role_has_no_business_with_licences(mirror: Mirror, tmp_path: Path, profile: Profile) -> None:
    assert profile.role is not None
    party = mirror.house.leaf(Identity(REALM, Role(profile.role), "eu"), profile)
    assert refusal(said_to(mirror, context(shown(party, tmp_path))))["reason"] == "wrong-role"
    assert told(mirror, party)["name"] == "eu"


@pytest.mark.parametrize("version", [V12, V13])
def test_one_that_no_current_issuing_ca_may_sign_ends_the_handshake(
    mirror: Mirror, other_house: House, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    house = mirror.house
    retired = sign(house.keys["root"], Authority(REALM), ISSUING, house.root.issuer)
    below = forge(Form(is_ca=True), house.issuing)
    strangers = {
        **{name: [forge(form, house.issuing)] for name, form in {**OUT_OF_ITS_NAME, **FOR_ANOTHER_USE}.items()},
        "of another CA": [other_house.client],
        "of another CA, with its own": [other_house.client, other_house.issuing],
        "of a retired issuing CA": [forge(Form(), retired)],
        "of a retired issuing CA, with it": [forge(Form(), retired), retired],
        "with it and the root": [forge(Form(), retired), retired, house.root],
        "of the root itself": [forge(Form(), house.root), house.root],
        "of a client that is a CA": [forge(Form(), below), below],
        "of a client that is none": [forge(Form(), house.client), house.client],
        "of nobody else": [forge(Form(), None)],
        "the root": [house.root],
        "the issuing CA itself": [house.issuing],
        "with a weak key": [forge(Form(), house.issuing, rsa_key(1024))],
        "by SHA-1": [forge_with_sha1(f"URI:{ACME}", "clientAuth", house.issuing, tmp_path)],
    }
    with ends(mirror, unknown_ca=len(strangers)):
        for name, (party, *chain) in strangers.items():
            assert said_to(mirror, context(shown(party, tmp_path, *chain), version)) == b"", name


@pytest.mark.parametrize("what", ["two URIs", "no usage", "two usages", "a CA", "a role of its own", "too long"])
def test_the_operator_listener_says_no_more_to_one_of_no_profile(mirror: Mirror, tmp_path: Path, what: str) -> None:
    form, problems = OF_NO_PROFILE[what]
    party = forge(form, mirror.house.issuing)
    using, (host, _, port) = context(shown(party, tmp_path)), url_of(mirror).removeprefix("https://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as plain, using.wrap_socket(plain) as connection:
        connection.sendall(b"GET /crls HTTP/1.1\r\nHost: x\r\n\r\n")
        body = refusal(read_to_end(connection))
    assert body == {"reason": "bad-certificate", "detail": "This certificate may not call here."}
    assert mirror.audited(route="operator", reason="bad-certificate", detail=problems)
