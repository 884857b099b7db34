"""What a caller may cost: each limit attacked on the real mirror, with an honest caller beside it who is served."""

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Self

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ca.identity import Identity, Role
from ca.profiles import CLIENT
from ca.tls import client_context
from tests.ca.house import REALM, House, der_of, make_house, pem_of
from tests.hostile.needs import need_program
from tests.mirror.content.rig import BIG, Caller, Mirror

FILE = "/catalogue/timestamp.json"
GET = b"GET /catalogue/timestamp.json HTTP/1.1\r\nHost: x\r\n\r\n"
ELSEWHERE = "127.0.0.9"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


@pytest.fixture(scope="module")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


Begin = Callable[..., Mirror]
"""The fixture `begin`: a running mirror with these limits (by name), and what else its `[content]` says."""


@pytest.fixture
def begin(tmp_path: Path, house: House) -> Iterator[Begin]:
    with ExitStack() as stack:

        def start(more: str = "", *, big: int = 2**18, **limits: int) -> Mirror:
            mirror = Mirror(tmp_path, house)
            mirror.publish(big)
            lines = [more, "[content.limits]", *(f"{name} = {value}" for name, value in limits.items())]
            stack.enter_context(mirror.running("\n".join(lines)))
            return mirror

        yield start


class Plain:
    """A connection by hand, as a context manager: bytes that are no TLS, or not all of it."""

    def __init__(self, mirror: Mirror, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", mirror.port), timeout=15, source_address=(source, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ended(self) -> float:
        """Seconds until the mirror closes it; whatever comes before that is read."""
        begun = time.monotonic()
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return time.monotonic() - begun

    @property
    def is_open(self) -> bool:
        """Whether the mirror has not closed it."""
        self.socket.setblocking(False)
        try:
            return bool(self.socket.recv(1))
        except BlockingIOError:
            return True
        except ConnectionError:
            return False

    def dripped(self, raw: bytes, pause: float) -> float:
        """As `ended`, while one byte after another is sent."""
        begun = time.monotonic()
        self.socket.settimeout(pause)
        for at in range(len(raw)):
            try:
                self.socket.sendall(raw[at : at + 1])
                if not self.socket.recv(65536):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        return time.monotonic() - begun


def hello(house: House, mirror: Mirror) -> bytes:
    """The first bytes of a client's handshake."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = mirror.context(house.client).wrap_bio(into, out, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


def secure(mirror: Mirror, customer: str = "acme", source: str = "127.0.0.1", first: bytes = b"") -> ssl.SSLSocket:
    """A connection with a customer's certificate; `first` is sent before TLS."""
    plain = socket.create_connection(("127.0.0.1", mirror.port), timeout=15, source_address=(source, 0))
    plain.sendall(first)
    return mirror.context(mirror.party(customer)).wrap_socket(plain, server_hostname="127.0.0.1")


def answer(connection: ssl.SSLSocket, request: bytes = GET) -> bytes:
    """The first line of the answer; nothing if the connection ended without one."""
    try:
        connection.sendall(request)
        return connection.recv(65536).partition(b"\r\n")[0]
    except OSError:
        return b""


def is_served(mirror: Mirror, customer: str = "acme", source: str = "127.0.0.1") -> bool:
    """Whether an honest caller is."""
    try:
        with secure(mirror, customer, source) as connection:
            return answer(connection) == b"HTTP/1.1 200 OK"
    except OSError:
        return False


# Before a certificate is proved


def test_a_handshake_that_never_ends_does(begin: Begin, house: House) -> None:
    mirror = begin(handshake_seconds=1)
    first = hello(house, mirror)
    for sent in (b"", first[:1], first[:-1], first):
        with Plain(mirror) as caller:
            caller.socket.sendall(sent)
            assert 0.5 < caller.ended() < 3
    with Plain(mirror) as caller:
        assert 0.5 < caller.dripped(first, 0.1) < 3
    assert is_served(mirror)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_of_a_long_list_of_certificates_none_is_looked_at(
    begin: Begin, house: House, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    mirror = begin()
    files = house.client.files(tmp_path, "chain")
    one = pem_of(house.issuing.certificate)
    files["certificate"].write_bytes(pem_of(house.client.certificate) + one * 3)
    context = client_context(**files, pins=[der_of(house.server.certificate)], tls12=True)
    context.maximum_version = version
    with mirror.raw(context) as honest:  # with more of them than it need have
        assert answer(honest) == b"HTTP/1.1 200 OK"
    files["certificate"].write_bytes(pem_of(house.client.certificate) + one * 60)
    context = client_context(**files, pins=[der_of(house.server.certificate)], tls12=True)
    context.maximum_version = version
    with suppress(OSError), mirror.raw(context) as connection:
        assert connection.recv(1) == b""  # in TLS 1.3 the client thinks that it is through
    mirror.until(lambda: '"outcome": "long-handshake"' in mirror.stderr())
    assert is_served(mirror)


def test_what_comes_right_behind_a_handshake_may_be_long(begin: Begin, house: House) -> None:
    mirror = begin()
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = mirror.context(house.client)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    tls = context.wrap_bio(came, goes, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", mirror.port), timeout=15) as plain:
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        plain.sendall(goes.read())
        while True:
            came.write(plain.recv(2**16))
            with suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
        for _ in range(20):  # each of them some 2 KB, all in one piece with the end of the handshake
            tls.write(GET[:-2] + b"X: " + b"x" * 2000 + b"\r\n\r\n")
        plain.sendall(goes.read())
        answers = b""
        while answers.count(b"HTTP/1.1 200 OK") < 20:
            came.write(plain.recv(2**16))
            with suppress(ssl.SSLWantReadError):
                while True:
                    answers += tls.read(2**14)


def test_whoever_leaves_all_its_handshakes_open_keeps_nobody_out(begin: Begin) -> None:
    mirror = begin(handshakes=8)
    with ExitStack() as stack:
        silent = [stack.enter_context(Plain(mirror)) for _ in range(40)]
        time.sleep(0.5)
        assert sum(caller.is_open for caller in silent) == 4  # half of the places
        assert is_served(mirror, source=ELSEWHERE)
        assert not is_served(mirror)
    mirror.until(lambda: is_served(mirror))


@pytest.mark.parametrize(
    "raw",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 70000, b"\x00" * 100],
    ids=["HTTP", "an endless record", "nothing"],
)
def test_what_is_no_handshake_is_not_listened_to(begin: Begin, raw: bytes) -> None:
    mirror = begin()
    with Plain(mirror) as caller:
        with suppress(ConnectionError):
            caller.socket.sendall(raw)
        assert caller.ended() < 8
    assert is_served(mirror)


# Requests that do not end


def test_headers_that_come_drop_by_drop_are_given_up(begin: Begin) -> None:
    mirror = begin(header_seconds=1)
    with secure(mirror) as connection:
        begun = time.monotonic()
        connection.settimeout(0.1)
        for piece in (GET[:20] + b"X: y\r\n" * 1000)[:500]:
            try:
                connection.send(bytes([piece]))
                if not connection.recv(100):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert 0.5 < time.monotonic() - begun < 4
    assert is_served(mirror)


def test_headers_have_a_size_in_all(begin: Begin) -> None:
    mirror = begin(header_bytes=2048)
    with secure(mirror) as connection:
        assert answer(connection, GET[:-2] + b"X: y\r\n" * 10 + b"\r\n") == b"HTTP/1.1 200 OK"
    for headers in ((b"X: " + b"y" * 500 + b"\r\n") * 5 + b"\r\n", b"X: " + b"y" * 2100):
        with secure(mirror) as connection:
            assert answer(connection, GET[:-2] + headers).startswith(b"HTTP/1.1 431 ")


def test_a_body_that_comes_drop_by_drop_is_given_up(begin: Begin) -> None:
    mirror = begin(body_seconds=2)
    installation = minted(mirror.caller(mirror.party()))
    head = f"PUT /installations/{installation}/thin-snapshot HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
    with secure(mirror) as connection:
        begun = time.monotonic()
        connection.settimeout(0.2)
        connection.sendall(head.encode())
        told = b""
        while not told and time.monotonic() < begun + 10:
            try:
                connection.sendall(b" ")
                told = connection.recv(1000)
            except TimeoutError:
                continue
        assert told.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - begun < 5
    assert is_served(mirror)


@pytest.mark.slow
def test_a_reader_that_does_not_read_is_cut(begin: Begin) -> None:
    mirror = begin(big=BIG, answer_rate=100_000)
    with secure(mirror) as connection:
        connection.sendall(b"GET /releases/sdk/botocore/1.40.0/any/pack HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(45)  # two windows of twenty seconds
        read = 0
        try:
            while piece := connection.recv(2**20):
                read += len(piece)
        except OSError:
            pass
        assert 0 < read < BIG
    assert is_served(mirror)


def test_a_connection_without_a_request_is_closed(begin: Begin) -> None:
    mirror = begin(idle_seconds=1)
    with secure(mirror) as connection:
        begun = time.monotonic()
        assert connection.recv(1) == b""
        assert 0.5 < time.monotonic() - begun < 3
    with secure(mirror) as connection:
        assert answer(connection) == b"HTTP/1.1 200 OK"
        begun = time.monotonic()
        while connection.recv(65536):
            pass
        assert 0.5 < time.monotonic() - begun < 3


# Connections


def test_there_are_so_many_connections_and_no_more(begin: Begin) -> None:
    mirror = begin(connections=4, handshakes=100)
    with ExitStack() as stack:
        connections = [stack.enter_context(secure(mirror, source=f"127.0.0.{number}")) for number in range(2, 6)]
        assert not is_served(mirror)
        assert answer(connections[0]) == b"HTTP/1.1 200 OK"
        connections[1].close()
        mirror.until(lambda: is_served(mirror))


def test_an_address_has_so_many_connections_and_no_more(begin: Begin) -> None:
    mirror = begin(connections_per_address=2)
    with secure(mirror), secure(mirror):
        assert not is_served(mirror)
        assert is_served(mirror, source=ELSEWHERE)
    mirror.until(lambda: is_served(mirror))


def test_a_customer_has_so_many_connections_and_is_told(begin: Begin) -> None:
    mirror = begin(connections_per_customer=2)
    with secure(mirror), secure(mirror, source=ELSEWHERE):
        status, headers, body = mirror.caller(mirror.party())(FILE)
        assert (status, headers["Connection"]) == (429, "close")
        assert int(headers["Retry-After"]) >= 1
        assert b'"too-many-requests"' in body
        assert is_served(mirror, "globex")
    mirror.until(lambda: is_served(mirror))


# Requests


def minted(caller: Caller) -> str:
    """A new installation of the caller's customer."""
    status, _, body = caller("/installations", "POST", Idempotency_Key=f"{time.monotonic_ns():032d}")
    assert status == 201
    return body.decode().partition('"installation":"')[2].partition('"')[0]


def test_an_installation_asks_so_often_and_no_more_and_is_told_when(begin: Begin) -> None:
    mirror = begin(requests_per_installation=5)
    caller, other = mirror.caller(mirror.party()), mirror.caller(mirror.party())
    first, second = minted(caller), minted(caller)
    statuses = [caller(FILE, Spot_Installation=first)[0] for _ in range(40)]
    assert set(statuses) == {200, 429}
    assert 10 <= statuses.count(200) <= 20
    status, headers, body = caller(FILE, Spot_Installation=first)
    assert (status, headers.get("Connection"), b'"too-many-requests"' in body) == (429, None, True)
    assert 1 <= int(headers["Retry-After"]) <= 3
    assert other(FILE, Spot_Installation=second)[0] == 200
    time.sleep(int(headers["Retry-After"]))
    assert caller(FILE, Spot_Installation=first)[0] == 200


def test_a_customer_asks_so_often_and_no_more_and_no_other_one_notices(begin: Begin) -> None:
    mirror = begin(requests_per_customer=5)
    acme, globex = mirror.caller(mirror.party()), mirror.caller(mirror.party("globex"))
    statuses = [acme(FILE)[0] for _ in range(60)]
    assert 10 <= statuses.count(200) <= 25
    assert statuses[-1] == 429
    assert globex(FILE)[0] == 200
    mirror.audited(status=429, reason="too-many-requests", customer="acme")


def test_eight_thin_snapshots_may_come_at_once_and_then_one_a_minute(begin: Begin) -> None:
    mirror = begin()
    caller = mirror.caller(mirror.party())
    first, second = minted(caller), minted(caller)
    body = b'{"components":{},"format":1,"min_spot":"0.1"}'
    path = f"/installations/{first}/thin-snapshot"
    assert [caller(path, "PUT", body)[0] for _ in range(10)] == [204] * 8 + [429] * 2
    _, headers, _ = caller(path, "PUT", body)
    assert 50 <= int(headers["Retry-After"]) <= 121
    assert caller(f"/installations/{second}/thin-snapshot", "PUT", body)[0] == 204
    assert caller(FILE)[0] == 200


# Behind a balancer

PROXIES = 'proxies = ["127.0.0.2"]'
BALANCER = "127.0.0.2"
VERSION_1 = b"PROXY TCP4 198.51.100.7 127.0.0.1 1 2\r\n"


def header(source: str) -> bytes:
    """What a balancer says that passes on a connection of this address."""
    ends = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + b"\x9c\x40\x01\xbb"
    return SIGNATURE + b"\x21\x11" + len(ends).to_bytes(2) + ends


def failed(mirror: Mirror, reason: str, address: str) -> bool:
    """Whether the log tells of a bad PROXY header with this reason, from this address."""
    told = [f'"{name}": "{value}"' for name, value in (("reason", reason), ("address", address))]
    lines = [line for line in mirror.stderr().splitlines() if '"bad-proxy-header"' in line]
    return any(all(one in line for one in told) for line in lines)


def test_only_a_balancer_says_whose_connection_it_is(begin: Begin) -> None:
    mirror = begin(PROXIES)
    with secure(mirror, source=BALANCER, first=header("198.51.100.7")) as connection:
        assert answer(connection) == b"HTTP/1.1 200 OK"
    for source, first, reason in (
        (BALANCER, b"", "not-proxied"),
        (BALANCER, VERSION_1, "proxy-version-1"),
        (ELSEWHERE, VERSION_1, "unexpected-proxy-header"),
        ("127.0.0.10", header("198.51.100.7"), "unexpected-proxy-header"),
    ):
        with pytest.raises(OSError):
            secure(mirror, source=source, first=first)
        mirror.until(partial(failed, mirror, reason, source))
    assert is_served(mirror)


def test_behind_a_balancer_each_address_has_its_own_connections(begin: Begin) -> None:
    mirror = begin(PROXIES, connections_per_address=1)
    with secure(mirror, source=BALANCER, first=header("198.51.100.7")) as held:
        with pytest.raises(OSError):
            secure(mirror, source=BALANCER, first=header("198.51.100.7"))
        with secure(mirror, source=BALANCER, first=header("198.51.100.8")) as connection:
            assert answer(connection) == b"HTTP/1.1 200 OK"
        assert answer(held) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("raw", [b"", SIGNATURE[:5], SIGNATURE + b"\x21\x11\x00\x0c"], ids=["none", "part", "head"])
def test_a_header_of_a_balancer_that_does_not_end_is_given_up(begin: Begin, raw: bytes) -> None:
    mirror = begin(PROXIES, handshake_seconds=1)
    with Plain(mirror, BALANCER) as caller:
        caller.socket.sendall(raw)
        assert 0.5 < caller.ended() < 3


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def haproxy(folder: Path, mirror: Mirror) -> Iterator[int]:
    """The real one, which passes TCP through from a port of its own, and says whose connection it is."""
    need_program("haproxy")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    (folder / "haproxy.cfg").write_text(
        "global\n  maxconn 100\ndefaults\n  mode tcp\n"
        "  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
        f"frontend clients\n  bind 127.0.0.1:{port}\n  default_backend mirrors\n"
        f"backend mirrors\n  source 127.0.0.2\n  server one 127.0.0.1:{mirror.port} send-proxy-v2\n"
    )
    process = subprocess.Popen(["haproxy", "-db", "-f", str(folder / "haproxy.cfg")])
    try:
        mirror.until(lambda: is_open(port))
        yield port
    finally:
        process.terminate()
        process.wait(10)


def test_through_haproxy_limits_and_logs_see_the_true_address(begin: Begin, tmp_path: Path, house: House) -> None:
    mirror = begin(f"{PROXIES}\nlog_addresses = true", connections_per_address=1)
    stranger = make_house(lambda: ec.generate_private_key(ec.SECP256R1()))
    files = stranger.leaf(Identity(REALM, Role.CLIENT, "acme"), CLIENT).files(tmp_path, "stranger")
    foreign = client_context(**files, pins=[der_of(house.server.certificate)])
    with haproxy(tmp_path, mirror) as port:
        behind = mirror.port
        mirror.port = port

        def through(source: str) -> bytes:
            plain = socket.create_connection(("127.0.0.1", port), timeout=15, source_address=(source, 0))
            try:
                with mirror.context(mirror.party()).wrap_socket(plain, server_hostname="127.0.0.1") as connection:
                    return answer(connection)
            except OSError:
                return b""

        assert through("127.0.0.50") == b"HTTP/1.1 200 OK"
        mirror.audited(address="127.0.0.50")
        with secure(mirror, source="127.0.0.51") as held:
            assert answer(held) == b"HTTP/1.1 200 OK"
            assert through("127.0.0.51") == b""
            assert through("127.0.0.52") == b"HTTP/1.1 200 OK"
        plain = socket.create_connection(("127.0.0.1", port), timeout=15, source_address=("127.0.0.53", 0))
        with foreign.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            assert answer(connection) == b""
        mirror.until(lambda: "127.0.0.53" in mirror.stderr())
        mirror.port = behind
