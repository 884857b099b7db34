"""The world that these tests share, and a zygote that is warm."""

from collections.abc import Iterator

import pytest

from tests.e2e.world import World, the_world
from tests.e2e.zygote import Zygote


@pytest.fixture(scope="session")
def world(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> World:
    return the_world(pytestconfig, tmp_path_factory.getbasetemp() / "world")


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as running:
        yield running
