"""A mirror that nothing is wrong with, and what the check says of it."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ca.house import House, make_house
from tests.mirror.content.rig import Mirror


@pytest.fixture(scope="session")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def mirror(tmp_path: Path, house: House) -> Mirror:
    """A mirror that is not running."""
    mirror = Mirror(tmp_path, house)
    mirror.publish()
    mirror.scrubbed()
    mirror.config()
    return mirror
