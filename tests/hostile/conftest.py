"""The world that these tests attack, and a server between SPOT and the mirror that is not to be believed."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ca.house import House, make_house
from tests.e2e.world import World, the_world
from tests.hostile.proxy import Proxy
from tests.mirror.content.rig import Mirror


@pytest.fixture(scope="session")
def world(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> World:
    return the_world(pytestconfig, tmp_path_factory.getbasetemp() / "world")


@pytest.fixture
def proxy(world: World) -> Iterator[Proxy]:
    with Proxy(world) as running:
        yield running


@pytest.fixture(scope="session")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="session")
def other_house() -> House:
    """A CA of the same realm, and so of the same names, that is not ours."""
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory, house: House) -> Iterator[Mirror]:
    """A running mirror that strangers may try, and leave as it is."""
    made = Mirror(tmp_path_factory.mktemp("mirror"), house)
    made.publish()
    with made.running('[health]\nlisten = "127.0.0.1:0"\n[operator]\nlisten = "127.0.0.1:0"'):
        yield made
