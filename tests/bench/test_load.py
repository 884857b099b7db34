"""Only right answers count: a load generator that counts refusals measures something else."""

import json
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography.hazmat.primitives.serialization import Encoding

from bench import load
from tests.ca.house import House
from tests.spot_client.fetch.server import Behave, Server, problem, reply

ROOT = Path(__file__).parents[2]
CONTENT = bytes(range(256)) * 16

Serve = Callable[..., Server]
Words = Callable[..., list[str]]


@pytest.fixture
def words(tmp_path: Path, house: House) -> Words:
    """The command line for a mode and a server."""

    def make(mode: str, server: Server, *options: str) -> list[str]:
        files = house.client.files(tmp_path, "client")
        (tmp_path / "pin").write_bytes(house.server.certificate.public_bytes(Encoding.PEM))
        (tmp_path / "content").write_bytes(CONTENT)
        body = () if "--length" in options else ("--content", str(tmp_path / "content"))
        trust = ("--certificate", files["certificate"], "--key", files["key"], "--pin", tmp_path / "pin")
        few = ("--connections", "4", "--seconds", "0.5", "--requests", "20")
        return [mode, "--port", str(server.port), "--path", "/file", *map(str, trust), *few, *body, *options]

    return make


def run(words: list[str]) -> dict[str, Any]:
    return uvloop.run(load._play(load._parser().parse_args(words)))


@pytest.mark.parametrize("pieces", [1, 3])
def test_right_answers_are_counted_and_timed(serve: Serve, words: Words, pieces: int) -> None:
    answer = reply(body=CONTENT)
    server = serve(lambda _: answer if pieces == 1 else reply(body=CONTENT, X_Long="x" * 40_000))
    found = run(words("small", server))
    assert (found["answers"], found["errors"], found["bytes"]) == (20, {}, 20 * len(CONTENT))
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["rate"] == pytest.approx(20 / found["seconds"], rel=0.05)
    assert found["cipher"] == "TLSv1.3 TLS_AES_256_GCM_SHA384"
    assert (server.connections, len(server.asked)) == (4, 4 + 20)
    assert server.asked[0].path == "/file"


@pytest.mark.parametrize(
    ("behave", "kind"),
    [
        (lambda _: problem("429 Too Many Requests", "too-many-requests"), "status-429"),
        (lambda _: problem("403 Forbidden", "not-licensed"), "status-403"),
        (lambda _: reply(body=CONTENT[::-1]), "other-content"),
        (lambda _: reply(body=CONTENT + b"x"), "other-content"),
        (lambda _: iter([reply(body=CONTENT)[:-1]]), "broken-off"),
        (lambda _: b"", "broken-off"),
    ],
)
def test_what_is_no_right_answer_is_an_error_by_its_kind(serve: Serve, words: Words, behave: Behave, kind: str) -> None:
    found = run(words("small", serve(behave)))
    assert found["answers"] == 0
    assert found["errors"].keys() == {kind}
    assert found["p99_ms"] is None


@pytest.mark.parametrize(("length", "kind"), [(len(CONTENT), None), (len(CONTENT) - 1, "other-length")])
def test_of_large_files_the_bytes_are_counted(serve: Serve, words: Words, length: int, kind: str | None) -> None:
    found = run(words("bulk", serve(lambda _: reply(body=CONTENT)), "--length", str(length), "--requests", "5"))
    assert found["errors"].keys() == ({kind} if kind else set())
    assert (found["answers"], found["bytes"]) == ((0, 0) if kind else (5, 5 * length))


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_a_handshake_is_a_full_one_and_for_one_request(serve: Serve, words: Words, tls: str) -> None:
    server = serve(lambda _: reply(body=CONTENT, Connection="close"))
    found = run(words("handshake", server, "--tls", tls))
    assert (found["answers"], found["errors"]) == (20, {})
    assert found["cipher"].startswith(f"TLSv{tls} ")
    assert server.connections == len(server.asked) == 4 + 20
    assert {one.headers["connection"] for one in server.asked} == {"close"}


def test_a_server_that_gives_tickets_is_not_comparable(serve: Serve, words: Words, context: ssl.SSLContext) -> None:
    context.num_tickets = 2
    context.options &= ~ssl.OP_NO_TICKET
    found = run(words("handshake", serve(lambda _: reply(body=CONTENT, Connection="close"))))
    assert found["errors"] == {"ticket": 20}


def test_idle_connections_are_held_and_those_that_are_closed_meanwhile_count_as_errors(
    serve: Serve, words: Words
) -> None:
    held = serve(lambda _: reply(body=CONTENT))
    assert run(words("idle", held, "--connections", "40"))["answers"] == held.connections == 40
    closing = serve(lambda _: reply(body=CONTENT, Connection="close"))
    found = run(words("idle", closing, "--connections", "40"))
    assert (found["answers"], found["errors"]) == (0, {"closed": 40})


def test_nobody_there_is_an_error(serve: Serve, words: Words) -> None:
    server = serve()
    server.close()
    found = run(words("small", server))
    assert (found["answers"], found["errors"].keys()) == (0, {"refused"})


def test_as_a_program_it_waits_for_a_line_once_its_connections_are_open(serve: Serve, words: Words) -> None:
    server = serve(lambda _: reply(body=CONTENT))
    command = [sys.executable, "-m", "bench.load", *words("small", server, "--gated")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"ready": 4}
        assert len(server.asked) == 4
        out, _ = process.communicate("go\n", timeout=30)
    assert process.returncode == 0
    assert json.loads(out)["answers"] == 20
