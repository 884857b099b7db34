"""Certificates are asked for on the content listener, of a running mirror; each refusal by its name."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from ca.identity import Identity, Role
from ca.profiles import ENROL as ENROL_PROFILE
from mirror.content.certificates import pause
from mirror.records.requests import Answered
from spot_client.wire import est
from tests.ca.house import NOW, REALM, Party, der_of
from tests.mirror.content.rig import Caller, Mirror, Reply

ENROL: Final = "/.well-known/est/simpleenroll"
REENROL: Final = "/.well-known/est/simplereenroll"
KEY: Final = ec.generate_private_key(ec.SECP256R1())


def request(identity: Identity) -> bytes:
    """A request for this identity; never the same twice, since its signature is not."""
    name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)])
    builder = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(name, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def ours(installation: str | None, customer: str = "acme", role: Role = Role.CLIENT) -> Identity:
    return Identity(REALM, role, customer, installation)


def post(caller: Caller, path: str, der: bytes, content_type: str = est.REQUEST_TYPE) -> Reply:
    return caller(path, "POST", est.encode_request(der), Content_Type=content_type)


def reason(reply: Reply) -> tuple[int, str]:
    return reply[0], msgspec.json.decode(reply[2])["reason"]


def enrolled(mirror: Mirror, party: Party) -> tuple[Caller, str]:
    caller = mirror.caller(party)
    status, _, raw = caller("/installations", "POST")
    assert status == 201
    return caller, msgspec.json.decode(raw)["installation"]


def test_a_request_waits_until_it_is_answered_and_the_same_bytes_then_get_the_certificate(mirror: Mirror) -> None:
    party = mirror.party()
    acme, installation = enrolled(mirror, party)
    der = request(ours(installation))
    for _ in range(2):
        status, headers, body = post(acme, ENROL, der)
        assert (status, body) == (202, b"")
        assert 60 <= int(headers["Retry-After"]) < 120
    own = mirror.party(installation=installation)
    with mirror.records() as records:
        (waiting,) = [one for one in records.waiting(0, 100) if one.asked.installation == installation]
        assert waiting.asked.request == der
        assert waiting.asked.requester == der_of(party.certificate)
        records.answer(waiting.asked.digest, Answered(certificate=der_of(own.certificate)), NOW)
    status, headers, body = post(acme, ENROL, der)
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, est.ANSWER_TYPE, "private, no-store")
    assert est.decode_answer(body) == der_of(own.certificate)

    put = f"/installations/{installation}/thin-snapshot"
    mirror.until(lambda: acme(put, "PUT", b"{}")[0] == 403)
    assert acme.reason(put, "PUT", b"{}") == (403, "own-certificate")
    assert reason(post(acme, ENROL, request(ours(installation)))) == (403, "own-certificate")
    itself = mirror.caller(own)
    assert post(itself, REENROL, request(ours(installation)))[0] == 202
    assert itself(put, "PUT", b'{"components":{},"format":1,"min_spot":"0.1"}')[0] == 204


@pytest.mark.parametrize(
    ("waited", "seconds"),
    [(timedelta(0), 60), (timedelta(minutes=4), 60), (timedelta(hours=1), 900), (timedelta(days=9), 6 * 3600)],
)
def test_whoever_waits_long_asks_seldom(waited: timedelta, seconds: int) -> None:
    assert (pause(waited, 0), pause(waited, 1)) == (seconds, 2 * seconds)


def test_a_request_that_was_denied_stays_so(mirror: Mirror) -> None:
    acme, installation = enrolled(mirror, mirror.party())
    der = request(ours(installation))
    assert post(acme, ENROL, der)[0] == 202
    with mirror.records() as records:
        (waiting,) = [one for one in records.waiting(0, 100) if one.asked.installation == installation]
        records.answer(waiting.asked.digest, Answered(denied="clone-suspected"), NOW)
    assert reason(post(acme, ENROL, der)) == (403, "request-denied")
    assert mirror.audited(reason="request-denied", customer="acme", detail="clone-suspected")


def test_a_package_that_only_enrols_enrols_and_does_nothing_else(mirror: Mirror) -> None:
    package = mirror.house.leaf(ours(None, role=Role.ENROL), ENROL_PROFILE)
    caller, installation = enrolled(mirror, package)
    assert post(caller, ENROL, request(ours(installation)))[0] == 202
    for path in ("/licences", "/catalogue/timestamp.json", "/releases/sdk/botocore/1.40.0/any/pack"):
        assert caller.reason(path) == (403, "enrol-only")
    assert mirror.audited(reason="enrol-only", customer="acme", role="enrol")


def test_too_many_requests_of_one_installation_wait_for_nobody(mirror: Mirror) -> None:
    acme, installation = enrolled(mirror, mirror.party())
    for _ in range(4):
        assert post(acme, ENROL, request(ours(installation)))[0] == 202
    status, headers, _ = reply = post(acme, ENROL, request(ours(installation)))
    assert reason(reply) == (429, "too-many-requests")
    assert (status, headers["Retry-After"]) == (429, "3600")


@pytest.mark.parametrize(
    ("wanted", "refused"),
    [
        (lambda _mine: ours(None), (422, "bad-certificate-request")),
        (lambda mine: ours(mine, "globex"), (422, "bad-certificate-request")),
        (lambda mine: Identity("other.example.com", Role.CLIENT, "acme", mine), (422, "bad-certificate-request")),
        (lambda _mine: ours(None, "acme", Role.CA_OPERATOR), (422, "bad-certificate-request")),
        (lambda _mine: ours(None, "acme", Role.ENROL), (422, "bad-certificate-request")),
        (lambda _mine: ours("0000000000000000"), (403, "not-your-installation")),
    ],
)
def test_another_identity_is_not_asked_for(
    mirror: Mirror, wanted: Callable[[str], Identity], refused: tuple[int, str]
) -> None:
    acme, installation = enrolled(mirror, mirror.party())
    assert reason(post(acme, ENROL, request(wanted(installation)))) == refused


def test_another_installation_is_not_asked_for_with_ones_own_certificate(mirror: Mirror) -> None:
    _, mine = enrolled(mirror, mirror.party())
    _, other = enrolled(mirror, mirror.party())
    itself = mirror.caller(mirror.party(installation=mine))
    assert reason(post(itself, REENROL, request(ours(other)))) == (422, "bad-certificate-request")
    assert reason(post(itself, ENROL, request(ours(mine)))) == (403, "not-your-installation")


def test_what_is_no_request_is_refused_before_it_is_stored(mirror: Mirror) -> None:
    acme, installation = enrolled(mirror, mirror.party())
    der = request(ours(installation))
    assert reason(post(acme, ENROL, b"no request")) == (422, "bad-certificate-request")
    assert reason(acme(ENROL, "POST", b"*", Content_Type=est.REQUEST_TYPE)) == (422, "bad-certificate-request")
    assert reason(post(mirror.caller(mirror.party()), ENROL, der, "text/plain")) == (415, "bad-request")
    long = b"A" * (est.MAX_BODY + 1)
    reply = mirror.caller(mirror.party())(ENROL, "POST", long, Content_Type=est.REQUEST_TYPE)
    assert reason(reply) == (413, "too-large")
    with mirror.records() as records:
        assert [one for one in records.waiting(0, 100) if one.asked.installation == installation] == []


def test_a_second_certificate_of_the_same_customer_asks_about_the_same_request(mirror: Mirror) -> None:
    """Whoever has the very bytes may ask what came of them: a certificate is no secret, its key is."""
    acme, installation = enrolled(mirror, mirror.party())
    der = request(ours(installation))
    assert post(acme, ENROL, der)[0] == 202
    assert post(mirror.caller(mirror.party()), ENROL, der)[0] == 202
