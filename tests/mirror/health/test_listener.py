"""mirror.health.listener: who learns what, and what a caller can cost; a real listener, real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from io import StringIO

import msgspec
import pytest

from mirror.brief import Listening
from mirror.errors import ServeError
from mirror.health import listener
from mirror.health.listener import BOUNDS, start
from mirror.health.status import Cause, Status
from tests.mirror.health.rig import GOOD, but, log_to, whole_page

TOKEN = b"a-token-of-some-length"
BEARER = {"Authorization": f"Bearer {TOKEN.decode()}"}


class Asked:
    """A listener, the state that it tells of, and what it wrote to its log."""

    def __init__(self) -> None:
        self.status: Status = GOOD
        self.stderr = StringIO()
        self.listening: Listening | None = None

    async def start(self, token: bytes | None) -> None:
        log = log_to(self.stderr)
        self.listening = await start("127.0.0.1:0", lambda: token, lambda: self.status, self.metrics, log)

    def metrics(self) -> bytes:
        return whole_page(self.status)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        assert self.listening is not None
        host, _, port = self.listening.address.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def raw(self, request: bytes) -> bytes:
        """Everything that comes back, up to the end of the connection."""
        reader, writer = await self.open()
        try:
            writer.write(request)
            return await asyncio.wait_for(reader.read(), 5)
        finally:
            writer.close()

    async def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[int, str, str]:
        """Status, head and body."""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{name}: {said}" for name, said in (headers or {}).items())]
        answer = await self.raw("\r\n".join([*lines, "", ""]).encode())
        head, _, body = answer.decode().partition("\r\n\r\n")
        return int(head.split(" ")[1]), head, body


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    found = Asked()
    yield found
    if found.listening is not None:
        await found.listening.close()


async def test_a_balancer_needs_no_token_to_learn_whether_it_lives_and_is_ready(asked: Asked) -> None:
    await asked.start(TOKEN)
    assert (await asked.get("/healthz"))[::2] == (200, "ok\n")
    assert (await asked.get("/readyz"))[::2] == (200, "ready\n")
    asked.status = but(draining=True)
    assert (await asked.get("/healthz"))[0] == 200
    assert (await asked.get("/readyz"))[0] == 503


async def test_what_is_lacking_is_named_to_those_who_show_the_token(asked: Asked) -> None:
    await asked.start(TOKEN)
    asked.status = but(ready=0, catalogue_until=None)
    status, head, body = await asked.get("/readyz", BEARER)
    assert status == 503
    assert "application/problem+json" in head
    problem = json.loads(body)
    assert problem["status"] == 503
    assert [one["cause"] for one in problem["lacking"]] == [Cause.NO_WORKER.value, Cause.CATALOGUE_LAPSED.value]
    assert json.loads((await asked.get("/readyz"))[2]) == {"title": "Not ready", "status": 503}


async def test_without_a_token_everybody_who_gets_there_is_told(asked: Asked) -> None:
    await asked.start(None)
    asked.status = but(store_answers=False)
    assert Cause.STORE_FAULT.value in (await asked.get("/readyz"))[2]
    assert (await asked.get("/metrics"))[0] == 200


async def test_metrics_are_for_those_who_show_the_token(asked: Asked) -> None:
    await asked.start(TOKEN)
    status, head, body = await asked.get("/metrics", BEARER)
    assert (status, body.encode()) == (200, asked.metrics())
    assert "text/plain; version=0.0.4" in head
    assert (await asked.get("/metrics", {"Authorization": f"bearer  {TOKEN.decode()} "}))[0] == 200


@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN.decode()}", TOKEN.decode(), f"Bearer {TOKEN.decode()}x"],
)
async def test_another_token_is_none(asked: Asked, shown: str) -> None:
    await asked.start(TOKEN)
    status, head, body = await asked.get("/metrics", {"Authorization": shown})
    assert (status, body) == (401, "a token is needed\n")
    assert "WWW-Authenticate: Bearer" in head


async def test_a_token_of_strange_bytes_is_refused_like_any_other(asked: Asked) -> None:
    await asked.start(TOKEN)
    answer = await asked.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\xe2\x80\x8b\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_only_reading_is_answered_and_only_what_is_there(asked: Asked) -> None:
    await asked.start(None)
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        status, head, _ = await asked.get("/metrics", method=method)
        assert status == 405
        assert "Allow: GET, HEAD" in head
    for path in ("/", "/metrics/", "/healthz/..", "/METRICS", "//metrics", "/catalogue/root.json"):
        assert (await asked.get(path))[::2] == (404, "not found\n")
    status, head, body = await asked.get("/metrics", method="HEAD")
    assert (status, body) == (200, "")
    assert f"Content-Length: {len(asked.metrics())}" in head


@pytest.mark.parametrize(
    "request_",
    [
        b"SECRET-OF-A-CALLER\r\n\r\n",
        b"GET /SECRET-OF-A-CALLER HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /" + b"SECRET-OF-A-CALLER" * 100 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"SECRET-OF-A-CALLER" * 1000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nSECRET-OF-A-CALLER\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"SECRET-OF-A-CALLER: 1\r\n" * 100 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03SECRET-OF-A-CALLER\r\n\r\n",
    ],
    ids=["no HTTP", "no path", "long path", "long header", "no header", "many headers", "TLS"],
)
async def test_nothing_that_a_caller_sends_is_repeated_or_logged(asked: Asked, request_: bytes) -> None:
    await asked.start(None)
    answer = await asked.raw(request_)
    assert answer[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.0 400"}
    assert b"SECRET" not in answer
    assert asked.stderr.getvalue() == ""


async def test_a_connection_carries_one_request(asked: Asked) -> None:
    await asked.start(None)
    answer = await asked.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in answer


async def test_a_caller_who_dawdles_is_cut_off(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "BOUNDS", msgspec.structs.replace(BOUNDS, life_seconds=0.3))
    await asked.start(None)
    for begun in (b"", b"GET /healthz HTTP/1.1\r\nHost:", b"GET /healthz HTTP/1.1\r\nContent-Length: 9\r\n\r\n"):
        reader, writer = await asked.open()
        writer.write(begun)
        with suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()


async def test_so_many_connections_and_no_more_and_then_again(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "BOUNDS", msgspec.structs.replace(BOUNDS, life_seconds=3.0))
    await asked.start(None)
    held = [await asked.open() for _ in range(BOUNDS.connections)]
    with suppress(ConnectionError):
        assert await asked.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    for _, one in held:
        one.close()
    for _ in range(50):
        try:
            assert (await asked.get("/healthz"))[0] == 200
            break
        except (ConnectionError, IndexError):
            await asyncio.sleep(0.05)
    else:
        pytest.fail("it does not answer again")


async def test_a_fault_of_ours_is_logged_and_told_as_no_more_than_that(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> bytes:
        raise RuntimeError("inner workings")

    monkeypatch.setattr(asked, "metrics", broken)
    await asked.start(None)
    assert (await asked.get("/metrics"))[::2] == (500, "internal error\n")
    assert "inner workings" in asked.stderr.getvalue()
    assert (await asked.get("/healthz"))[0] == 200


async def test_an_address_that_is_taken_or_not_here_is_named() -> None:
    log = log_to(StringIO())
    first = await start("127.0.0.1:0", lambda: None, lambda: GOOD, bytes, log)
    try:
        with pytest.raises(ServeError, match=first.address) as caught:
            await start(first.address, lambda: None, lambda: GOOD, bytes, log)
        assert caught.value.reason == "port-in-use"
    finally:
        await first.close()
    with pytest.raises(ServeError) as caught:
        await start("192.0.2.1:0", lambda: None, lambda: GOOD, bytes, log)
    assert caught.value.reason == "no-such-address"


async def test_after_closing_nobody_is_answered(asked: Asked) -> None:
    await asked.start(None)
    assert asked.listening is not None
    await asked.listening.close()
    with pytest.raises(ConnectionRefusedError):
        await asked.get("/healthz")
