"""A CA of one's own, and servers on loopback that do as a test tells them."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ca.tls import server_context
from tests.ca.house import House, make_house
from tests.spot_client.fetch.server import Behave, Server, reply


@pytest.fixture(scope="session")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def context(tmp_path: Path, house: House) -> ssl.SSLContext:
    """The mirror's own."""
    return server_context(**house.server.files(tmp_path, "server"), issuing_cas=[house.issuing.certificate])


@pytest.fixture
def serve(context: ssl.SSLContext) -> Iterator[Callable[[Behave], Server]]:
    """Starts servers that are closed with the test."""
    servers: list[Server] = []

    def start(behave: Behave = lambda _: reply()) -> Server:
        servers.append(Server(context, behave))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
