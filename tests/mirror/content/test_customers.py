"""mirror.content.customers over real TLS: licences, ids, thin snapshots, and bodies that are none."""

from datetime import timedelta

import msgspec
import pytest

from mirror.content.problems import TABLE
from spot_client.wire import document, installation, thin_snapshot
from spot_client.wire.licences import MAX_BYTES, LicenceList
from spot_client.wire.problem import Reason
from tests.mirror.content.rig import Caller, Mirror

GOOD = thin_snapshot.encode({"sdk/botocore": "1.40.0"})


@pytest.fixture
def acme(mirror: Mirror) -> Caller:
    return mirror.caller(mirror.party())


def mint(caller: Caller, **headers: str) -> str:
    status, _, raw = caller("/installations", "POST", None, **headers)
    assert status == 201
    return document.decode(raw, installation.Minted, max_bytes=installation.MAX_BYTES, what="The id").installation


def put(caller: Caller, id_: str, body: bytes) -> int:
    return caller(f"/installations/{id_}/thin-snapshot", "PUT", body)[0]


def stored(mirror: Mirror, id_: str) -> list[dict[str, str]]:
    with mirror.records() as records:
        return [line.components for line in records.thin_snapshots(id_)]


def test_a_customer_reads_its_own_licences_and_no_others(mirror: Mirror) -> None:
    raw = mirror.caller(mirror.party("globex"))("/licences")[2]
    listed = document.decode(raw, LicenceList, max_bytes=MAX_BYTES, what="Licences")
    assert listed.customer == "globex"
    assert [line.product for line in listed.licences] == ["science", "sdk"]


def test_an_ended_licence_is_listed_with_its_last_day(mirror: Mirror) -> None:
    raw = mirror.caller(mirror.party("retired"))("/licences")[2]
    (line,) = document.decode(raw, LicenceList, max_bytes=MAX_BYTES, what="Licences").licences
    assert line.valid_until == "2020-01-01"


def test_an_id_is_minted_and_may_be_used_at_once(mirror: Mirror, acme: Caller) -> None:
    id_ = mint(acme)
    assert put(acme, id_, GOOD) == 204
    assert stored(mirror, id_) == [{"sdk/botocore": "1.40.0"}]


def test_each_request_for_an_id_gets_another(acme: Caller) -> None:
    assert mint(acme) != mint(acme)


def test_a_repeated_request_gets_the_same_id_and_its_key_is_not_kept(mirror: Mirror, acme: Caller) -> None:
    key = "my-host-name-0123456789"
    assert mint(acme, Idempotency_Key=key) == mint(acme, Idempotency_Key=key)
    assert mint(acme, Idempotency_Key=key) != mint(mirror.caller(mirror.party("globex")), Idempotency_Key=key)
    for file in mirror.data.glob("*.*"):
        assert key.encode() not in file.read_bytes()


@pytest.mark.parametrize("key", ["short", "x" * 65, "under_score_is_not_in_it", "blank " * 4])
def test_a_key_of_another_form_is_refused(acme: Caller, key: str) -> None:
    assert acme.reason("/installations", "POST", Idempotency_Key=key) == (400, "bad-request")


def test_a_request_for_an_id_carries_nothing(acme: Caller) -> None:
    assert acme.reason("/installations", "POST", b"hostname") == (413, "too-large")


def test_the_same_versions_again_are_not_stored_twice(mirror: Mirror, acme: Caller) -> None:
    id_ = mint(acme)
    assert [put(acme, id_, GOOD) for _ in range(3)] == [204] * 3
    assert len(stored(mirror, id_)) == 1


def test_a_withdrawn_version_was_published_and_may_be_reported(acme: Caller) -> None:
    assert put(acme, mint(acme), thin_snapshot.encode({"sdk/botocore": "1.39.0"})) == 204


def test_what_was_installed_under_a_licence_may_be_reported_after_it_ended(mirror: Mirror) -> None:
    retired = mirror.caller(mirror.party("retired"))
    assert put(retired, mint(retired), GOOD) == 204


BAD = {
    "an unpublished version": b'{"components":{"sdk/botocore":"6.6.6"},"format":1,"min_spot":"0.1"}',
    "an unknown component": b'{"components":{"sdk/secrets":"1.40.0"},"format":1,"min_spot":"0.1"}',
    "a product never licensed": b'{"components":{"science/numpy":"2.2.5"},"format":1,"min_spot":"0.1"}',
    "a product that does not exist": b'{"components":{"nothing/numpy":"2.2.5"},"format":1,"min_spot":"0.1"}',
    "a key twice": b'{"components":{"sdk/botocore":"1.40.0","sdk/botocore":"1.40.0"},"format":1,"min_spot":"0.1"}',
    "an unknown key": b'{"components":{},"format":1,"host":"pc-17","min_spot":"0.1"}',
    "another spelling": b'{"components": {},"format":1,"min_spot":"0.1"}',
    "another oldest SPOT": b'{"components":{},"format":1,"min_spot":"0.0.17"}',
    "a newer format": b'{"components":{},"format":2,"min_spot":"9.0"}',
    "no JSON": b"\xff\xfe",
    "nothing": b"",
    "deep nesting": b"[" * 60_000,
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_what_is_no_thin_snapshot_is_refused_alike_and_nothing_is_stored(
    mirror: Mirror, acme: Caller, body: bytes
) -> None:
    id_ = mint(acme)
    status, headers, raw = acme(f"/installations/{id_}/thin-snapshot", "PUT", body)
    assert (status, headers["Content-Type"]) == (422, "application/problem+json")
    told = msgspec.json.decode(raw)
    assert len(told.pop("request")) == 16
    assert len(told.pop("time")) == 20
    assert told == {
        "detail": TABLE[Reason.BAD_THIN_SNAPSHOT].sentence,
        "reason": "bad-thin-snapshot",
        "status": 422,
        "title": "Bad thin snapshot",
        "type": "about:blank",
    }
    assert stored(mirror, id_) == []


def test_the_64th_kib_is_read_and_the_65th_is_too_large(acme: Caller) -> None:
    path = f"/installations/{mint(acme)}/thin-snapshot"
    assert acme.reason(path, "PUT", b"x" * 2**16) == (422, "bad-thin-snapshot")
    assert acme.reason(path, "PUT", b"x" * (2**16 + 1)) == (413, "too-large")


def test_a_chunked_body_has_the_same_limit(mirror: Mirror, acme: Caller) -> None:
    path = f"/installations/{mint(acme)}/thin-snapshot"
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    for chunks, status in ((chunk * 17, b"413"), (b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD), b"204")):
        with mirror.raw(mirror.context(mirror.party())) as connection:
            connection.sendall(head + chunks)
            assert connection.recv(12) == b"HTTP/1.1 " + status


def test_another_customers_installation_is_not_yours(mirror: Mirror, acme: Caller) -> None:
    id_ = mint(acme)
    globex = mirror.caller(mirror.party("globex"))
    path = f"/installations/{id_}/thin-snapshot"
    assert globex.reason(path, "PUT", GOOD) == (403, "not-your-installation")
    assert globex.reason("/licences", Spot_Installation=id_) == (403, "not-your-installation")
    assert stored(mirror, id_) == []


def test_a_truncated_body_stores_nothing(mirror: Mirror, acme: Caller) -> None:
    id_ = mint(acme)
    head = f"PUT /installations/{id_}/thin-snapshot HTTP/1.1\r\nHost: x\r\nContent-Length: {len(GOOD) + 1}\r\n\r\n"
    with mirror.raw(mirror.context(mirror.party())) as connection:
        connection.sendall(head.encode() + GOOD)
    mirror.until(lambda: any(line.get("detail") == "the body was cut off" for line in mirror.audit()))
    assert stored(mirror, id_) == []
    assert "Traceback" not in mirror.stderr()


def test_who_waits_for_the_word_to_go_on_gets_it(mirror: Mirror, acme: Caller) -> None:
    id_ = mint(acme)
    head = (
        f"PUT /installations/{id_}/thin-snapshot HTTP/1.1\r\nHost: x\r\n"
        f"Content-Length: {len(GOOD)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with mirror.raw(mirror.context(mirror.party())) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(GOOD)
        assert connection.recv(12) == b"HTTP/1.1 204"


def test_an_accepted_request_that_names_its_installation_counts_as_seen(mirror: Mirror, acme: Caller) -> None:
    id_ = mint(acme)
    mirror.until(lambda: acme("/licences", Spot_Installation=id_)[0] == 200 and _seen_after(mirror, id_))


def _seen_after(mirror: Mirror, id_: str) -> bool:
    with mirror.records() as records:
        found = records.installation(id_)
    return found is not None and found.last_seen - found.enrolled >= timedelta(seconds=1)
