"""What a thin snapshot must not be: refused by name, with nothing stored."""

import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from mirror.records.protocol import ThinSnapshot
from tests.e2e.world import MATHS, NEW, TOOL, World
from tests.hostile.asking import Reply, ask, trusting_nobody

GOOD = f'{{"components":{{"{TOOL}":"{NEW}"}},"format":1,"min_spot":"0.1"}}'.encode()


@pytest.fixture
def root(world: World, tmp_path: Path) -> Path:
    """An installation of its own, whose last thin snapshot says that nothing is installed."""
    root = tmp_path / "root"
    world.spot(root, "enrol", "acme.bundle")
    world.spot(root, "thin-snapshot")
    return root


def context(root: Path) -> ssl.SSLContext:
    return trusting_nobody(root / ".spot/client.pem")


def put(world: World, root: Path, body: bytes, installation: str | None = None, **headers: str) -> Reply:
    path = f"/installations/{installation or world.installation(root)}/thin-snapshot"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(world.port, context(root), path, method="PUT", body=body, headers=named)


def history(world: World, installation: str) -> Sequence[ThinSnapshot]:
    with world.records() as records:
        return records.thin_snapshots(installation)


def test_a_thin_snapshot_of_published_versions_is_stored(world: World, root: Path) -> None:
    assert put(world, root, GOOD).status == 204
    assert world.reported(root) == {TOOL: NEW}


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 422, "bad-thin-snapshot"),
        (b"{}", 422, "bad-thin-snapshot"),
        (b"[" * 60_000, 422, "bad-thin-snapshot"),
        (b"\xff\xfe", 422, "bad-thin-snapshot"),
        (GOOD[:-1], 422, "bad-thin-snapshot"),
        (GOOD + b" ", 422, "bad-thin-snapshot"),
        (GOOD.replace(NEW.encode(), b"6.6.6"), 422, "bad-thin-snapshot"),
        (GOOD.replace(b"sdk/tool", b"sdk/nosuch"), 422, "bad-thin-snapshot"),
        (GOOD.replace(b"sdk/tool", MATHS.encode()).replace(NEW.encode(), b"2.0"), 422, "bad-thin-snapshot"),
        (GOOD.replace(b'"format"', b'"customer":"acme","format"'), 422, "bad-thin-snapshot"),
        (GOOD.replace(b'"format":1', b'"format":1,"format":1'), 422, "bad-thin-snapshot"),
        (GOOD.replace(b'"sdk/tool":"1.1"', b'"sdk/tool":"1.0","sdk/tool":"1.1"'), 422, "bad-thin-snapshot"),
        (GOOD.replace(b'"1.1"', b'"1.1+secret.word"'), 422, "bad-thin-snapshot"),
        (GOOD.replace(b'"1.1"', b'"01.1"'), 422, "bad-thin-snapshot"),
        (GOOD.replace(b'"0.1"', b'"0.2"'), 422, "bad-thin-snapshot"),
        (GOOD.replace(b'"1.1"', b'{"a":"1.1"}'), 422, "bad-thin-snapshot"),
        (GOOD + b" " * (64 * 2**10 - len(GOOD)), 422, "bad-thin-snapshot"),
        (GOOD + b" " * (65 * 2**10 - len(GOOD)), 413, "too-large"),
    ],
    ids=[
        "empty",
        "without a field",
        "nested deep",
        "no text",
        "truncated",
        "another spelling",
        "a version that was never published",
        "a component that is not known",
        "a product that is not licensed",
        "an extra field",
        "a field twice",
        "a component twice",
        "something in the local part of a version",
        "another spelling of a version",
        "something in the version of SPOT",
        "a component that is no version",
        "64 KiB",
        "65 KiB",
    ],
)
def test_anything_else_is_refused_and_nothing_stored(
    world: World, root: Path, body: bytes, status: int, reason: str
) -> None:
    before = history(world, world.installation(root))
    reply = put(world, root, body)
    assert (reply.status, reply.reason) == (status, reason)
    assert history(world, world.installation(root)) == before


def test_the_installation_of_another_customer_is_not_written_to(world: World, root: Path) -> None:
    other = world.installation(world.folder / "roots/globex")
    before = history(world, other)
    answers = [put(world, root, GOOD, name) for name in (other, "0" * 16)]
    assert [(reply.status, reply.reason) for reply in answers] == [(403, "not-your-installation")] * 2
    reply = put(world, root, GOOD, Spot_Installation=other)
    assert (reply.status, reply.reason) == (403, "not-your-installation")
    assert history(world, other) == before
    assert world.reported(root) == {}


@pytest.mark.parametrize("head", ["Content-Length: 200", "Transfer-Encoding: chunked"])
def test_a_body_that_breaks_off_is_not_stored(world: World, root: Path, head: str) -> None:
    installation = world.installation(root)
    request = f"PUT /installations/{installation}/thin-snapshot HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n"
    chunk = f"{len(GOOD):x}\r\n".encode() if "chunked" in head else b""
    with (
        socket.create_connection(("127.0.0.1", world.port), timeout=20) as plain,
        context(root).wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(request.encode() + chunk + GOOD)
    assert ask(world.port, context(root), "/licences").status == 200  # answered later than the one that broke off
    assert world.reported(root) == {}


def test_an_endless_body_is_answered_before_it_ends(world: World, root: Path) -> None:
    installation = world.installation(root)
    head = f"PUT /installations/{installation}/thin-snapshot HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", world.port), timeout=20) as plain,
        context(root).wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(head.encode())
        for _ in range(66):
            secure.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
        assert secure.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert world.reported(root) == {}


def test_an_id_is_asked_for_without_a_body(world: World, root: Path) -> None:
    reply = ask(world.port, context(root), "/installations", method="POST", body=b"x")
    assert (reply.status, reply.reason) == (413, "too-large")
