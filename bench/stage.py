"""What servers are measured with: a mirror made by the real commands, and the very files that it serves.

Two releases of one product: a manifest of about 4 KiB, and a pack as large as asked. A customer, acme, is licensed for
it and has a client certificate. The mirror's configuration is that of `init`, its limits raised as far as one client
that is a thousand needs; they are held to all the same, and metrics and the audit log are on.
"""

import re
import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPSConnection
from pathlib import Path
from random import Random
from select import select
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

from bench.scene import Programs
from ca.tls import client_context, read_pins

SMALL: Final = "/releases/sdk/small/1.0/any/manifest"
LARGE: Final = "/releases/sdk/large/1.0/any/pack"
LIMITS: Final[Mapping[str, int]] = {
    "connections_per_customer": 15_000,
    "connections_per_address": 15_000,
    "handshake_rate": 1_000_000,
    "requests_per_installation": 1_000_000,
    "requests_per_customer": 1_000_000,
    "idle_seconds": 600,
}
_SMALL_FILES = 82  # of which the manifest says digest, name and size: about 4 KiB when it is compressed


class Answer(NamedTuple):
    """What a mirror said. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Caller:
    """A client on one connection that stays, opened anew when it is gone, as SPOT's is; as a context manager."""

    def __init__(self, url: str, context: ssl.SSLContext, *, timeout: float = 30.0) -> None:
        place = urlsplit(url)
        self._used = False
        self._connection = HTTPSConnection(
            place.hostname or "", place.port, context=context, timeout=timeout, blocksize=256 * 2**10
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def used(self) -> bool:
        """Whether the connection that is open has carried an answer."""
        self._drop()
        return self._used

    def _drop(self) -> None:
        """Let go of a connection that the mirror closed meanwhile: nobody says anything unasked."""
        plain = self._connection.sock
        if plain is not None and select([plain], [], [], 0)[0]:
            self._used = False
            self._connection.close()

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """One request and its whole answer.

        Raises:
            OSError, HTTPException: there was no such answer; the connection is closed.
        """
        self._drop()
        try:
            self._connection.request(method, path, body, dict(headers or {}))
            with self._connection.getresponse() as answer:
                content = answer.read()
        except BaseException:
            self._used = False
            self._connection.close()
            raise
        self._used = not answer.will_close
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)


class Stage:
    """The folder of a mirror: CA, mirror, releases and a customer's certificate, once `make` has made them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = Programs(folder)
        self.certificate = folder / "acme.crt"
        self.key = folder / "acme.key"
        self.pin = folder / "certs" / "mirror.crt"
        self.issuing_ca = folder / "ca" / "issuing.crt"

    def make(self, large_bytes: int) -> None:
        """Make it all; the pack has `large_bytes` and a little more.

        Raises:
            ProgramFailed: one of the programs failed.
        """
        self.programs.make()
        run = self.programs.run
        run("spot-mirror", "licence", "grant", "acme", "sdk", "--installations", "1")
        run("spot-ca", "issue", "client", "acme", "--out", ".")
        random = Random(5)  # noqa: S311  # what cannot be compressed; no secret
        small, large = self.folder / "small", self.folder / "large"
        small.mkdir()
        large.mkdir()
        for number in range(_SMALL_FILES):
            (small / f"{number:04}.bin").write_bytes(random.randbytes(100))
        with (large / "large.bin").open("wb") as file:
            for _ in range(large_bytes // 2**20):
                file.write(random.randbytes(2**20))
        run("spot-mirror", "publish", "sdk/small", "1.0", "small", "--level", "1")
        run("spot-mirror", "publish", "sdk/large", "1.0", "large", "--level", "1")

    def configure(self, *, workers: int | str, limits: Mapping[str, int]) -> None:
        """Say so in mirror.toml, and have metrics listened for."""
        path = self.folder / "mirror.toml"
        text = re.sub(r"^workers = .*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        said = f'"{workers}"' if isinstance(workers, str) else f"{workers}"
        text = text.replace("\n[content]\n", f"\n[content]\nworkers = {said}\n")
        lines = "".join(f"{name} = {number}\n" for name, number in limits.items())
        path.write_text(f'{text}\n[content.limits]\n{lines}\n[health]\nlisten = "127.0.0.1:0"\n', encoding="utf-8")

    def caller(self, url: str, *, timeout: float = 30.0) -> Caller:
        """acme as a client."""
        return Caller(url, self._context(), timeout=timeout)

    def socket(self, url: str) -> ssl.SSLSocket:
        """A connection of acme for whoever writes and reads by himself."""
        place = urlsplit(url)
        host = place.hostname or ""
        plain = socket.create_connection((host, place.port or 443), timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context().wrap_socket(plain, server_hostname=host)

    def _context(self) -> ssl.SSLContext:
        return client_context(certificate=self.certificate, key=self.key, pins=read_pins(self.pin.read_bytes()))
