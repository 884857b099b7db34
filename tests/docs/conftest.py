"""The world that the client of docs/formats.md works in."""

import pytest

from tests.e2e.world import World, the_world


@pytest.fixture(scope="session")
def world(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> World:
    return the_world(pytestconfig, tmp_path_factory.getbasetemp() / "world")
