"""Whoever wants weaker TLS than the policy, or none, gets no answer; each way is counted by name."""

import socket
import ssl
import subprocess
from pathlib import Path
from typing import Final

import pytest

from ca.identity import Identity, Role
from ca.profiles import CA_OPERATOR
from tests.ca.house import REALM, PairFiles
from tests.hostile.hello import chosen_compression, compressing
from tests.hostile.listening import GET, V12, V13, context, ends, said_to, shown
from tests.mirror.content.rig import Mirror
from tests.mirror.operator.conftest import url_of

WEAK_OF_TLS_12: Final = {
    "CBC, SHA-1": "ECDHE-ECDSA-AES256-SHA",
    "CBC, SHA-256": "ECDHE-ECDSA-AES128-SHA256",
    "CBC, SHA-384": "ECDHE-ECDSA-AES256-SHA384",
    "ChaCha20": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "CCM": "ECDHE-ECDSA-AES128-CCM",
    "CCM, short": "ECDHE-ECDSA-AES256-CCM8",
    "ARIA": "ECDHE-ECDSA-ARIA256-GCM-SHA384",
    "Camellia": "ECDHE-ECDSA-CAMELLIA256-SHA384",
    "static RSA": "AES256-GCM-SHA384",
    "static RSA, CBC": "AES128-SHA",
    "DHE": "DHE-RSA-AES256-GCM-SHA384",
    "nobody's": "AECDH-AES256-SHA:ADH-AES256-GCM-SHA384",
    "no encryption": "ECDHE-ECDSA-NULL-SHA:NULL-SHA256",
}


@pytest.fixture
def mine(mirror: Mirror, tmp_path: Path) -> PairFiles:
    """acme's own: nothing is wrong but TLS."""
    return shown(mirror.party(), tmp_path)


def s_client(mirror: Mirror, files: PairFiles, *options: str, told: bytes = GET) -> str:
    """What openssl's own client says and reads; it ends with the server, or after its last line."""
    where = ["-connect", f"127.0.0.1:{mirror.port}", "-cert", str(files["certificate"]), "-key", str(files["key"])]
    command = ["openssl", "s_client", *where, *options]
    done = subprocess.run(command, input=told, capture_output=True, timeout=20, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


def test_who_offers_what_the_policy_wants_is_served(mirror: Mirror, mine: PairFiles) -> None:
    for version in (V12, V13):
        assert said_to(mirror, context(mine, version)).startswith(b"HTTP/1.1 200 OK")
    for cipher in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"):
        assert said_to(mirror, context(mine, V12, cipher)).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("version", [V12, V13])
def test_no_certificate_no_answer(mirror: Mirror, version: ssl.TLSVersion) -> None:
    with ends(mirror, no_certificate=1):
        assert said_to(mirror, context(None, version)) == b""


def test_older_versions_are_not_spoken(mirror: Mirror, mine: PairFiles) -> None:
    with ends(mirror, old_version=2):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            assert said_to(mirror, context(mine, version)) == b""


def test_other_suites_of_tls_1_2_are_not_spoken(mirror: Mirror, mine: PairFiles) -> None:
    with ends(mirror, weak_cipher=len(WEAK_OF_TLS_12)):
        for name, ciphers in WEAK_OF_TLS_12.items():
            assert "HTTP/1.1" not in s_client(mirror, mine, "-tls1_2", "-cipher", f"{ciphers}:@SECLEVEL=0"), name


def test_other_suites_of_tls_1_3_are_not_spoken(mirror: Mirror, mine: PairFiles) -> None:
    suites = ("TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256")
    with ends(mirror, weak_cipher=len(suites)):
        for suite in suites:
            assert "HTTP/1.1" not in s_client(mirror, mine, "-tls1_3", "-ciphersuites", suite), suite


def test_weaker_keys_and_signatures_are_not_agreed_on(mirror: Mirror, mine: PairFiles) -> None:
    offers = [("-tls1_3", "-groups", "P-521"), ("-tls1_3", "-groups", "ffdhe2048"), ("-tls1_2", "-groups", "P-521")]
    offers += [("-tls1_2", "-sigalgs", "ECDSA+SHA1"), ("-tls1_2", "-sigalgs", "ECDSA+SHA224:ECDSA+SHA1")]
    with ends(mirror, weak_cipher=len(offers)):
        for offer in offers:
            assert "HTTP/1.1" not in s_client(mirror, mine, *offer, "-cipher", "ALL:@SECLEVEL=0"), offer


@pytest.mark.parametrize(
    "said",
    [GET, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"CONNECT x:443 HTTP/1.1\r\n\r\n", b"SSH-2.0-OpenSSH_9.9\r\n"],
)
def test_what_is_not_tls_is_not_answered_in_its_own_language(mirror: Mirror, said: bytes) -> None:
    with ends(mirror, not_tls=1), socket.create_connection(("127.0.0.1", mirror.port), timeout=10) as plain:
        plain.sendall(said)
        answer = b""
        try:
            while chunk := plain.recv(2**16):
                answer += chunk
        except ConnectionError:
            pass
    assert b"HTTP" not in answer
    assert len(answer) <= 7  # an alert of TLS, or nothing


def test_a_client_cannot_shake_hands_again(mirror: Mirror, mine: PairFiles) -> None:
    told = s_client(mirror, mine, "-tls1_2", "-msg", told=b"R\n")
    assert told.count("<<< TLS 1.2, Handshake [length 0004], ServerHelloDone") == 1
    assert "no_renegotiation" in told
    assert "Secure Renegotiation IS supported" in told


def test_nothing_is_compressed_though_a_client_would_like_it(mirror: Mirror) -> None:
    hello, wanted = compressing()
    assert wanted == b"\x01\x00"  # DEFLATE first, then none
    with socket.create_connection(("127.0.0.1", mirror.port), timeout=10) as plain:
        plain.sendall(hello)
        assert chosen_compression(plain.recv(2**16)) == 0


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_no_session_is_resumed_by_id_or_ticket(mirror: Mirror, mine: PairFiles, tmp_path: Path, version: str) -> None:
    kept = str(tmp_path / "session")
    first = s_client(mirror, mine, version, "-ign_eof", "-sess_out", kept)
    assert "HTTP/1.1 200 OK" in first
    assert "New, TLSv1." in first
    assert "TLS session ticket" not in first
    if Path(kept).exists():
        again = s_client(mirror, mine, version, "-ign_eof", "-sess_in", kept)
        assert "Reused" not in again
        assert "HTTP/1.1 200 OK" in again


@pytest.mark.parametrize(("curve", "meets"), [("P-256", True), ("P-521", False), ("X448", False)])
def test_the_operator_listener_agrees_on_keys_by_p_256_alone(
    mirror: Mirror, tmp_path: Path, curve: str, meets: bool
) -> None:
    told = _operator(mirror, tmp_path, "-groups", curve)
    assert ("HTTP/1.1 200 OK" in told) is meets


def test_the_operator_listener_answers_nothing_but_a_refusal_to_another_cipher(mirror: Mirror, tmp_path: Path) -> None:
    """Python's `ssl` cannot refuse it in the handshake."""
    told = _operator(mirror, tmp_path, "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")
    assert "HTTP/1.1 403 Forbidden" in told
    assert '"reason":"weak-cipher"' in told
    assert mirror.audited(route="operator", reason="weak-cipher")["status"] == 403
    assert "HTTP/1.1 200 OK" in _operator(mirror, tmp_path, "-ciphersuites", "TLS_AES_256_GCM_SHA384")


@pytest.mark.parametrize("version", ["-tls1_1", "-tls1_2"])
def test_the_operator_listener_speaks_tls_1_3_alone(mirror: Mirror, tmp_path: Path, version: str) -> None:
    assert "HTTP/1.1" not in _operator(mirror, tmp_path, version, "-cipher", "ALL:@SECLEVEL=0")


def _operator(mirror: Mirror, folder: Path, *options: str) -> str:
    """What openssl's own client reads of the operator listener, with a certificate that may call there."""
    files = shown(mirror.house.leaf(Identity(REALM, Role.CA_OPERATOR, "host"), CA_OPERATOR), folder)
    where = url_of(mirror).removeprefix("https://")
    command = ["openssl", "s_client", "-connect", where, "-cert", str(files["certificate"]), "-key", str(files["key"])]
    said = b"GET /crls HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    done = subprocess.run([*command, "-ign_eof", *options], input=said, capture_output=True, timeout=20, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")
