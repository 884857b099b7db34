"""A server that SPOT has pinned and that wants weaker TLS than the policy: it is refused, and is sent nothing."""

import re
import ssl
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import msgspec
import pytest
from cryptography import x509

from ca.credentials import Credentials
from ca.errors import OperatorError
from ca.identity import Identity, Role
from ca.operator import open_operator
from ca.profiles import CA_OPERATOR
from ca.tls import client_context, read_pins, server_context
from mirror.tls import listener_context
from spot_client.errors import NotReachable, NotTrusted
from spot_client.fetch.pace import Patience
from spot_client.fetch.pinned import open_pool
from spot_client.fetch.transport import Mirror, Transport
from tests.ca.house import REALM, House, Party, der_of, key_pem, pem_of, reason_of
from tests.hostile.forge import CLIENT_AUTH, SERVER_AUTH, Form, forge, forge_with_sha1, rsa_key
from tests.hostile.listening import V12, V13
from tests.spot_client.fetch.conftest import Dialler, context, dial, serve
from tests.spot_client.fetch.server import Serve

__all__ = ["context", "dial", "serve"]

V10: Final = ssl.TLSVersion.TLSv1
V11: Final = ssl.TLSVersion.TLSv1_1
SERVER: Final = Form(names=(x509.IPAddress(ip_address("127.0.0.1")),), usages=(SERVER_AUTH,))
WEAK_OF_TLS_12: Final = {
    "CBC": "ECDHE-RSA-AES256-SHA384",
    "CBC, SHA-1": "ECDHE-RSA-AES128-SHA",
    "ChaCha20": "ECDHE-RSA-CHACHA20-POLY1305",
    "ARIA": "ECDHE-ARIA256-GCM-SHA384",
    "static RSA": "AES256-GCM-SHA384",
    "static RSA, CBC": "AES128-SHA",
    "no encryption": "NULL-SHA256",
}


@pytest.fixture(scope="module")
def of_rsa(house: House) -> Party:
    """A server's certificate as the policy wants it, of a kind of key that all of these ciphers take."""
    return forge(SERVER, house.issuing, rsa_key(2048))


def weak(party: Party, folder: Path, version: ssl.TLSVersion, ciphers: str = "ALL") -> ssl.SSLContext:
    """A server's TLS that minds nothing."""
    files = party.files(folder, "weak")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    made.load_cert_chain(files["certificate"], files["key"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made.minimum_version = made.maximum_version = version
    return made


@contextmanager
def s_server(party: Party, folder: Path, *options: str) -> Iterator[int]:
    """openssl's own server, which can be told what Python's cannot; the port. It answers with a file."""
    files = party.files(folder, "s-server")
    (folder / "x").write_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-HTTP", *options]
    command += ["-cert", str(files["certificate"]), "-key", str(files["key"])]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        found = next(filter(None, (re.search(r"ACCEPT .*:([0-9]+)$", line) for line in running.stdout)))
        try:
            yield int(found[1])
        finally:
            running.kill()


def ask(house: House, pin: Party, folder: Path, port: int, *, tls12: bool = False) -> int:
    """SPOT asks the server there, which it has pinned; the status of the answer."""
    files, pins = house.client.files(folder, "client"), [der_of(pin.certificate)]
    made = client_context(**files, pins=pins, tls12=tls12)
    pool = open_pool("127.0.0.1", port, context=made, pins=pins, patience=Patience(gap=5), connections=1)
    mirror = Mirror(f"https://127.0.0.1:{port}", pool, {})
    transport = Transport([mirror], sleep=lambda _: None, left=lambda: 20.0, clock=time.monotonic)
    try:
        return transport.get("/x", max_bytes=10).status
    finally:
        transport.close()


def test_one_that_keeps_to_the_policy_is_asked(
    serve: Serve, dial: Dialler, of_rsa: Party, tmp_path: Path, house: House
) -> None:
    for version in (V12, V13):
        server = serve(tls=weak(of_rsa, tmp_path, version))
        assert dial(server, pins=[of_rsa], tls12=True).get("/x", max_bytes=10).status == 200
    with s_server(of_rsa, tmp_path, "-ciphersuites", "TLS_AES_128_GCM_SHA256") as port:
        assert ask(house, of_rsa, tmp_path, port) == 200


@pytest.mark.parametrize(
    ("tls12", "version"),
    [(False, V12), (False, V11), (True, V11), (False, V10), (True, V10)],
)
def test_an_older_version_is_not_spoken(
    serve: Serve, dial: Dialler, of_rsa: Party, *, tmp_path: Path, version: ssl.TLSVersion, tls12: bool
) -> None:
    server = serve(tls=weak(of_rsa, tmp_path, version))
    with pytest.raises(NotReachable) as refused:
        dial(server, pins=[of_rsa], tls12=tls12).put("/x", b"secret")
    assert refused.value.reason == "tls"
    assert server.asked == []


@pytest.mark.parametrize("ciphers", WEAK_OF_TLS_12.values(), ids=list(WEAK_OF_TLS_12))
def test_other_suites_of_tls_1_2_are_not_spoken_where_1_2_is(
    serve: Serve, dial: Dialler, of_rsa: Party, tmp_path: Path, ciphers: str
) -> None:
    server = serve(tls=weak(of_rsa, tmp_path, V12, ciphers))
    with pytest.raises(NotReachable) as refused:
        dial(server, pins=[of_rsa], tls12=True).put("/x", b"secret")
    assert refused.value.reason == "tls"
    assert server.asked == []


@pytest.mark.parametrize("suite", ["TLS_CHACHA20_POLY1305_SHA256"])
def test_another_suite_of_tls_1_3_ends_before_anything_is_sent(
    house: House, of_rsa: Party, tmp_path: Path, suite: str
) -> None:
    with s_server(of_rsa, tmp_path, "-ciphersuites", suite) as port:
        with pytest.raises(NotTrusted) as refused:
            ask(house, of_rsa, tmp_path, port)
        assert refused.value.reason == "weak-cipher"
        assert "AES-GCM" in str(refused.value)
        host = house.leaf(Identity(REALM, Role.CA_OPERATOR, "host"), CA_OPERATOR)
        pin = tmp_path / "pin.pem"
        pin.write_bytes(pem_of(of_rsa.certificate))
        operator = open_operator(f"https://127.0.0.1:{port}", **host.files(tmp_path, "host"), pins=pin)
        with pytest.raises(OperatorError) as not_called:
            operator.lists()
        assert not_called.value.reason == "weak-cipher"


def test_a_signature_by_sha_1_is_not_believed_in_the_handshake(house: House, of_rsa: Party, tmp_path: Path) -> None:
    weakly = ("-tls1_2", "-cipher", "ALL:@SECLEVEL=0", "-sigalgs", "RSA+SHA1")
    with s_server(of_rsa, tmp_path, *weakly) as port:
        with pytest.raises(NotReachable) as refused:
            ask(house, of_rsa, tmp_path, port, tls12=True)
        assert refused.value.reason == "tls"


def test_what_is_below_the_policy_cannot_be_pinned(house: House, tmp_path: Path) -> None:
    """Neither as PEM nor as DER: the handshake would ask nothing of an anchor's own signature."""
    wrong = {
        "weak-key": forge(SERVER, house.issuing, rsa_key(1024)),
        "weak-signature": forge_with_sha1("IP:127.0.0.1", "serverAuth", house.issuing, tmp_path),
        "not-a-server": forge(Form(usages=(CLIENT_AUTH,)), house.issuing),
        "pin-is-ca": forge(msgspec.structs.replace(SERVER, is_ca=True), house.issuing),
    }
    client = house.client.files(tmp_path, "client")
    for reason, party in wrong.items():
        pem, der = pem_of(party.certificate), der_of(party.certificate)
        assert reason_of(lambda: read_pins(pem)) == reason  # noqa: B023
        assert reason_of(lambda: client_context(**client, pins=[der])) == reason  # noqa: B023


def test_one_without_a_usage_cannot_be_pinned(house: House) -> None:
    party = forge(msgspec.structs.replace(SERVER, usages=None), house.issuing)
    assert reason_of(lambda: read_pins(pem_of(party.certificate))) == "not-a-server"


def test_a_mirror_does_not_serve_with_what_spot_would_not_take(house: House, tmp_path: Path) -> None:
    weakly = forge_with_sha1("IP:127.0.0.1", "serverAuth", house.issuing, tmp_path)
    files = weakly.files(tmp_path, "server")
    assert reason_of(lambda: server_context(**files, issuing_cas=[house.issuing.certificate])) == "weak-signature"
    credentials = Credentials(pem_of(weakly.certificate), key_pem(weakly.key))
    assert reason_of(lambda: listener_context(credentials, [house.issuing.certificate])) == "weak-signature"
