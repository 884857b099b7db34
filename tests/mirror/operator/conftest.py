"""A running mirror with an operator listener, and the host that signs, as its caller."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ca.identity import Identity, Role
from ca.operator import Operator, open_operator
from ca.profiles import CA_OPERATOR
from tests.ca.house import REALM, House, Party, der_of, pem_of
from tests.mirror.content.conftest import house, other_house
from tests.mirror.content.rig import Mirror

__all__ = ["house", "other_house"]


def operator_party(house: House) -> Party:
    return house.leaf(Identity(REALM, Role.CA_OPERATOR, "issuing-host"), CA_OPERATOR)


def operator_of(mirror: Mirror, party: Party) -> Operator:
    """The mirror's operator listener, called with this certificate."""
    pin = mirror.folder / "pin.pem"
    pin.write_bytes(pem_of(mirror.house.server.certificate))
    files = party.files(mirror.folder, f"operator-{party.certificate.serial_number}")
    return open_operator(url_of(mirror), **files, pins=pin)


def url_of(mirror: Mirror) -> str:
    mirror.until(lambda: '"event": "operators"' in mirror.stderr())
    address = mirror.stderr().split('"event": "operators"')[-2].rpartition('"address": "')[2].partition('"')[0]
    return f"https://{address}"


@pytest.fixture
def mirror(tmp_path: Path, house: House) -> Iterator[Mirror]:
    made = Mirror(tmp_path, house)
    made.publish()
    with made.running('[operator]\nlisten = "127.0.0.1:0"'):
        yield made


@pytest.fixture
def operator(mirror: Mirror) -> Operator:
    return operator_of(mirror, operator_party(mirror.house))


def der(party: Party) -> bytes:
    return der_of(party.certificate)
