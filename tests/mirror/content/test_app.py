"""mirror.content.app over real TLS: who gets in, one spelling a path, and one audit line a request."""

import re
from datetime import timedelta

import msgspec
import pytest

from ca.identity import Identity, Role
from ca.profiles import CLIENT
from tests.ca.house import NOW, REALM, Party
from tests.mirror.content.rig import Caller, Mirror, Published

PACK = "/releases/sdk/botocore/1.40.0/any/pack"
THEIRS, NOBODYS = "/releases/science/numpy/2.2.5/any/pack", "/releases/nothing/numpy/2.2.5/any/pack"


@pytest.fixture
def acme(mirror: Mirror) -> Caller:
    return mirror.caller(mirror.party())


def exchange(mirror: Mirror, raw: bytes, party: Party | None = None) -> bytes:
    """Send bytes as they are, and read until the mirror closes."""
    with mirror.raw(mirror.context(party or mirror.party())) as connection:
        connection.sendall(raw)
        answer = b""
        while chunk := connection.recv(2**16):
            answer += chunk
    return answer


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


@pytest.mark.parametrize("what", ["pack", "manifest"])
def test_unlicensed_and_not_existing_are_alike_but_for_time_and_request(acme: Caller, what: str) -> None:
    answers = []
    for path in (THEIRS, NOBODYS):
        status, headers, raw = acme(path.replace("pack", what))
        told = msgspec.json.decode(raw)
        del told["time"], told["request"]
        answers.append((status, {name: value for name, value in headers.items() if name != "Date"}, told))
    assert answers[0] == answers[1]
    assert answers[0][0] == 403
    assert answers[0][2]["reason"] == "not-licensed"


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_too_tell_nothing_of_what_exists(acme: Caller, method: str) -> None:
    answers = [acme(path, method)[:2] for path in (THEIRS, NOBODYS)]
    plain = [(status, {**headers, "Date": ""}) for status, headers in answers]
    assert plain[0] == plain[1]


def test_a_wrong_method_is_told_the_right_ones(acme: Caller) -> None:
    status, headers, _ = acme(PACK, "DELETE")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "target",
    [
        "//licences",
        "/licences/",
        "/licences?x",
        "/licences?",
        "/licences#x",
        "/%6cicences",
        "/licences%2e",
        "/./licences",
        "/../licences",
        "/catalogue/../licences",
        "/catalogue/%2e%2e/records.sqlite",
        "/catalogue/..",
        "/catalogue/targets/sdk/botocore/../../../1.root.json",
        "/releases/sdk/botocore/1.40.0/any/../any/pack",
        "/releases/sdk/botocore/1.40/any/pack/",
        "/releases/SDK/botocore/1.40.0/any/pack",
        "/releases/sdk/botocore/01.40.0/any/pack",
        "/catalogue/01.root.json",
        "/catalogue/root.json",
        "/catalogue/1.timestamp.json",
        "/Licences",
        "/licences;x=1",
        "https://127.0.0.1/licences",
        "http://127.0.0.1:8443/licences",
        "/" + "a" * 2000,
        "/",
    ],
)
def test_a_path_has_one_spelling(mirror: Mirror, target: str) -> None:
    answer = exchange(mirror, get(target))
    assert answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 "))
    assert b"sdk" not in answer


def test_the_one_spelling_is_answered(mirror: Mirror) -> None:
    assert exchange(mirror, get("/licences")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"PUT /licences HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT /licences HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /licences HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /licences HTTP/1.1\r\nHost: x\r\nSpot-Installation: a\r\nSpot-Installation: a\r\n\r\n",
        b"GET /licences HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
        b"GET /licences HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE /licences\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_the_connection_ends_without_a_traceback(mirror: Mirror, raw: bytes) -> None:
    before = len(mirror.stderr())
    answer = exchange(mirror, raw)
    assert b"HTTP/1.1 400 " in answer or b"HTTP/1.0 400 " in answer
    assert "Traceback" not in mirror.stderr()[before:]
    assert "127.0.0.1" not in mirror.stderr()[before:]


def test_an_expired_certificate_is_told_so_and_the_connection_ends(mirror: Mirror) -> None:
    expired = mirror.house.leaf(Identity(REALM, Role.CLIENT, "acme"), CLIENT, NOW - timedelta(days=900))
    answer = exchange(mirror, b"GET /licences HTTP/1.1\r\nHost: x\r\n\r\n", expired)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b'"reason":"expired"' in answer
    assert b"Connection: close" in answer


def test_a_customer_who_was_never_added_is_told_so(mirror: Mirror) -> None:
    stranger = mirror.caller(mirror.party("stranger"))
    assert stranger.reason("/licences") == (403, "unknown-customer")


def test_one_connection_answers_one_request_after_the_other(acme: Caller, release: Published) -> None:
    assert [acme(path)[0] for path in ("/licences", THEIRS, "/nowhere", PACK, PACK)] == [200, 403, 404, 200, 200]


def test_pipelined_requests_are_answered_in_order(mirror: Mirror) -> None:
    raw = get("/licences").replace(b"Connection: close\r\n", b"")
    answer = exchange(mirror, raw + raw.replace(b"/licences", b"/nowhere") + get("/licences"))
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"404", b"200"]


def test_an_audit_line_tells_who_asked_for_what_and_what_came_of_it(mirror: Mirror, release: Published) -> None:
    party = mirror.party()
    mirror.caller(party)(PACK, Range="bytes=0-9")
    line = mirror.audited(serial=f"{party.certificate.serial_number:x}")
    ms = line.pop("ms")
    assert isinstance(ms, float)
    assert 0 < ms < 5000
    assert re.fullmatch(r"[0-9a-f]{16}", str(line.pop("request")))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("time")))
    assert line == {
        "method": "GET",
        "customer": "acme",
        "role": "client",
        "serial": f"{party.certificate.serial_number:x}",
        "route": "pack",
        "product": "sdk",
        "component": "botocore",
        "version": "1.40.0",
        "platform": "any",
        "status": 206,
        "bytes": 10,
    }


def test_a_denial_is_audited_under_the_id_that_the_client_got(mirror: Mirror, acme: Caller) -> None:
    told = msgspec.json.decode(acme(THEIRS)[2])
    line = mirror.audited(request=told["request"])
    assert (line["reason"], line["detail"]) == ("not-licensed", "science")


def test_no_address_is_written_down_unless_configured(own: Mirror) -> None:
    own.caller(own.party())("/licences")
    assert "address" not in own.audited(route="licences")
