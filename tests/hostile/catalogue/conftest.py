"""A scene for each attack: a fresh vendor, and its mirrors on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ca.tls import server_context
from tests.ca.house import House, make_house
from tests.hostile.catalogue.people import make_vendor
from tests.hostile.catalogue.stage import Stage
from tests.hostile.catalogue.table import Attack
from tests.spot_client.fetch.server import Server


@pytest.fixture(scope="session")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def stage(
    attack: Attack,
    tmp_path: Path,
    house: House,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stage]:
    monkeypatch.setattr("spot_client.compose.time.sleep", lambda _: None)
    files = house.server.files(tmp_path, "server")
    context = server_context(**files, issuing_cas=[house.issuing.certificate])
    mirrors = [Server(context, lambda _: b"") for _ in range(2 if attack.beside else 1)]
    yield Stage(tmp_path, house, make_vendor(), mirrors, capsys)
    for mirror in mirrors:
        mirror.close()
