"""What the tests of SPOT share: a certificate authority, a vendor and its mirror in memory, an installation root."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ca.tls import server_context
from spot_client.config import Paths
from spot_client.state import Store
from tests.ca.house import House, make_house
from tests.spot_client.desk import ONE, Desk
from tests.spot_client.fetch.server import Server
from tests.spot_client.installation import Installation
from tests.spot_client.vendor import Line, Vendor


@pytest.fixture(scope="session")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def line(vendor: Vendor) -> Line:
    return Line(vendor.files)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(Paths(tmp_path / "root"))
    store.paths.own.mkdir(parents=True)
    return store


@pytest.fixture
def here(store: Store, vendor: Vendor, line: Line) -> Installation:
    return Installation(store, vendor, line)


@pytest.fixture
def desk(
    tmp_path: Path,
    house: House,
    vendor: Vendor,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Desk]:
    monkeypatch.setattr("spot_client.compose.time.sleep", lambda _: None)
    vendor.publish(ONE, "1.0")
    files = house.server.files(tmp_path, "server")
    server = Server(server_context(**files, issuing_cas=[house.issuing.certificate]), lambda _: b"")
    yield Desk(tmp_path, house, vendor, server, capsys)
    server.close()


@pytest.fixture
def enrolled(desk: Desk) -> Desk:
    desk.says("enrol", str(desk.folder / "acme.bundle"))
    return desk
