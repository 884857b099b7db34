"""mirror.content.listener: what the handshake lets through, and what it says of the rest."""

import socket
import ssl
import subprocess
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from spot_client.wire.problem import read_reason
from tests.ca.house import House, Party, der_of
from tests.mirror.content.rig import Mirror

GET = b"GET /licences HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def bare_context() -> ssl.SSLContext:
    """A client that trusts whatever it meets, and has no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def read_all(mirror: Mirror, context: ssl.SSLContext) -> bytes:
    """What a client reads before the end: in TLS 1.3 its own handshake succeeds, and only reading tells."""
    answer = b""
    try:
        with mirror.raw(context) as connection:
            connection.sendall(GET)
            while chunk := connection.recv(2**16):
                answer += chunk
    except (ssl.SSLError, ConnectionError):
        pass
    return answer


def test_without_a_certificate_nothing_is_read_but_the_end(mirror: Mirror) -> None:
    assert read_all(mirror, bare_context()) == b""
    mirror.until(lambda: "PEER_DID_NOT_RETURN_A_CERTIFICATE" in mirror.stderr())
    assert "Traceback" not in mirror.stderr()


def foreign(_mirror: Mirror, _other: House, context: ssl.SSLContext) -> None:
    trustme.CA().issue_cert("acme.example.com").configure_cert(context)


def namesake(mirror: Mirror, other: House, context: ssl.SSLContext) -> None:
    load(mirror, other.client, context)


def of_the_root(mirror: Mirror, _other: House, context: ssl.SSLContext) -> None:
    """The issuing CA's own certificate: signed by our root, which is no anchor, and held by no client."""
    load(mirror, mirror.house.root, context)


def load(mirror: Mirror, party: Party, context: ssl.SSLContext) -> None:
    files = party.files(mirror.folder, f"odd-{party.certificate.serial_number}")
    context.load_cert_chain(files["certificate"], files["key"])


@pytest.mark.parametrize(
    ("certificate", "told"), [(None, "ALERT_CERTIFICATE_REQUIRED"), (namesake, "ALERT_"), (of_the_root, "ALERT_")]
)
def test_a_refused_client_is_told_by_tls(
    mirror: Mirror, other_house: House, certificate: Callable[..., None] | None, told: str
) -> None:
    context = bare_context()
    if certificate is not None:
        certificate(mirror, other_house, context)
    with mirror.raw(context) as connection:
        connection.sendall(GET)
        with pytest.raises(ssl.SSLError) as caught:
            connection.recv(2**16)
    assert told in (caught.value.reason or "")


@pytest.mark.parametrize("certificate", [foreign, namesake, of_the_root])
def test_with_a_certificate_of_another_ca_nothing_is_read_but_the_end(
    mirror: Mirror, other_house: House, certificate: object
) -> None:
    assert callable(certificate)
    context = bare_context()
    certificate(mirror, other_house, context)
    assert read_all(mirror, context) == b""
    mirror.until(lambda: "CERTIFICATE_VERIFY_FAILED" in mirror.stderr())
    assert "Traceback" not in mirror.stderr()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(mirror: Mirror, version: ssl.TLSVersion) -> None:
    context = mirror.context(mirror.party())
    context.minimum_version = context.maximum_version = version
    assert read_all(mirror, context).startswith(b"HTTP/1.1 200 ")


def test_tls_1_1_is_not(mirror: Mirror) -> None:
    context = mirror.context(mirror.party())
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert read_all(mirror, context) == b""


@pytest.mark.parametrize(
    "ciphers", ["ECDHE+AES+SHA256", "ECDHE+AES+SHA1", "ECDHE+CHACHA20", "DHE+AESGCM", "AES256-SHA"]
)
def test_in_tls_1_2_only_ecdhe_with_aes_gcm_is_spoken(mirror: Mirror, ciphers: str) -> None:
    context = mirror.context(mirror.party())
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    assert read_all(mirror, context) == b""


@pytest.mark.parametrize("suite", ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_SHA256"])
def test_in_tls_1_3_only_aes_gcm_is_spoken(mirror: Mirror, tmp_path: Path, suite: str) -> None:
    """Python cannot choose suites of TLS 1.3, so a stranger's program offers the other ones."""
    files = mirror.party().files(tmp_path, "stranger")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{mirror.port}", "-tls1_3", "-quiet", "-ign_eof"]
    command += ["-cert", str(files["certificate"]), "-key", str(files["key"]), "-ciphersuites"]
    read = [
        subprocess.run([*command, offered], input=GET, capture_output=True, timeout=20, check=False).stdout
        for offered in (suite, "TLS_AES_256_GCM_SHA384")
    ]
    assert read[0] == b""
    mirror.until(lambda: '"outcome":"weak-cipher"' in mirror.stderr().replace(" ", ""))
    assert read[1].startswith(b"HTTP/1.1 200 ")


def test_who_wants_new_keys_gets_them_and_is_served(mirror: Mirror, tmp_path: Path) -> None:
    files = mirror.party().files(tmp_path, "stranger")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{mirror.port}", "-tls1_3", "-msg"]
    command += ["-cert", str(files["certificate"]), "-key", str(files["key"])]
    with subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as asking:
        assert asking.stdin is not None
        assert asking.stdout is not None
        for said in (b"K\n", b"K\n", GET):  # a line with a K is a command: new keys, of both sides
            time.sleep(0.3)
            asking.stdin.write(said)
        told = asking.stdout.read()
    assert told.count(b">>> TLS 1.3, Handshake [length 0005], KeyUpdate") == 2
    assert told.count(b"<<< TLS 1.3, Handshake [length 0005], KeyUpdate") == 2
    assert b"HTTP/1.1 200 " in told


@pytest.mark.parametrize("said", [b"GET /licences HTTP/9.9\r\n\r\n", b"G<b>T / HTTP/1.1\r\n\r\n", b"\x00\x01\r\n\r\n"])
def test_what_is_not_http_is_refused_without_being_repeated(mirror: Mirror, said: bytes) -> None:
    with mirror.raw(mirror.context(mirror.party())) as connection:
        connection.sendall(said)
        answer = b""
        while chunk := connection.recv(2**16):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400"
    assert b"Server: spot-mirror" in head
    assert b"aiohttp" not in answer
    assert read_reason(body) is not None
    assert b"9.9" not in answer
    assert b"<b>" not in answer


@pytest.mark.parametrize("piece", [1, 100, 2**16])
def test_the_server_shows_its_own_certificate_and_no_other_however_the_hello_comes(mirror: Mirror, piece: int) -> None:
    """In TLS 1.2 it crosses the wire in clear."""
    context = mirror.context(mirror.party())
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls, shown = context.wrap_bio(came, goes, server_hostname="127.0.0.1"), b""
    with socket.create_connection(("127.0.0.1", mirror.port), timeout=10) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                said = goes.read()
                while said:
                    plain.sendall(said[:piece])
                    said = said[piece:]
                    time.sleep(0.001)  # so that each piece comes alone
                piece = 2**16
                raw = plain.recv(2**16)
                assert raw
                came.write(raw)
                shown += raw
            else:
                break
        assert der_of(mirror.house.server.certificate) in shown
        assert der_of(mirror.house.issuing.certificate) not in shown
        tls.write(GET)
        plain.sendall(goes.read())
        came.write(plain.recv(2**16))
        assert tls.read(12) == b"HTTP/1.1 200"


def test_plain_http_gets_nothing(mirror: Mirror) -> None:
    with socket.create_connection(("127.0.0.1", mirror.port), timeout=5) as plain:
        plain.sendall(GET)
        try:
            answer = plain.recv(2**16)
        except ConnectionError:
            answer = b""
    assert b"HTTP" not in answer
    assert b"{" not in answer


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_is_remembered_and_no_ticket_given(mirror: Mirror, version: ssl.TLSVersion) -> None:
    context, session = mirror.context(mirror.party()), None
    context.minimum_version = context.maximum_version = version
    for _ in range(2):
        plain = socket.create_connection(("127.0.0.1", mirror.port), timeout=10)
        with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as connection:
            connection.sendall(GET)
            assert connection.recv(12) == b"HTTP/1.1 200"
            assert not connection.session_reused
            session = connection.session
            assert session is not None
            assert not session.has_ticket
            assert version is ssl.TLSVersion.TLSv1_3 or session.id == b""


@pytest.mark.parametrize(
    ("groups", "meets"), [("X25519", True), ("P-256", True), ("P-384", True), ("X448", False), ("P-521", False)]
)
def test_keys_are_agreed_on_by_x25519_or_two_curves_of_nist(
    mirror: Mirror, tmp_path: Path, groups: str, meets: bool
) -> None:
    files = mirror.party().files(tmp_path, "stranger")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{mirror.port}", "-tls1_3", "-quiet", "-ign_eof"]
    command += ["-cert", str(files["certificate"]), "-key", str(files["key"]), "-groups", groups]
    done = subprocess.run(command, input=GET, capture_output=True, timeout=20, check=False)
    assert done.stdout.startswith(b"HTTP/1.1 200 ") is meets


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_revoked_client_is_refused_on_a_session_that_it_brings(own: Mirror, version: ssl.TLSVersion) -> None:
    party = own.party()
    context = own.context(party)
    context.minimum_version = context.maximum_version = version
    with own.raw(context) as connection:
        connection.sendall(GET)
        assert connection.recv(12) == b"HTTP/1.1 200"
        session = connection.session
    own.revoke(party)
    own.until(lambda: b"revoked" in read_all(own, context))
    plain = socket.create_connection(("127.0.0.1", own.port), timeout=10)
    with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as connection:
        connection.sendall(GET)
        assert connection.recv(12) == b"HTTP/1.1 403"
