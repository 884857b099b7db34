"""mirror.content.tunnel: what OpenSSL is left to remember. What it lets through is tested with the listener."""

import asyncio
import ssl
from pathlib import Path

import pytest

from mirror.content import tunnel
from mirror.content.answer import Answer
from tests.ca.house import House
from tests.mirror.content.inside import Inside, inside

MOST = 3


async def ask(mirror: Inside, last: str) -> bytes:
    """One request on a connection of TLS 1.2, all that comes of it, and its end."""
    reader, writer = await mirror.connect()
    writer.write(f"GET / HTTP/1.1\r\nHost: x\r\n{last}\r\n".encode())
    if not last:  # then the caller says first that it is done
        answer = await reader.readuntil(b"here")
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), 5)
        return answer
    try:
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("last", ["", "Connection: close\r\n"])
async def test_sessions_of_connections_that_are_over_are_remembered_up_to_a_number(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    monkeypatch.setattr(tunnel, "MAX_SESSIONS", MOST)
    async with inside(house, tmp_path, lambda _: Answer(200, {}, (b"here",))) as mirror:
        mirror.context.maximum_version = ssl.TLSVersion.TLSv1_2
        for _ in range(3 * MOST):
            assert (await ask(mirror, last)).endswith(b"here")
        await mirror.until(lambda: mirror.contexts.opening.session_stats()["number"] <= MOST)
        assert mirror.contexts.whole.session_stats()["number"] == 0
