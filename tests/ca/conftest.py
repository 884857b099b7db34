"""The CAs that the tests of this room share: made once, RSA keys are slow."""

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from ca.profiles import KeyType
from tests.ca.house import REALM, House, make_house
from tests.ca.spot_ca import Spot, certificate


@pytest.fixture(scope="session")
def houses() -> dict[KeyType, House]:
    return {
        KeyType.RSA2048: make_house(lambda: rsa.generate_private_key(65537, 2048)),
        KeyType.RSA3072: make_house(lambda: rsa.generate_private_key(65537, 3072)),
        KeyType.ECDSA_P256: make_house(lambda: ec.generate_private_key(ec.SECP256R1())),
    }


@pytest.fixture(scope="session")
def house(houses: dict[KeyType, House]) -> House:
    return houses[KeyType.ECDSA_P256]


@pytest.fixture(scope="session")
def other_house() -> House:
    """A CA of the same realm, and so of the same names, that is not ours."""
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "ca"
    out = Spot(folder)("init", "--realm", REALM, "--key-type", "ecdsa-p256")
    assert REALM in out
    assert certificate(folder / "root.crt").fingerprint(SHA256()).hex(":") in out
    return folder


@pytest.fixture
def spot(made: Path, tmp_path: Path) -> Spot:
    return Spot(shutil.copytree(made, tmp_path / "ca"))
