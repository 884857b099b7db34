"""The operator listener of a running mirror: lists in, requests out and decided, and nobody else let in."""

import shutil
import socket
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ca.calls import Decision
from ca.errors import OperatorError
from ca.identity import Identity, Role
from ca.issue import Issuer, Revoked, build_crl
from ca.operator import Operator, open_operator
from ca.profiles import CA_OPERATOR, CLIENT, SERVER, SUPPORT
from ca.revocation import MAX_CRL
from spot_client.wire import est
from tests.ca.house import HOSTS, NOW, REALM, House, Party, der_of, pem_of, sign
from tests.mirror.content.rig import Mirror
from tests.mirror.content.test_certificates import ENROL, KEY, enrolled, ours, post, reason, request
from tests.mirror.operator.conftest import operator_of, operator_party, url_of


def crl(issuer: Issuer, *revoked: Party, number: int = 7, now: datetime = NOW) -> bytes:
    assert issuer.certificate is not None
    entries = [Revoked(one.certificate.serial_number, NOW, "key-compromise") for one in revoked]
    return build_crl(issuer.certificate, issuer.key, entries, number=number, now=now).public_bytes(Encoding.DER)


def refused(call: Callable[[], object]) -> str:
    """What a mirror refuses with, by its sentence."""
    with pytest.raises(OperatorError) as caught:
        call()
    assert caught.value.reason == "mirror-refuses"
    return str(caught.value).partition("(")[2].partition(")")[0]


def test_a_pushed_list_binds_before_the_call_is_answered_and_lasts(mirror: Mirror, operator: Operator) -> None:
    party = mirror.party()
    acme = mirror.caller(party)
    assert acme("/licences")[0] == 200
    held = operator.push(crl(mirror.house.issuing.issuer, party))
    assert (held.number, held.revoked) == (7, 1)
    assert acme.reason("/licences") == (403, "revoked")
    assert operator.lists().lists == (held,)
    assert operator.push(crl(mirror.house.issuing.issuer, party)).number == 7
    line = mirror.audited(route="operator", status=200, method="PUT")
    assert (line["name"], line["role"], line["file"]) == ("issuing-host", "ca-operator", "/crls")


def test_a_pushed_list_outlives_the_process(mirror: Mirror, house: House, tmp_path: Path) -> None:
    party = mirror.party()
    operator_of(mirror, operator_party(house)).push(crl(house.issuing.issuer, party))
    again = tmp_path / "again"
    shutil.copytree(mirror.folder, again, ignore=lambda *_: {"again"})
    restarted = Mirror(again, house, bare=True)  # with the older list in its file
    with restarted.running():
        assert restarted.caller(party).reason("/licences") == (403, "revoked")


def test_a_list_that_has_lapsed_keeps_nobody_from_bringing_the_next(tmp_path: Path, house: House) -> None:
    made, issuer = Mirror(tmp_path, house), house.issuing.issuer
    made.publish()
    made.put_crl(issuer, [], 5, NOW - timedelta(days=38))
    with made.running('[operator]\nlisten = "127.0.0.1:0"'):
        operator, client = (operator_of(made, party) for party in (operator_party(house), made.party()))
        assert refused(operator.lists) == "revocation-unknown"
        assert refused(lambda: client.push(crl(issuer))) == "revocation-unknown"
        assert refused(lambda: operator.push(crl(issuer, number=4))) == "older-number"
        assert operator.push(crl(issuer)).number == 7
        assert len(operator.lists().lists) == 1
        assert refused(lambda: client.push(crl(issuer, number=8))) == "wrong-role"
        assert made.caller(made.party())("/licences")[0] == 200


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (lambda _mirror, other: crl(other.issuing.issuer, number=9), "wrong-issuer"),
        (lambda mirror, _other: crl(mirror.house.issuing.issuer, number=1), "older-number"),
        (
            lambda mirror, _other: crl(mirror.house.issuing.issuer, number=9, now=NOW + timedelta(days=1)),
            "not-yet-valid",
        ),
        (lambda mirror, _other: crl(mirror.house.issuing.issuer, number=9)[:-4] + b"oops", "bad-signature"),
        (lambda _mirror, _other: b"no list", "not-a-crl"),
        (lambda _mirror, _other: b"-" * (MAX_CRL + 1), "too-large"),
    ],
)
def test_a_list_that_is_not_to_be_believed_is_refused_by_name_and_the_last_one_stays(
    mirror: Mirror, other_house: House, operator: Operator, bad: Callable[[Mirror, House], bytes], why: str
) -> None:
    party = mirror.party()
    good = operator.push(crl(mirror.house.issuing.issuer, party))
    assert refused(lambda: operator.push(bad(mirror, other_house))) == why
    assert operator.lists().lists == (good,)
    assert mirror.caller(party).reason("/licences") == (403, "revoked")
    assert mirror.audited(route="operator", reason=why)


def test_requests_are_fetched_and_answered(mirror: Mirror, operator: Operator) -> None:
    party = mirror.party()
    acme, installation = enrolled(mirror, party)
    der = request(ours(installation))
    assert post(acme, ENROL, der)[0] == 202
    (waiting,) = operator.waiting()
    assert (waiting.request, waiting.requester) == (der, der_of(party.certificate))
    for wrong in (mirror.party(installation=installation), sign(KEY, ours(None), CLIENT, mirror.house.issuing.issuer)):
        decision = Decision(certificate=der_of(wrong.certificate))
        assert refused(lambda: operator.decide(waiting.digest, decision)) == "wrong-certificate"  # noqa: B023
    answer = der_of(sign(KEY, ours(installation), CLIENT, mirror.house.issuing.issuer).certificate)
    operator.decide(waiting.digest, Decision(certificate=answer))
    operator.decide(waiting.digest, Decision(certificate=answer))
    assert [*operator.waiting()] == []
    assert est.decode_answer(post(acme, ENROL, der)[2]) == answer
    assert refused(lambda: operator.decide(waiting.digest, Decision(denied="too-late"))) == "answered-already"


def test_a_denied_request_is_told_so(mirror: Mirror, operator: Operator) -> None:
    acme, installation = enrolled(mirror, mirror.party())
    der = request(ours(installation))
    post(acme, ENROL, der)
    (waiting,) = operator.waiting()
    operator.decide(waiting.digest, Decision(denied="clone-suspected"))
    assert reason(post(acme, ENROL, der)) == (403, "request-denied")
    assert refused(lambda: operator.decide("0" * 64, Decision(denied="never-asked"))) == "no-request"


def test_more_requests_than_one_answer_holds_are_all_told(mirror: Mirror, operator: Operator) -> None:
    sent = []
    party = mirror.party()
    for _ in range(26):
        acme, installation = enrolled(mirror, party)
        for _ in range(4):
            sent.append(request(ours(installation)))
            assert post(acme, ENROL, sent[-1])[0] == 202
    assert [one.request for one in operator.waiting()] == sent


@pytest.mark.parametrize("who", [Identity(REALM, Role.CLIENT, "acme"), Identity(REALM, Role.SUPPORT, "ann")])
def test_nobody_else_is_let_in(mirror: Mirror, who: Identity) -> None:
    party = mirror.party() if who.role is Role.CLIENT else mirror.house.leaf(who, SUPPORT)
    assert refused(operator_of(mirror, party).lists) == "wrong-role"
    assert mirror.audited(route="operator", reason="wrong-role", name=who.name)


def test_a_revoked_or_expired_operator_is_not_let_in(mirror: Mirror, operator: Operator) -> None:
    party = operator_party(mirror.house)
    operator.push(crl(mirror.house.issuing.issuer, party))
    assert refused(operator_of(mirror, party).lists) == "revoked"
    old = mirror.house.leaf(Identity(REALM, Role.CA_OPERATOR, "old"), CA_OPERATOR, NOW - timedelta(days=400))
    assert refused(operator_of(mirror, old).lists) == "expired"


def test_a_certificate_of_another_ca_gets_no_answer(mirror: Mirror, other_house: House) -> None:
    with pytest.raises(OperatorError) as caught:
        operator_of(mirror, operator_party(other_house)).lists()
    assert caught.value.reason == "no-answer"


def test_the_content_listener_does_not_know_operators_nor_the_other_way_round(mirror: Mirror) -> None:
    party = operator_party(mirror.house)
    assert mirror.caller(party).reason("/crls") == (403, "wrong-role")
    assert refused(lambda: operator_of(mirror, party)._ask("GET", "/licences")) == "no-such-call"


def test_a_server_that_is_not_pinned_is_sent_nothing(mirror: Mirror) -> None:
    files = operator_party(mirror.house).files(mirror.folder, "me")
    pin = mirror.folder / "other.pem"
    pin.write_bytes(pem_of(mirror.house.leaf(HOSTS, SERVER).certificate))
    with pytest.raises(OperatorError) as caught:
        open_operator(url_of(mirror), **files, pins=pin).lists()
    assert caught.value.reason == "wrong-server"


def test_only_tls_13_is_spoken(mirror: Mirror) -> None:
    context = mirror.context(operator_party(mirror.house))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    host, _, port = url_of(mirror).removeprefix("https://").rpartition(":")
    with pytest.raises(ssl.SSLError), socket.create_connection((host, int(port)), timeout=5) as plain:
        context.wrap_socket(plain, server_hostname=host)
