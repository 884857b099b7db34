"""Who may connect, and what the others read: with openssl and curl, and by hand."""

import json
import re
import socket
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.identity import Identity, Role
from ca.profiles import SERVER, Profile
from ca.subjects import Hosts
from tests.ca.house import make_house
from tests.e2e.world import MATHS, NEW, REALM, TOOL, World
from tests.hostile.asking import ask, trusting_nobody
from tests.hostile.mint import Mint, acme
from tests.hostile.needs import need_program

PACK = f"/releases/{TOOL}/{NEW}/any/pack"
REQUEST = b"GET /licences HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@pytest.fixture
def mint(world: World, tmp_path: Path) -> Mint:
    return Mint(world, tmp_path)


@pytest.fixture(scope="module")
def credentials(world: World) -> Path:
    return world.folder / "roots/acme/.spot/client.pem"


def s_client(world: World, *arguments: str | Path) -> str:
    """What `openssl s_client` reads when it asks for the licences."""
    need_program("openssl")
    pin = str(world.folder / "certs/mirror1.crt")
    command = ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{world.port}", "-CAfile", pin, "-partial_chain"]
    done = subprocess.run([*command, *map(str, arguments)], input=REQUEST, capture_output=True, timeout=30, check=False)
    return done.stdout.decode()


def test_openssl_with_a_certificate_of_ours_reads_an_answer(world: World, credentials: Path) -> None:
    assert s_client(world, "-cert", credentials, "-key", credentials).startswith("HTTP/1.1 200")


def test_openssl_without_a_certificate_reads_nothing_but_the_end(world: World) -> None:
    assert s_client(world) == ""
    assert s_client(world, "-tls1_2") == ""


def test_openssl_with_a_foreign_certificate_reads_nothing_but_the_end(world: World, mint: Mint) -> None:
    """Of a CA of the same names: only the key differs."""
    foreign = make_house(lambda: ec.generate_private_key(ec.SECP256R1()), REALM)
    files = mint(acme(), issuer=foreign.issuing.issuer)
    assert s_client(world, "-cert", files.certificate, "-key", files.key) == ""
    assert s_client(world, "-cert", files.certificate, "-key", files.key, "-tls1_2") == ""


def test_a_server_certificate_of_ours_is_no_client(world: World, mint: Mint) -> None:
    files = mint(Hosts("mirror9", addresses=("127.0.0.1",)), SERVER)
    assert s_client(world, "-cert", files.certificate, "-key", files.key) == ""


@pytest.mark.parametrize(("version", "spoken"), [("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)])
def test_tls_1_2_and_1_3_are_spoken_and_nothing_older(
    world: World, credentials: Path, version: str, spoken: bool
) -> None:
    old = ["-cipher", "ALL:@SECLEVEL=0"] if version == "-tls1_1" else []
    answer = s_client(world, "-cert", credentials, "-key", credentials, version, *old)
    assert answer.startswith("HTTP/1.1 200") is spoken
    assert spoken or answer == ""


def test_plain_http_on_the_port_reads_no_answer(world: World) -> None:
    with socket.create_connection(("127.0.0.1", world.port), timeout=20) as plain:
        plain.sendall(REQUEST)
        try:
            read = plain.recv(4096)
        except ConnectionError:
            read = b""
    assert b"HTTP" not in read


SUPPORT = Profile("support", timedelta(days=30), usage=ExtendedKeyUsageOID.CLIENT_AUTH, role=Role.SUPPORT)
MONTH = Profile("client", timedelta(days=30), usage=ExtendedKeyUsageOID.CLIENT_AUTH, role=Role.CLIENT)


@pytest.mark.parametrize(
    ("identity", "profile", "ago", "reason"),
    [
        (acme(), MONTH, timedelta(days=31), "expired"),
        (acme(), MONTH, timedelta(days=-1), "not-yet-valid"),
        (Identity(REALM, Role.SUPPORT, "sue"), SUPPORT, timedelta(0), "wrong-role"),
        (Identity(REALM, Role.CLIENT, "nobody"), MONTH, timedelta(0), "unknown-customer"),
        (Identity(REALM, Role.CLIENT, "globex", "0" * 16), MONTH, timedelta(0), "not-your-installation"),
    ],
)
def test_a_certificate_that_is_not_to_be_used_is_told_why(
    world: World, mint: Mint, *, identity: Identity, profile: Profile, ago: timedelta, reason: str
) -> None:
    context = trusting_nobody(*mint(identity, profile, ago=ago))
    for path in ("/licences", "/catalogue/timestamp.json", PACK):
        reply = ask(world.port, context, path)
        assert (reply.status, reply.reason) == (403, reason)


@pytest.mark.slow
def test_a_revoked_client_is_told_so_within_a_second_or_two(world: World, tmp_path: Path) -> None:
    root = tmp_path / "root"
    world.spot(root, "enrol", "initech.bundle")
    context = trusting_nobody(root / ".spot/client.pem")
    assert ask(world.port, context, "/licences").status == 200
    world.succeed("spot-ca", "revoke", "initech", "--reason", "key-compromise")
    world.until(lambda: ask(world.port, context, "/licences").status != 200)
    reply = ask(world.port, context, PACK)
    assert (reply.status, reply.reason) == (403, "revoked")
    code, told = world.refused(root, "install", TOOL)
    assert code == 12
    assert "revoked" in told


def curl(world: World, credentials: Path, path: str, *arguments: str) -> tuple[str, str]:
    """Status and body, by curl with a client's certificate and the pin as its only trust."""
    need_program("curl")
    trust = ["--cacert", str(world.folder / "certs/mirror1.crt"), "--cert", str(credentials)]
    command = ["curl", "--silent", "--show-error", "--path-as-is", *trust, "--write-out", "\n%{http_code}"]
    done = subprocess.run([*command, *arguments, f"{world.url}{path}"], capture_output=True, timeout=30, check=True)
    body, _, status = done.stdout.decode("latin-1").rpartition("\n")
    return status, body


def test_curl_gets_a_range_of_a_pack_that_is_licensed(world: World, credentials: Path) -> None:
    pack = (world.folder / f"data{PACK}").read_bytes()
    status, body = curl(world, credentials, PACK, "--range", "3-12")
    assert (status, body.encode("latin-1")) == ("206", pack[3:13])


def test_curl_gets_several_ranges_of_a_pack_at_once(world: World) -> None:
    path = f"/releases/{MATHS}/2.0/any/pack"
    pack = (world.folder / f"data{path}").read_bytes()
    globex = world.folder / "roots/globex/.spot/client.pem"
    status, body = curl(world, globex, path, "--range", "0-1,5-6", "--include")
    boundary = re.search(r"boundary=([0-9a-f]{32})\r\n", body)
    assert boundary is not None
    head = f"Content-Type: application/octet-stream\r\nContent-Range: bytes %s/{len(pack)}\r\n\r\n".encode()
    parts = (head % b"0-1" + pack[:2], head % b"5-6" + pack[5:7], b"")
    line = f"--{boundary[1]}".encode()
    expected = line + b"\r\n" + (b"\r\n" + line + b"\r\n").join(parts).removesuffix(b"\r\n") + b"--\r\n"
    assert (status, body.partition("\r\n\r\n")[2].encode("latin-1")) == ("206", expected)


def test_curl_is_refused_what_is_not_licensed_and_what_does_not_exist_alike(world: World, credentials: Path) -> None:
    paths = ["/releases/%s/maths/2.0/any/pack", "/catalogue/1.%s.json", "/releases/%s/maths/2.0/any/manifest"]
    for path in paths:
        answers = [curl(world, credentials, path % product) for product in ("science", "nosuchproduct")]
        assert [status for status, _ in answers] == ["403", "403"]
        bodies = [json.loads(body) for _, body in answers]
        assert bodies[0].keys() == bodies[1].keys()
        differing = {key for key in bodies[0] if bodies[0][key] != bodies[1][key]}
        assert differing <= {"request", "time"}
        assert bodies[0]["reason"] == "not-licensed"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//licences",
        "/licences/",
        "/licences?x=1",
        "/./licences",
        "/../../../../etc/passwd",
        "/catalogue/../records.sqlite",
        "/catalogue/%2e%2e/records.sqlite",
        "/catalogue/targets/../../records.sqlite",
        "/releases/sdk/../science/maths/2.0/any/pack",
        "/releases/sdk/tool/../../science/maths/2.0/any/pack",
        "/releases/sdk%2ftool/1.1/any/pack",
        "/releases/sdk/tool/1.1/any/pack%00",
        "/releases/SDK/tool/1.1/any/pack",
        "/releases/sdk/tool/1.1/any/manifest/..",
        "/releases/sdk/tool/1.1/any/",
        "/" + "a" * 3000,
    ],
)
def test_a_path_has_one_spelling_and_no_tricks(world: World, credentials: Path, path: str) -> None:
    status, body = curl(world, credentials, path)
    assert status in {"400", "403", "404"}
    assert re.search(r'"reason":"(not-found|bad-request|not-licensed)"', body) or status == "400"
