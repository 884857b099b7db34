"""The mirror that the tests of this room share, and one of their own for those that change it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ca.house import House, make_house
from tests.mirror.content.rig import Mirror, Published


@pytest.fixture(scope="session")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="session")
def other_house() -> House:
    """A CA of the same realm, and so of the same names, that is not ours."""
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, house: House) -> Iterator[tuple[Mirror, Published]]:
    mirror = Mirror(tmp_path_factory.mktemp("mirror"), house)
    release = mirror.publish()
    with mirror.running():
        yield mirror, release


@pytest.fixture
def mirror(shared: tuple[Mirror, Published]) -> Mirror:
    """A running mirror; tests leave it as it is, but for what clients may add."""
    return shared[0]


@pytest.fixture
def release(shared: tuple[Mirror, Published]) -> Published:
    """sdk/botocore 1.40.0 as the shared mirror serves it."""
    return shared[1]


@pytest.fixture
def own(tmp_path: Path, house: House) -> Iterator[Mirror]:
    """A running mirror that a test may change as it likes."""
    mirror = Mirror(tmp_path, house)
    mirror.publish()
    with mirror.running("drain_seconds = 5"):
        yield mirror
