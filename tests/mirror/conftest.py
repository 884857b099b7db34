"""What the tests of this room share: contracts fail with their values shown; a vendor whose people sign."""

from pathlib import Path

import pytest

from tests.mirror.publishing import rig
from tests.mirror.signing import ceremony
from tests.mirror.signing.ceremony import House

pytest.register_assert_rewrite("tests.mirror.blobs_contract")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vendor of three people with one release, 1.0 of sdk/tool; tests copy it, and do not change it."""
    house = ceremony.founded(tmp_path_factory.mktemp("house") / "house")
    source = rig.folder_of(house.top / "source", {"bin/tool": b"#!/bin/sh\n", "lib/a.txt": b"a" * 5000})
    house.publish("alice", source)
    house.approve("bob")
    house.turn()
    return house


@pytest.fixture
def house(template: House, tmp_path: Path) -> House:
    """That vendor, for one test."""
    return template.copy(tmp_path / "house")
