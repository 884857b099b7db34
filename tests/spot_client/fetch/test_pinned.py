"""SPOT talks to exactly the pinned certificate, and says which way a handshake failed. Every server here is real."""

import socket
import ssl
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec

from ca.profiles import SERVER
from ca.subjects import Hosts
from spot_client.errors import NotReachable, NotTrusted, OutOfDate, Refused, SpotError
from spot_client.fetch.pace import Patience
from spot_client.fetch.paced import PacedConnection
from tests.ca.house import HOSTS, NOW, House, Party, der_of, make_house
from tests.spot_client.fetch.conftest import Dialler
from tests.spot_client.fetch.server import Asked, Serve, reply

Context = Callable[[Party], ssl.SSLContext]
Lapsing = Callable[[datetime], tuple[Party, ssl.SSLContext]]


@pytest.fixture
def lapsing(house: House, context: Context) -> Lapsing:
    """A server certificate that was issued then, and a server's context for it."""

    def build(issued: datetime) -> tuple[Party, ssl.SSLContext]:
        party = house.leaf(HOSTS, SERVER, now=issued)
        return party, context(party)

    return build


def refused(error: type[SpotError], reason: str, dial: Callable[[], object]) -> str:
    """What a connection that must fail so says."""
    with pytest.raises(error) as failed:
        dial()
    assert type(failed.value) is error
    assert failed.value.reason == reason
    return str(failed.value)


def test_the_pinned_server_is_believed(serve: Serve, dial: Dialler) -> None:
    server = serve(lambda _: reply(body=b"hello"))
    assert dial(server).get("/x", max_bytes=10).body == b"hello"


def test_any_of_several_pins_is_believed(serve: Serve, dial: Dialler, house: House) -> None:
    backup = house.leaf(HOSTS, SERVER)
    assert dial(serve(), pins=[backup, house.server]).get("/x", max_bytes=10).status == 200


def test_another_certificate_of_our_own_ca_is_not_trusted_and_gets_nothing(
    serve: Serve, dial: Dialler, house: House, context: Context
) -> None:
    server = serve(tls=context(house.leaf(HOSTS, SERVER)))
    said = refused(NotTrusted, "wrong-server", lambda: dial(server).put("/x", b"secret"))
    assert "not the one your vendor pinned" in said
    assert server.asked == []
    assert server.connections == 1  # and it is not tried again


def test_a_pinned_certificate_of_another_mirror_is_not_trusted_though_it_would_pass_the_handshake(
    serve: Serve, dial: Dialler, house: House, context: Context
) -> None:
    """The second check: the peer is one of that mirror's own pins, whatever anchors its context holds."""
    other = house.leaf(HOSTS, SERVER)
    server = serve(tls=context(other))
    transport = dial(server, pins=[house.server, other])
    pool = transport._mirrors[0]._pool
    pool.conn_kw["pins"] = [der_of(house.server.certificate)]
    refused(NotTrusted, "wrong-server", lambda: transport.put("/x", b"secret"))
    assert server.asked == []


def test_a_server_of_a_public_ca_is_not_trusted(serve: Serve, dial: Dialler) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    server = serve(tls=tls)
    refused(NotTrusted, "wrong-server", lambda: dial(server).get("/x", max_bytes=10))
    assert server.asked == []


def test_a_server_of_another_house_with_the_same_names_is_not_trusted(
    serve: Serve, dial: Dialler, context: Context
) -> None:
    other = make_house(lambda: ec.generate_private_key(ec.SECP256R1()))
    server = serve(tls=context(other.server))
    refused(NotTrusted, "wrong-server", lambda: dial(server).get("/x", max_bytes=10))
    assert server.asked == []


def test_a_pin_for_another_host_name_is_not_trusted(
    serve: Serve, dial: Dialler, house: House, context: Context
) -> None:
    elsewhere = house.leaf(Hosts("mirror-2", ("mirror.example.com",)), SERVER)
    server = serve(tls=context(elsewhere))
    refused(NotTrusted, "wrong-server", lambda: dial(server, pins=[elsewhere]).get("/x", max_bytes=10))


@pytest.mark.parametrize(
    ("issued", "told"),
    [
        (NOW - timedelta(days=3 * 365), ("certificate-expired", "clock is ahead")),
        (NOW + timedelta(days=1), ("certificate-not-yet-valid", "clock is behind")),
    ],
)
def test_a_pinned_certificate_outside_its_dates_points_at_the_clock(
    serve: Serve, dial: Dialler, lapsing: Lapsing, issued: datetime, told: tuple[str, str]
) -> None:
    (lapsed, tls), (reason, said) = lapsing(issued), told
    server = serve(tls=tls)
    assert said in refused(OutOfDate, reason, lambda: dial(server, pins=[lapsed]).get("/x", max_bytes=10))
    assert server.asked == []


def test_tls_1_2_is_spoken_only_where_it_was_configured(
    serve: Serve, dial: Dialler, house: House, context: Context
) -> None:
    old = context(house.server)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    server = serve(tls=old)
    refused(NotReachable, "tls", lambda: dial(server).get("/x", max_bytes=10))
    assert dial(server, tls12=True).get("/x", max_bytes=10).status == 200


def test_a_server_that_speaks_no_tls_is_not_reachable_and_its_bytes_are_no_answer(serve: Serve, dial: Dialler) -> None:
    server = serve(lambda _: reply(body=b"hello"), tls=None)
    refused(NotReachable, "tls", lambda: dial(server).get("/x", max_bytes=10))


def test_a_connection_that_ends_after_the_handshake_is_explained(serve: Serve, dial: Dialler) -> None:
    """A mirror that sheds load looks so, and so does one of old that does not know the CA of this client."""
    said = refused(NotReachable, "closed", lambda: dial(serve(lambda _: b"")).get("/x", max_bytes=10))
    assert "overloaded, or this machine's certificate is not of its certificate authority" in said


def test_a_certificate_of_another_ca_is_refused_by_an_alert_and_that_is_not_tried_again(
    serve: Serve, dial: Dialler
) -> None:
    stranger = make_house(lambda: ec.generate_private_key(ec.SECP256R1())).client
    for tls12 in (False, True):
        server = serve()
        transport = dial(server, client=stranger, tls12=tls12)
        said = refused(Refused, "certificate-refused", lambda: transport.get("/x", max_bytes=10))  # noqa: B023
        assert "new bundle" in said
        assert server.connections == 1


def test_what_is_sent_leaves_at_once(serve: Serve, dial: Dialler) -> None:
    """With Nagle's algorithm, the first request after a handshake would wait 40 ms for a delayed acknowledgement."""
    transport = dial(serve(lambda _: reply(body=b"x")))
    pool = transport._mirrors[0]._pool
    transport.get("/x", max_bytes=10)
    connection = pool._get_conn()
    assert isinstance(connection, PacedConnection)
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    pool._put_conn(connection)


def test_a_port_where_nobody_listens_is_not_reachable_in_plain_words(serve: Serve, dial: Dialler) -> None:
    server = serve()
    server.close()
    said = refused(NotReachable, "no-answer", lambda: dial(server).get("/x", max_bytes=10))
    assert "Connection refused" in said
    assert "<" not in said


def test_a_server_that_keeps_silent_is_not_reachable_in_plain_words(serve: Serve, dial: Dialler) -> None:
    awake = threading.Event()

    def sleep(_: Asked) -> bytes:
        awake.wait()
        return b""

    server = serve(sleep)
    said = refused(NotReachable, "no-answer", lambda: dial(server, patience=Patience(gap=0.2)).get("/x", max_bytes=10))
    awake.set()
    assert "timed out" in said


def test_every_attempt_shakes_hands_and_compares_anew(
    serve: Serve, dial: Dialler, house: House, context: Context
) -> None:
    """A server that is exchanged between two requests on one transport is noticed."""
    answers = serve(lambda _: reply(body=b"x", Connection="close"))
    transport = dial(answers)
    transport.get("/x", max_bytes=10)
    answers._context = context(house.leaf(HOSTS, SERVER))
    refused(NotTrusted, "wrong-server", lambda: transport.get("/x", max_bytes=10))
