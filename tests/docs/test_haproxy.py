"""The example for HAProxy: it is understood, and sends clients where a mirror is ready, and nowhere else."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import pytest

from mirror.config import Health
from mirror.health.listener import start
from mirror.health.status import Status
from tests.docs.pages import DOCS, ROOT, blocks
from tests.hostile.needs import need_program
from tests.mirror.health.rig import GOOD, but, log_to

EXAMPLE = (ROOT / "deploy/haproxy.cfg").read_text()


class Mirror:
    """What HAProxy sees of one: a listener that greets by its name, and the real one of health."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status: Status = GOOD
        self.port = self.health = 0

    async def greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer with the name, and with what came first: the PROXY header, before the client said anything."""
        head = await reader.read(16)
        writer.write(f"{self.name} {head[:12]!r}".encode())
        writer.close()


@asynccontextmanager
async def running(mirror: Mirror) -> AsyncIterator[Mirror]:
    served = await asyncio.start_server(mirror.greet, "127.0.0.1", 0)
    mirror.port = served.sockets[0].getsockname()[1]
    token = b"a-token-that-haproxy-does-not-know"
    health = await start("127.0.0.1:0", lambda: token, lambda: mirror.status, bytes, log_to(StringIO()))
    mirror.health = int(health.address.rpartition(":")[2])
    try:
        yield mirror
    finally:
        await health.close()
        served.close()
        await served.wait_closed()


def edited(one: Mirror, other: Mirror, socket: Path) -> str:
    """The example with the addresses of two mirrors, as its reader would put them there."""
    text = EXAMPLE.replace("bind :443", f"bind {socket}").replace("inter 2s", "inter 100ms").replace(" port 9109", "")
    text = text.replace("192.0.2.11:443", f"127.0.0.1:{one.port} port {one.health}")
    return text.replace("192.0.2.12:443", f"127.0.0.1:{other.port} port {other.health}")


async def ask(socket: Path) -> str:
    """What a client reads; nothing, if nobody takes it."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        read = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return read.decode()
    except OSError:
        return ""


async def until(socket: Path, names: set[str]) -> str:
    """Ask until exactly these mirrors answer; the last answer."""
    for _ in range(60):
        said = [await ask(socket) for _ in range(6)]
        if {one.partition(" ")[0] for one in said} == names:
            return said[-1]
        await asyncio.sleep(0.1)
    pytest.fail(f"not {names}, but {said}")


def test_haproxy_understands_the_example() -> None:
    need_program("haproxy")
    command = ["haproxy", "-c", "-f", str(ROOT / "deploy/haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not re.search("warning", done.stdout + done.stderr, re.IGNORECASE)


def test_it_asks_where_the_page_for_ops_says_that_the_mirror_listens() -> None:
    (port,) = re.findall(r" port (\d+) ", EXAMPLE)
    told = "\n".join(blocks((DOCS / "ops.md").read_text(), "toml"))
    listens = re.findall(r'^\[health\]\nlisten = "(.*)"', told, re.MULTILINE)
    assert {address.rpartition(":")[2] for address in listens} == {port}
    assert all(Health(listen=address) for address in listens)


@pytest.mark.slow
async def test_clients_are_sent_to_mirrors_that_are_ready(tmp_path: Path) -> None:
    need_program("haproxy")
    socket, config = tmp_path / "socket", tmp_path / "haproxy.cfg"
    async with running(Mirror("one")) as one, running(Mirror("other")) as other:
        config.write_text(edited(one, other, socket))
        haproxy = await asyncio.create_subprocess_exec(
            "haproxy", "-f", str(config), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            said = await until(socket, {"one", "other"})
            assert repr(b"\r\n\r\n\x00\r\nQUIT\n") in said, "no PROXY header, version 2"
            one.status = but(draining=True)
            await until(socket, {"other"})
            other.status = but(ready=0)
            await until(socket, {""})
            one.status = other.status = GOOD
            await until(socket, {"one", "other"})
        finally:
            haproxy.terminate()
            await haproxy.wait()
