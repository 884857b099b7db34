"""What the tests of SPOT share: a certificate authority, a vendor and its mirror in memory, an installation root."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from spot_client.config import Paths
from spot_client.state import Store
from tests.ca.house import House, make_house
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
