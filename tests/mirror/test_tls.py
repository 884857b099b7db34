"""mirror.tls: real handshakes with the content listener's context, in memory: who gets in, and what goes over the wire.

The client is Python's `ssl`, with another OpenSSL than the one that serves.
"""

import ssl
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import SSL

from ca.credentials import Credentials
from ca.errors import TlsError
from ca.profiles import CLIENT, ISSUING, KeyType
from ca.subjects import Authority
from ca.tls import client_context
from mirror.tls import CONFIGURATION, OPENSSL, listener_context
from tests.ca.house import NOW, REALM, House, Party, client, der_of, key_pem, make_house, pem_of, sign
from tests.house.source import ROOT

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@pytest.fixture(scope="module")
def houses() -> dict[KeyType, House]:
    return {
        KeyType.RSA2048: make_house(lambda: rsa.generate_private_key(65537, 2048)),
        KeyType.ECDSA_P256: make_house(lambda: ec.generate_private_key(ec.SECP256R1())),
    }


@pytest.fixture
def house(houses: dict[KeyType, House]) -> House:
    return houses[KeyType.ECDSA_P256]


class Met(msgspec.Struct):
    """What came of a handshake. `said`: the server's bytes, up to its first answer."""

    server: SSL.Connection
    caller: ssl.SSLObject
    said: bytes = b""
    refused: str | None = None
    read: bytes = b""


def credentials(party: Party) -> Credentials:
    return Credentials(pem_of(party.certificate), key_pem(party.key))


def context(house: House, min_tls: Literal["1.2", "1.3"] = "1.2") -> SSL.Context:
    return listener_context(credentials(house.server), [house.issuing.certificate], min_tls)


def caller(house: House, party: Party, folder: Path, version: ssl.TLSVersion = VERSIONS[1]) -> ssl.SSLContext:
    made = client_context(**party.files(folder, "caller"), pins=[der_of(house.server.certificate)], tls12=True)
    made.minimum_version = made.maximum_version = version
    return made


def bare(version: ssl.TLSVersion) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.minimum_version = made.maximum_version = version
    return made


def meet(server: SSL.Context, using: ssl.SSLContext, session: ssl.SSLSession | None = None) -> Met:
    """Both shake hands until they are done or the server refuses; then it says hello."""
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    met = Met(SSL.Connection(server), using.wrap_bio(came, goes, server_hostname="localhost", session=session))
    met.server.set_accept_state()
    for _ in range(4):
        with suppress(ssl.SSLWantReadError):
            met.caller.do_handshake()
        if goes.pending:
            met.server.bio_write(goes.read())
        ended = answered(met)
        with suppress(SSL.WantReadError):
            said = met.server.bio_read(2**16)
            met.said += said
            came.write(said)
        if ended:
            break
    if met.refused is None:
        met.caller.do_handshake()
        met.read = met.caller.read(5)
    return met


def answered(met: Met) -> bool:
    """Whether the server said hello, or refuses."""
    try:
        met.server.do_handshake()
        met.server.send(b"hello")
    except SSL.WantReadError:
        return False
    except SSL.Error as error:
        met.refused = error.args[0][0][2]
    return True


@pytest.mark.parametrize("key_type", [KeyType.RSA2048, KeyType.ECDSA_P256])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_of_an_issuing_ca_gets_in_by_aes_gcm_and_x25519(
    houses: dict[KeyType, House], key_type: KeyType, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    house = houses[key_type]
    met = meet(context(house), caller(house, house.client, tmp_path, version))
    assert met.read == b"hello"
    assert met.caller.selected_alpn_protocol() is None  # it offered http/1.1
    assert met.caller.compression() is None
    assert met.server.get_protocol_version_name() == {VERSIONS[0]: "TLSv1.2", VERSIONS[1]: "TLSv1.3"}[version]
    assert "GCM" in (met.server.get_cipher_name() or "")
    assert met.server.get_peer_certificate(as_cryptography=True) == house.client.certificate
    if version is ssl.TLSVersion.TLSv1_3:  # in 1.2 it is not told
        assert met.server.get_group_name() == "x25519"


@pytest.mark.parametrize("version", VERSIONS)
def test_who_shows_no_certificate_is_refused(house: House, version: ssl.TLSVersion) -> None:
    assert meet(context(house), bare(version)).refused == "peer did not return a certificate"


def foreign(house: House, folder: Path) -> Party:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1())).client


def of_a_retired_ca(house: House, folder: Path) -> Party:
    """With its issuing CA's certificate, which our root signed."""
    retired = sign(house.keys["root"], Authority(REALM), ISSUING, house.root.issuer)
    return house.leaf(client(), CLIENT, by=retired)


def servers_own(house: House, folder: Path) -> Party:
    return house.server


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("whose", [foreign, of_a_retired_ca, servers_own])
def test_whose_certificate_no_issuing_ca_of_ours_signed_for_a_client_is_refused(
    house: House, whose: Callable[[House, Path], Party], version: ssl.TLSVersion, tmp_path: Path
) -> None:
    met = meet(context(house), caller(house, whose(house, tmp_path), tmp_path, version))
    assert met.refused == "certificate verify failed"


@pytest.mark.parametrize("days", [-1, 1])
def test_dates_are_for_the_policy(house: House, days: int, tmp_path: Path) -> None:
    moment = NOW - CLIENT.lifetime if days < 0 else NOW
    party = house.leaf(client(), CLIENT, now=moment + timedelta(days=days))
    assert meet(context(house), caller(house, party, tmp_path)).read == b"hello"


def test_tls_1_3_alone_if_wanted(house: House, tmp_path: Path) -> None:
    server = context(house, "1.3")
    assert meet(server, caller(house, house.client, tmp_path, VERSIONS[1])).read == b"hello"
    assert meet(server, caller(house, house.client, tmp_path, VERSIONS[0])).refused == "unsupported protocol"


@pytest.mark.parametrize("version", VERSIONS)
def test_no_session_is_resumed(house: House, version: ssl.TLSVersion, tmp_path: Path) -> None:
    """Neither by its id nor by a ticket. In 1.3 two go out if OpenSSL was not told otherwise: nobody can use them."""
    server, mine = context(house), caller(house, house.client, tmp_path, version)
    first = meet(server, mine)
    session = first.caller.session
    assert session is not None
    assert version is ssl.TLSVersion.TLSv1_3 or session.id == b""
    second = meet(server, mine, session)
    assert second.read == b"hello"
    assert not second.caller.session_reused


def test_it_needs_no_memory_that_is_written_and_run(house: House, tmp_path: Path) -> None:
    """deploy/spot-mirror.service denies it (`MemoryDenyWriteExecute`)."""
    files = house.server.files(tmp_path, "server")
    (tmp_path / "issuing.crt").write_bytes(der_of(house.issuing.certificate))
    script = (
        "import ctypes, mmap, sys; from pathlib import Path\n"
        "assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0\n"  # PR_SET_MDWE, Linux 6.3
        "try: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        "except PermissionError: print('denied')\n"
        "from ca.tls import read_credentials; from mirror.tls import listener_context; from OpenSSL import SSL\n"
        "certificate, key, issuing = map(Path, sys.argv[1:])\n"
        "made = listener_context(read_credentials(certificate, key), [issuing.read_bytes()])\n"
        "SSL.Connection(made).set_accept_state(); print('made')"
    )
    command = [sys.executable, "-c", script, *map(str, [*files.values(), tmp_path / "issuing.crt"])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "prctl" in done.stderr:
        pytest.skip("this kernel cannot deny it in this way")
    assert done.stdout.split() == ["denied", "made"]


def test_the_issuing_ca_is_not_shown_but_what_stands_in_the_file_is(house: House, tmp_path: Path) -> None:
    mine, other = caller(house, house.client, tmp_path, VERSIONS[0]), der_of(house.root.certificate)
    said = meet(context(house), mine).said  # in TLS 1.2 certificates cross the wire in clear
    assert der_of(house.server.certificate) in said
    assert der_of(house.issuing.certificate) not in said
    more = Credentials(pem_of(house.server.certificate) + pem_of(house.root.certificate), key_pem(house.server.key))
    assert other in meet(listener_context(more, [house.issuing.certificate]), mine).said
    assert other not in said


def test_what_cannot_serve_is_refused_by_name(house: House) -> None:
    issuing = [house.issuing.certificate]
    strangers = Credentials(pem_of(house.server.certificate), key_pem(ec.generate_private_key(ec.SECP256R1())))
    cases: dict[str, tuple[Credentials, list[x509.Certificate]]] = {
        "is-a-ca": (credentials(house.issuing), issuing),
        "not-a-server": (credentials(house.client), issuing),
        "no-issuing-ca": (credentials(house.server), []),
        "not-an-issuing-ca": (credentials(house.server), [house.root.certificate]),
        "bad-certificate": (strangers, issuing),
    }
    for reason, (given, anchors) in cases.items():
        with pytest.raises(TlsError) as refused:
            listener_context(given, anchors)
        assert refused.value.reason == reason


def test_it_is_not_the_openssl_of_python() -> None:
    assert OPENSSL.startswith("OpenSSL ")
    assert int(OPENSSL.split()[1].partition(".")[0]) >= 4
    assert "NumTickets = 0\n" in CONFIGURATION.read_text(encoding="ascii")
