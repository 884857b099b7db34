"""Real handshakes through `ca.tls`, on a socket pair: who gets in, who does not, and what each side then holds."""

import socket
import ssl
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.errors import TlsError
from ca.pins import names_host
from ca.profiles import CLIENT, ISSUING, SERVER, KeyType
from ca.subjects import Authority, Hosts
from ca.tls import check_pinned, client_context, read_pins, server_context
from tests.ca.house import NOW, REALM, House, PairFiles, Party, client, der_of, odd_certificate, pem_of, sign


class Outcome(msgspec.Struct):
    """What came of a handshake: errors by side, and what the server saw."""

    client_error: OSError | None = None
    server_error: OSError | None = None
    peer: bytes | None = None
    version: str | None = None
    cipher: str = ""
    read: bytes = b""
    reused: bool = False
    session: ssl.SSLSession | None = None


def shake(
    server: ssl.SSLContext, caller: ssl.SSLContext, host: str = "localhost", session: ssl.SSLSession | None = None
) -> Outcome:
    """One connection; the server sends `hello` to whom it accepts. In TLS 1.3 a refusal shows at the first read."""
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    theirs.settimeout(20)
    outcome = Outcome()

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as tls:
                outcome.peer, outcome.version = tls.getpeercert(binary_form=True), tls.version()
                tls.sendall(b"hello")
                tls.recv(1)
        except OSError as error:
            outcome.server_error = error
        finally:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with caller.wrap_socket(ours, server_hostname=host, session=session) as tls:
            outcome.read = tls.recv(5)
            outcome.cipher = (tls.cipher() or ("",))[0]
            outcome.reused, outcome.session = bool(tls.session_reused), tls.session
    except OSError as error:
        outcome.client_error = error
    finally:
        ours.close()
        thread.join()
    return outcome


@pytest.fixture
def server(house: House, tmp_path: Path) -> ssl.SSLContext:
    return server_context(**house.server.files(tmp_path, "server"), issuing_cas=[house.issuing.certificate])


@pytest.fixture
def pins(house: House) -> tuple[bytes, ...]:
    return read_pins(pem_of(house.server.certificate))


def caller(party: Party, pins: tuple[bytes, ...], folder: Path, tls12: bool = False) -> ssl.SSLContext:
    return client_context(**party.files(folder, "caller"), pins=pins, tls12=tls12)


def bare(**versions: ssl.TLSVersion) -> ssl.SSLContext:
    """A stranger's client: checks nothing, shows nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, version in versions.items():
        setattr(context, name, version)
    return context


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("tls12", [False, True])
def test_a_client_of_an_issuing_ca_and_a_pinned_server_meet(
    houses: dict[KeyType, House], key_type: KeyType, tls12: bool, tmp_path: Path
) -> None:
    house = houses[key_type]
    server = server_context(**house.server.files(tmp_path, "server"), issuing_cas=[der_of(house.issuing.certificate)])
    mine = caller(house.client, read_pins(pem_of(house.server.certificate)), tmp_path, tls12=tls12)
    if tls12:
        mine.maximum_version = ssl.TLSVersion.TLSv1_2
    outcome = shake(server, mine)
    assert outcome.read == b"hello"
    assert outcome.peer == der_of(house.client.certificate)
    assert outcome.version == ("TLSv1.2" if tls12 else "TLSv1.3")
    assert "GCM" in outcome.cipher


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_caller_without_certificate_reads_nothing(server: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    outcome = shake(server, bare(minimum_version=version, maximum_version=version))
    assert outcome.read == b""
    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in str(outcome.server_error)


def test_a_client_of_a_foreign_ca_is_refused(server: ssl.SSLContext) -> None:
    stranger = bare()
    trustme.CA().issue_cert("acme").configure_cert(stranger)
    outcome = shake(server, stranger)
    assert outcome.read == b""
    assert isinstance(outcome.server_error, ssl.SSLCertVerificationError)


def test_a_foreign_ca_of_the_same_names_is_refused(
    server: ssl.SSLContext, other_house: House, pins: tuple[bytes, ...], tmp_path: Path
) -> None:
    outcome = shake(server, caller(other_house.client, pins, tmp_path))
    assert outcome.read == b""
    assert isinstance(outcome.server_error, ssl.SSLCertVerificationError)


def test_a_retired_issuing_ca_of_the_same_root_is_refused(
    server: ssl.SSLContext, house: House, pins: tuple[bytes, ...], tmp_path: Path
) -> None:
    retired = sign(house.keys["root"], Authority(REALM), ISSUING, house.root.issuer)
    old_client = house.leaf(client(), CLIENT, by=retired)
    chain = old_client.files(tmp_path, "old")
    chain["certificate"].write_bytes(pem_of(old_client.certificate) + pem_of(retired.certificate))
    outcome = shake(server, client_context(**chain, pins=pins))
    assert outcome.read == b""
    assert isinstance(outcome.server_error, ssl.SSLCertVerificationError)


def test_a_server_certificate_does_not_serve_as_client_certificate(
    server: ssl.SSLContext, house: House, pins: tuple[bytes, ...], tmp_path: Path
) -> None:
    outcome = shake(server, caller(house.server, pins, tmp_path))
    assert outcome.read == b""
    assert isinstance(outcome.server_error, ssl.SSLCertVerificationError)


def test_an_expired_client_passes_the_handshake_because_the_policy_decides(
    server: ssl.SSLContext, house: House, pins: tuple[bytes, ...], tmp_path: Path
) -> None:
    expired = house.leaf(client(), CLIENT, now=NOW - CLIENT.lifetime - timedelta(days=1))
    outcome = shake(server, caller(expired, pins, tmp_path))
    assert outcome.read == b"hello"
    assert outcome.peer == der_of(expired.certificate)


def test_another_server_of_our_own_ca_is_refused_by_the_pin(
    house: House, pins: tuple[bytes, ...], tmp_path: Path
) -> None:
    other = house.leaf(Hosts("mirror-2", ("localhost",)), SERVER)
    server = server_context(**other.files(tmp_path, "other"), issuing_cas=[house.issuing.certificate])
    outcome = shake(server, caller(house.client, pins, tmp_path))
    assert isinstance(outcome.client_error, ssl.SSLCertVerificationError)


def test_the_pin_of_another_mirror_passes_the_handshake_but_not_the_second_look(house: House, tmp_path: Path) -> None:
    other = house.leaf(Hosts("mirror-2", ("localhost",)), SERVER)
    ours, theirs = (read_pins(pem_of(party.certificate)) for party in (house.server, other))
    server = server_context(**other.files(tmp_path, "other"), issuing_cas=[house.issuing.certificate])
    assert shake(server, caller(house.client, ours + theirs, tmp_path)).read == b"hello"
    with pytest.raises(TlsError) as refused:
        check_pinned(der_of(other.certificate), ours)
    assert refused.value.reason == "not-pinned"
    check_pinned(der_of(other.certificate), theirs)
    with pytest.raises(TlsError):
        check_pinned(None, ours)


def test_a_pinned_server_under_another_name_is_refused(
    server: ssl.SSLContext, house: House, pins: tuple[bytes, ...], tmp_path: Path
) -> None:
    mine = caller(house.client, pins, tmp_path)
    assert shake(server, mine, host="127.0.0.1").read == b"hello"
    assert "mismatch" in str(shake(server, mine, host="mirror.example.com").client_error)


def test_an_expired_pin_is_refused(house: House, tmp_path: Path) -> None:
    old = house.leaf(Hosts("mirror-1", ("localhost",)), SERVER, now=NOW - SERVER.lifetime - timedelta(days=1))
    server = server_context(**old.files(tmp_path, "old"), issuing_cas=[house.issuing.certificate])
    outcome = shake(server, caller(house.client, read_pins(pem_of(old.certificate)), tmp_path))
    assert "expired" in str(outcome.client_error)


def test_spot_speaks_only_tls_1_3_unless_configured(
    server: ssl.SSLContext, house: House, pins: tuple[bytes, ...], tmp_path: Path
) -> None:
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    assert shake(server, caller(house.client, pins, tmp_path)).client_error is not None
    assert shake(server, caller(house.client, pins, tmp_path, tls12=True)).read == b"hello"


def test_min_tls_1_3_refuses_tls_1_2(house: House, pins: tuple[bytes, ...], tmp_path: Path) -> None:
    files = house.server.files(tmp_path, "server")
    server = server_context(**files, issuing_cas=[house.issuing.certificate], min_tls="1.3")
    mine = caller(house.client, pins, tmp_path, tls12=True)
    assert shake(server, mine).version == "TLSv1.3"
    mine.maximum_version = ssl.TLSVersion.TLSv1_2
    assert shake(server, mine).read == b""


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(server: ssl.SSLContext) -> None:
    old = bare(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    assert "UNSUPPORTED_PROTOCOL" in str(shake(server, old).server_error)


@pytest.mark.parametrize(
    "cipher",
    ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-CCM", "AES256-GCM-SHA384"],
)
def test_a_cipher_outside_ecdhe_with_aes_gcm_is_refused(server: ssl.SSLContext, cipher: str) -> None:
    other = bare(maximum_version=ssl.TLSVersion.TLSv1_2)
    other.set_ciphers(cipher)
    assert "NO_SHARED_CIPHER" in str(shake(server, other).server_error)


def test_both_contexts_offer_nothing_weaker(
    server: ssl.SSLContext, house: House, pins: tuple[bytes, ...], tmp_path: Path
) -> None:
    for context in (server, caller(house.client, pins, tmp_path)):
        offered = {entry["name"] for entry in context.get_ciphers() if entry["protocol"] == "TLSv1.2"}
        assert offered
        assert all(name.startswith("ECDHE-") and "-GCM-" in name for name in offered)
        assert context.options & ssl.OP_NO_COMPRESSION
        assert context.options & ssl.OP_NO_RENEGOTIATION


def test_a_session_of_tls_1_3_is_not_resumed(
    server: ssl.SSLContext, house: House, pins: tuple[bytes, ...], tmp_path: Path
) -> None:
    mine = caller(house.client, pins, tmp_path)
    first = shake(server, mine)
    assert first.session is None or not first.session.has_ticket
    assert not shake(server, mine, session=first.session).reused


def test_no_ticket_is_given_in_tls_1_2(
    server: ssl.SSLContext, house: House, pins: tuple[bytes, ...], tmp_path: Path
) -> None:
    """Resumption by session id stays, as Python cannot turn it off; the certificate is then there for the policy."""
    mine = caller(house.client, pins, tmp_path, tls12=True)
    mine.maximum_version = ssl.TLSVersion.TLSv1_2
    first = shake(server, mine)
    assert first.session is not None
    assert not first.session.has_ticket
    assert shake(server, mine, session=first.session).peer == der_of(house.client.certificate)


def test_spot_trusts_nothing_but_its_pins(house: House, pins: tuple[bytes, ...], tmp_path: Path) -> None:
    mine = caller(house.client, pins, tmp_path)
    assert mine.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 0}
    assert mine.check_hostname
    assert mine.verify_mode is ssl.CERT_REQUIRED


def refuse_server(house: House, files: PairFiles, **changed: Any) -> str:
    with pytest.raises(TlsError) as refused:
        server_context(**{**files, "issuing_cas": [house.issuing.certificate], **changed})
    return refused.value.reason


def test_files_that_cannot_serve_are_refused_by_name(house: House, tmp_path: Path) -> None:
    files = house.server.files(tmp_path, "server")
    assert refuse_server(house, files, certificate=tmp_path / "none") == "missing-file"
    assert refuse_server(house, files, key=tmp_path / "none") == "missing-file"
    assert refuse_server(house, files, certificate=tmp_path) == "unreadable-file"
    assert refuse_server(house, files, certificate=files["key"]) == "bad-certificate"
    assert refuse_server(house, files, issuing_cas=[]) == "no-issuing-ca"
    assert refuse_server(house, files, issuing_cas=[b"\x30\x00"]) == "bad-certificate"
    assert refuse_server(house, files, issuing_cas=[house.root.certificate]) == "not-an-issuing-ca"
    assert refuse_server(house, files, issuing_cas=[house.server.certificate]) == "not-an-issuing-ca"
    assert refuse_server(house, house.issuing.files(tmp_path, "ca")) == "is-a-ca"
    assert refuse_server(house, house.client.files(tmp_path, "client")) == "not-a-server"
    other = Party(house.server.certificate, house.keys["root"]).files(tmp_path, "other")
    assert refuse_server(house, other) == "key-mismatch"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_key_that_others_may_touch_is_refused_with_the_remedy(house: House, mode: int, tmp_path: Path) -> None:
    files = house.server.files(tmp_path, "server")
    files["key"].chmod(mode)
    with pytest.raises(TlsError, match="chmod 600") as refused:
        server_context(**files, issuing_cas=[house.issuing.certificate])
    assert refused.value.reason == "bad-mode"


def test_an_encrypted_or_broken_or_huge_key_is_refused_without_asking(house: House, tmp_path: Path) -> None:
    files = house.server.files(tmp_path, "server")
    from_text = {
        "bad-key": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "too-large": b" " * 70_000,
    }
    for reason, content in from_text.items():
        files["key"].write_bytes(content)
        assert refuse_server(house, files) == reason
    files["key"].write_bytes(
        house.server.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    assert refuse_server(house, files) == "encrypted-key"


def test_weak_keys_are_refused(house: House, tmp_path: Path) -> None:
    weak = ec.generate_private_key(ec.SECP224R1())
    party = Party(odd_certificate(weak, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)), weak)
    assert refuse_server(house, party.files(tmp_path, "weak")) == "weak-key"
    with pytest.raises(TlsError) as refused:
        client_context(**party.files(tmp_path, "weak"), pins=[der_of(house.server.certificate)])
    assert refused.value.reason == "weak-key"


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "no-pins"),
        (b"https://mirror.example.com", "no-pins"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "bad-certificate"),
        (b"\n" * (64 * 1024 + 1), "too-large"),
    ],
)
def test_text_that_is_no_pin_is_refused(pem: bytes, reason: str) -> None:
    with pytest.raises(TlsError) as refused:
        read_pins(pem)
    assert refused.value.reason == reason


def test_a_pin_is_a_server_leaf_never_a_ca_nor_a_client(house: House, tmp_path: Path) -> None:
    wrong = {"pin-is-ca": (house.issuing, house.root), "not-a-server": (house.client,)}
    for reason, parties in wrong.items():
        for party in parties:
            with pytest.raises(TlsError) as refused:
                read_pins(pem_of(house.server.certificate) + pem_of(party.certificate))
            assert refused.value.reason == reason
            with pytest.raises(TlsError) as refused:  # and not as DER either
                client_context(**house.client.files(tmp_path, "client"), pins=[der_of(party.certificate)])
            assert refused.value.reason == reason


def test_a_pin_that_names_nobody_is_no_mirrors(house: House) -> None:
    usage = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    nameless = der_of(odd_certificate(house.keys["leaf"], usage))
    assert not names_host(nameless, "localhost")
    assert names_host(der_of(house.server.certificate), "::1")
    assert not names_host(der_of(house.server.certificate), "::2")


def test_spot_without_any_pin_connects_nowhere(house: House, tmp_path: Path) -> None:
    with pytest.raises(TlsError) as refused:
        client_context(**house.client.files(tmp_path, "client"), pins=[])
    assert refused.value.reason == "no-pins"


def test_pins_are_read_in_order(house: House) -> None:
    second = house.leaf(Hosts("mirror-1", ("localhost",)), SERVER)
    pins = read_pins(pem_of(house.server.certificate) + b"# next\n" + pem_of(second.certificate))
    assert pins == (der_of(house.server.certificate), der_of(second.certificate))
