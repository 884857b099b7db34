"""A mirror's folder that is not served: what a memory is filled from."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ca.house import House, make_house
from tests.mirror.content.rig import Mirror
from tests.mirror.memory.rig import Filled


@pytest.fixture(scope="session")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def mirror(tmp_path: Path, house: House) -> Mirror:
    """acme, globex and retired with their licences; sdk/botocore 1.40.0 and science/numpy 2.2.5 on offer."""
    mirror = Mirror(tmp_path, house)
    mirror.publish()
    return mirror


@pytest.fixture
def filled(mirror: Mirror) -> Iterator[Filled]:
    """A memory that was filled from it, and is read in the same process."""
    with mirror.records() as records:
        filled = Filled(mirror, records)
        try:
            yield filled
        finally:
            filled.close()
