"""Requests beyond limits, and of forms that HTTP does not have: a named status, the end of the connection, a line.

Every refusal here is told apart in the audit by the caller's certificate, which is all that is known of it.
"""

import re
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from mirror.content.head import MAX_HEADER, MAX_HEADERS, MAX_TARGET
from mirror.limits import Limits
from tests.e2e.world import MATHS, World
from tests.hostile.asking import ask, trusting_nobody

PUT = b"PUT /installations/%s/thin-snapshot HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /installations HTTP/1.1\r\nHost: x\r\n"
FILE = b"GET /catalogue/timestamp.json HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /licences HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def root(world: World) -> Path:
    return world.folder / "roots/acme"


def exchange(world: World, root: Path, raw: bytes) -> bytes:
    """What comes back until the mirror closes; a caller that is cut off while it still sends reads on."""
    context = trusting_nobody(root / ".spot/client.pem")
    with (
        socket.create_connection(("127.0.0.1", world.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(raw)
        read = b""
        while piece := secure.recv(65536):
            read += piece
    return read


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/\d\.\d (\d{3}) ", answer)]


def audited(world: World, answer: bytes) -> Mapping[str, object]:
    """The audit line of a refusal, found by the id that the caller was given."""
    told = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])
    found: list[Mapping[str, object]] = []

    def look() -> bool:
        lines = (world.folder / "data/audit.jsonl").read_bytes().splitlines()
        found.extend(line for line in map(msgspec.json.decode, lines) if line["request"] == told["request"])
        return bool(found)

    world.until(look)
    return found[0]


REFUSED: Mapping[str, tuple[int, bytes]] = {
    "a path that is too long": (414, b"GET /" + b"a" * MAX_TARGET + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a path without an end": (414, b"GET /" + b"a" * 20_000),
    "a header that is too long": (431, GET + b"X: " + b"y" * (MAX_HEADER + 1) + b"\r\n\r\n"),
    "a header that begins like a path": (431, GET + b"X: /" + b"a" * MAX_HEADER + b"\r\n\r\n"),
    "a header with too long a name": (431, GET + b"X" * MAX_HEADER + b"y: z\r\n\r\n"),
    "a header without an end": (431, GET + b"X: " + b"y" * 20_000),
    "too many headers": (431, GET + b"X: y\r\n" * MAX_HEADERS + b"\r\n"),
    "long headers without an end": (431, GET + (b"X: " + b"y" * 8000 + b"\r\n") * (MAX_HEADERS + 1)),
    "too many trailers": (431, PUT + CHUNKED + b"1\r\nx\r\n0\r\n" + b"X: y\r\n" * 100 + b"\r\n"),
    "a method that is none": (400, b"FROB /licences HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a method in lower case": (400, b"get /licences HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a method without an end": (400, b"GET" * 9000),
    "a tunnel": (400, b"CONNECT x:22 HTTP/1.1\r\nHost: x\r\n\r\n" + GET + b"\r\n"),
    "a web socket": (400, GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + GET + b"\r\n"),
    "HTTP/2 as an upgrade": (
        400,
        GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n" + GET + b"\r\n",
    ),
    "HTTP/2 as if it were agreed on": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
    "another version": (505, b"GET /licences HTTP/2.0\r\nHost: x\r\n\r\n"),
    "a version that does not exist": (400, b"GET /licences HTTP/9.9\r\nHost: x\r\n\r\n"),
    "no host": (400, b"GET /licences HTTP/1.1\r\n\r\n"),
    "two hosts": (400, b"GET /licences HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"),
    "a body by length and by chunks": (400, PUT + b"Content-Length: 4\r\n" + CHUNKED + b"0\r\n\r\n" + GET + b"\r\n"),
    "a body by chunks and by length": (
        400,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + GET + b"\r\n",
    ),
    "two lengths": (400, POST + b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n" + GET + b"\r\n"),
    "the same length twice": (400, POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n"),
    "a list of lengths": (400, POST + b"Content-Length: 0, 0\r\n\r\n"),
    "a length with a sign": (400, POST + b"Content-Length: +0\r\n\r\n"),
    "a negative length": (400, POST + b"Content-Length: -1\r\n\r\n"),
    "a length that no number holds": (400, POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n"),
    "a coding that is none": (400, POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "chunks that are compressed": (400, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "chunks that end in another coding": (400, POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    "chunks twice": (400, POST + b"Transfer-Encoding: chunked\r\n" + CHUNKED + b"0\r\n\r\n"),
    "chunks in HTTP/1.0": (400, b"POST /installations HTTP/1.0\r\n" + CHUNKED + b"0\r\n\r\n"),
    "a space before a colon": (400, POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    "a header over two lines": (400, GET + b"X: a\r\n b\r\n\r\n"),
    "lines that end in LF alone": (400, b"GET /licences HTTP/1.1\nHost: x\n\n"),
    "a header that ends in LF alone": (400, b"GET /licences HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"),
    "a header that ends in CR alone": (400, b"GET /licences HTTP/1.1\r\nHost: x\rX: y\r\n\r\n"),
    "NUL in a header": (400, GET + b"X: a\x00b\r\n\r\n"),
    "NUL in a path": (400, b"GET /lic\x00ences HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a tab for a space": (400, b"GET\t/licences HTTP/1.1\r\nHost: x\r\n\r\n"),
    "UTF-8 that is longer than it need be": (400, b"GET /catalogue/\xc0\xae\xc0\xae/x HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a chunk whose size is none": (400, PUT + CHUNKED + b"ZZ\r\n"),
    "a later chunk whose size is none": (400, PUT + CHUNKED + b"1\r\na\r\nZZ\r\n"),
    "a chunk of a negative size": (400, PUT + CHUNKED + b"-1\r\n"),
    "a chunk of a size that no number holds": (400, PUT + CHUNKED + b"f" * 18 + b"\r\n"),
    "a chunk longer than it says": (400, PUT + CHUNKED + b"1\r\nab\r\n0\r\n\r\n"),
    "a compressed body": (415, PUT + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"),
    "a body that says it is as it is": (415, PUT + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}"),
    "a body where none belongs": (400, GET + b"Content-Length: 2\r\n\r\nhi"),
    "two ranges in two headers": (400, FILE + b"Range: bytes=0-1\r\nRange: bytes=5-6\r\n\r\n"),
    "nothing that is HTTP": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_by_name_the_connection_ends_and_the_audit_tells_who_it_was(
    world: World, root: Path, what: str
) -> None:
    status, raw = REFUSED[what]
    named = raw.replace(b"%s", world.installation(root).encode())
    answer = exchange(world, root, named)
    assert statuses(answer) == [status]
    assert b"Server: spot-mirror\r\n" in answer
    line = audited(world, answer)
    assert (line["status"], line["reason"], line["customer"]) == (status, "bad-request", "acme")
    assert line["detail"]
    assert ask(world.port, trusting_nobody(root / ".spot/client.pem"), "/licences").status == 200


@pytest.mark.parametrize(
    "target",
    [
        b"/%6cicences",
        b"/catalogue/%2e%2e/records.sqlite",
        b"/catalogue/..%2frecords.sqlite",
        b"/catalogue/%c0%ae%c0%ae/records.sqlite",
        b"/catalogue\\..\\records.sqlite",
        b"/catalogue/..\\records.sqlite",
        b"//licences",
        b"/catalogue//timestamp.json",
        b"/catalogue/../../mirror.toml",
        b"/" + b"../" * 100 + b"etc/passwd",
        b"/" + b"a" * (MAX_TARGET - 1),
        b"https://127.0.0.1/licences",
        b"http://other.example.com/licences",
        b"*",
    ],
)
def test_a_target_of_another_spelling_leads_nowhere(world: World, root: Path, target: bytes) -> None:
    method = b"OPTIONS" if target == b"*" else b"GET"
    answer = exchange(world, root, method + b" " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert statuses(answer) == [404]
    assert audited(world, answer)["reason"] == "not-found"


def test_a_path_and_headers_up_to_their_limits_are_read(world: World, root: Path) -> None:
    long = b"X: " + b"y" * MAX_HEADER + b"\r\n"
    many = b"X: y\r\n" * (MAX_HEADERS - 3)
    end = b"Connection: close\r\n\r\n"
    assert statuses(exchange(world, root, GET + long + many + end)) == [200]
    rest = Limits().header_bytes - len(GET + long + end) - len(b"Z: \r\n")
    assert statuses(exchange(world, root, GET + long + b"Z: " + b"z" * rest + b"\r\n" + end)) == [200]
    assert statuses(exchange(world, root, GET + long + long + end)) == [431]


def test_http_1_0_is_answered_and_the_connection_ends(world: World, root: Path) -> None:
    assert statuses(exchange(world, root, b"GET /licences HTTP/1.0\r\n\r\n")) == [200]


def test_requests_sent_in_one_go_are_answered_in_order_and_none_after_one_that_cannot_be_read(
    world: World, root: Path
) -> None:
    nonsense = b"nonsense\r\n\r\n"
    answered = statuses(exchange(world, root, (GET + b"\r\n") * 50 + nonsense + (GET + b"\r\n") * 50))
    assert answered == [200] * (len(answered) - 1) + [400]
    assert len(answered) <= 51  # of those that came in one packet with the nonsense, some get no answer


def test_who_sends_nonsense_with_a_certificate_that_is_not_licensed_is_told_apart_too(world: World) -> None:
    answer = exchange(world, world.folder / "roots/globex", REFUSED["a tab for a space"][1])
    assert audited(world, answer)["customer"] == "globex"


@pytest.mark.slow
@pytest.mark.parametrize(
    "flood",
    [
        b"1\r\n \r\n" * 70_000,
        b"8000\r\n" + b" " * 0x8000 + b"\r\n" + b"8001\r\n" + b" " * 0x8001 + b"\r\n",
        (b"1;" + b"x" * 500 + b"\r\n \r\n") * 70_000,
    ],
    ids=["many small chunks", "few large ones", "chunks with long extensions"],
)
def test_a_flood_of_chunks_is_answered_before_it_ends_and_nothing_is_stored(
    world: World, root: Path, flood: bytes
) -> None:
    installation = world.installation(root).encode()
    before = world.reported(root)
    for request, most in ((PUT.replace(b"%s", installation), 20), (POST, 20)):
        began = time.monotonic()
        context = trusting_nobody(root / ".spot/client.pem")
        with (
            socket.create_connection(("127.0.0.1", world.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            secure.sendall(request + CHUNKED + flood)
            assert statuses(secure.recv(65536)) == [413]
        assert time.monotonic() - began < most
    assert world.reported(root) == before


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", "-0.0", "9" * 5000])
def test_what_json_does_not_have_is_no_thin_snapshot(world: World, root: Path, word: str) -> None:
    body = f'{{"components":{{}},"format":{word},"min_spot":"0.1"}}'.encode()
    path = f"/installations/{world.installation(root)}/thin-snapshot"
    reply = ask(world.port, trusting_nobody(root / ".spot/client.pem"), path, method="PUT", body=body)
    assert (reply.status, reply.reason) == (422, "bad-thin-snapshot")


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_ten_megabytes_of_nesting_are_not_read(world: World, root: Path, opening: bytes) -> None:
    body = opening * (10 * 2**20 // len(opening))
    head = PUT.replace(b"%s", world.installation(root).encode()) + f"Content-Length: {len(body)}\r\n\r\n".encode()
    context = trusting_nobody(root / ".spot/client.pem")
    with (
        socket.create_connection(("127.0.0.1", world.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(head)
        assert statuses(secure.recv(65536)) == [413]
    allowed = ask(
        world.port,
        context,
        f"/installations/{world.installation(root)}/thin-snapshot",
        method="PUT",
        body=opening * (60_000 // len(opening)),
    )
    assert (allowed.status, allowed.reason) == (422, "bad-thin-snapshot")


def test_a_range_of_a_product_that_is_not_licensed_tells_nothing_of_it(world: World, root: Path) -> None:
    path = f"/releases/{MATHS}/2.0/any/pack"
    context = trusting_nobody(root / ".spot/client.pem")
    replies = [
        ask(world.port, context, path, headers={"Range": spec}) for spec in ("bytes=0-1,5-6", "bytes=99999999999-")
    ]
    assert [(reply.status, reply.reason) for reply in replies] == [(403, "not-licensed")] * 2
