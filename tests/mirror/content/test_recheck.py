"""What is under way when a caller may not go on any more: cut, or refused with nothing written. Real processes."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from mirror.records.protocol import Licence
from spot_client.wire import thin_snapshot
from tests.ca.house import NOW, House, Party
from tests.mirror.content.rig import BIG, LONG_AGO, Mirror

PACK = "/releases/sdk/botocore/1.40.0/any/pack"
TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory, house: House) -> Iterator[Mirror]:
    mirror = Mirror(tmp_path_factory.mktemp("big"), house)
    mirror.publish(BIG)
    with mirror.running():
        yield mirror


def download(mirror: Mirror, party: Party) -> ssl.SSLSocket:
    """A download of which only the beginning was read."""
    connection = mirror.raw(mirror.context(party))
    connection.sendall(f"GET {PACK} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert connection.recv(2**14).startswith(b"HTTP/1.1 200 ")
    return connection


def rest(connection: ssl.SSLSocket) -> int:
    """The encrypted bytes that still come until the connection ends, which has to be by a reset: what waits is lost."""
    got = 0
    with socket.socket(fileno=connection.detach()) as plain:
        plain.settimeout(10)
        try:
            while piece := plain.recv(2**14):
                got += len(piece)
                time.sleep(0.001)
        except ConnectionResetError:
            return got
    raise AssertionError("it came to an end")


def revoke(mirror: Mirror, party: Party) -> None:
    mirror.revoke(party)


def suspend(mirror: Mirror, party: Party) -> None:
    with mirror.records() as records:
        records.suspend("acme", "did not pay", NOW)


def end_licence(mirror: Mirror, party: Party) -> None:
    with mirror.records() as records:
        records.end_licence("acme", "sdk", TODAY - timedelta(days=1))


def narrow_licence(mirror: Mirror, party: Party) -> None:
    with mirror.records() as records:
        records.grant(Licence("acme", "sdk", ("beta",), LONG_AGO, None, 1))


@pytest.fixture
def undone(big: Mirror) -> Iterator[Mirror]:
    """A mirror from which acme may download; what a test does to acme is undone after it."""
    acme = big.caller(big.party())
    big.until(lambda: acme(PACK, Range="bytes=0-0")[0] == 206)
    yield big
    big.revoke()
    with big.records() as records:
        records.resume("acme")
        records.grant(Licence("acme", "sdk", ("stable",), LONG_AGO, None, 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (revoke, "revoked"),
        (suspend, "suspended"),
        (end_licence, "not-licensed"),
        (narrow_licence, "not-licensed"),
    ],
)
def test_a_download_under_way_is_cut_and_says_why_in_the_audit_log(
    undone: Mirror, change: Callable[[Mirror, Party], None], reason: str
) -> None:
    party, other = undone.party(), undone.party("globex")
    acme = download(undone, party)
    change(undone, party)
    assert rest(acme) < BIG
    line = undone.audited(reason=reason, status=200, serial=f"{party.certificate.serial_number:x}")
    assert str(line["detail"]).startswith("cut: ")
    assert undone.caller(other)("/licences")[0] == 200


@pytest.mark.slow
def test_a_download_of_another_certificate_goes_on_to_its_end(undone: Mirror) -> None:
    connection = download(undone, undone.party())
    undone.revoke(undone.party())
    undone.until(lambda: "took a new revocation list" in undone.stderr().splitlines()[-1])
    got = 0
    with connection:
        connection.settimeout(20)
        while got < BIG:
            piece = connection.recv(2**20)
            assert piece
            got += len(piece)


@pytest.mark.slow
def test_of_a_caller_that_was_revoked_while_it_sent_nothing_is_written(undone: Mirror) -> None:
    party = undone.party()
    acme = undone.caller(party)
    minted = msgspec.json.decode(acme("/installations", "POST")[2])["installation"]
    body = thin_snapshot.encode({"sdk/botocore": "1.40.0"})
    connection = undone.raw(undone.context(party))
    head = f"PUT /installations/{minted}/thin-snapshot HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body[:-1])
    time.sleep(0.2)  # it waits for the rest
    undone.revoke(party)
    answer = connection.recv(2**16)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b'"revoked"' in answer
    connection.close()
    with undone.records() as records:
        assert records.thin_snapshots(minted) == []
