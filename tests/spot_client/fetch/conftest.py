"""Servers on loopback, and SPOT's way to them."""

import math
import ssl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ca.tls import client_context, server_context
from spot_client.fetch.pace import Patience
from spot_client.fetch.pinned import open_pool
from spot_client.fetch.transport import Mirror, Transport
from tests.ca.house import House, Party, der_of
from tests.spot_client.fetch.server import Behave, Serve, Server, reply


class Dialler:
    """Opens transports to servers; closes them with the test.

    `waited`: the pauses between attempts, in seconds, which pass on `now`. `left`: for the whole run.
    """

    def __init__(self, folder: Path, house: House) -> None:
        self._folder = folder
        self._house = house
        self._open: list[Transport] = []
        self.waited: list[float] = []
        self.now = 0.0
        self.left = math.inf

    def __call__(
        self,
        *servers: Server,
        pins: Sequence[Party] = (),
        tls12: bool = False,
        client: Party | None = None,
        patience: Patience | Callable[[str], Patience] = Patience(gap=5),  # noqa: B008
        connections: int = 1,
    ) -> Transport:
        files = (client or self._house.client).files(self._folder, "client")
        ders = [der_of(party.certificate) for party in pins or [self._house.server]]
        mirrors = []
        for server in servers:
            context = client_context(**files, pins=ders, tls12=tls12)
            url = f"https://127.0.0.1:{server.port}"
            borne = patience if isinstance(patience, Patience) else patience(url)
            pool = open_pool(
                "127.0.0.1", server.port, context=context, pins=ders, patience=borne, connections=connections
            )
            mirrors.append(Mirror(url, pool, {"Spot-Installation": "me"}))
        self._open.append(
            Transport(mirrors, sleep=self._sleep, left=lambda: self.left - self.now, clock=lambda: self.now)
        )
        return self._open[-1]

    def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds

    def close(self) -> None:
        for transport in self._open:
            transport.close()


@pytest.fixture
def dial(tmp_path: Path, house: House) -> Iterator[Dialler]:
    dialler = Dialler(tmp_path, house)
    yield dialler
    dialler.close()


@pytest.fixture
def context(tmp_path: Path, house: House) -> Callable[[Party], ssl.SSLContext]:
    """The mirror's own context, for any server certificate."""

    def build(party: Party) -> ssl.SSLContext:
        return server_context(**party.files(tmp_path, "server"), issuing_cas=[house.issuing.certificate])

    return build


@pytest.fixture
def serve(context: Callable[[Party], ssl.SSLContext], house: House) -> Iterator[Serve]:
    """Starts servers: of our house, unless another context is given (None: no TLS at all)."""
    servers: list[Server] = []
    ours = context(house.server)

    def start(behave: Behave = lambda _: reply(), *, tls: ssl.SSLContext | None = ours) -> Server:
        servers.append(Server(tls, behave))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
