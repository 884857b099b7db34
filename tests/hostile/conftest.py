"""The world that these tests attack, and a server between SPOT and the mirror that is not to be believed."""

from collections.abc import Iterator

import pytest

from tests.e2e.world import World, the_world
from tests.hostile.proxy import Proxy


@pytest.fixture(scope="session")
def world(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> World:
    return the_world(pytestconfig, tmp_path_factory.getbasetemp() / "world")


@pytest.fixture
def proxy(world: World) -> Iterator[Proxy]:
    with Proxy(world) as running:
        yield running
