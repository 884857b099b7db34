"""A mirror with one release that a test of this room starts as it likes."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ca.house import House, make_house
from tests.mirror.content.rig import Mirror


@pytest.fixture(scope="session")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="session")
def other_house() -> House:
    """A CA of the same realm that is not the mirror's."""
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def mirror(tmp_path: Path, house: House) -> Mirror:
    made = Mirror(tmp_path, house)
    made.publish()
    return made
