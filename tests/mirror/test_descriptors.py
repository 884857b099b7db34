"""mirror.descriptors: as many open files as may be, and a word where that is too few. Real processes."""

import resource
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mirror import descriptors
from mirror.limits import Limits
from tests.ca.house import House, make_house
from tests.mirror.content.rig import SERVE, Mirror
from tests.mirror.control.processes import logged, workers

TOO_FEW = "too few open files are allowed"


@pytest.fixture(scope="module")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def mirror(tmp_path: Path, house: House) -> Mirror:
    made = Mirror(tmp_path, house)
    made.publish()
    return made


def allowing(option: str, files: int) -> tuple[str, ...]:
    """The command of the mirror, started by a shell with so many open files."""
    return ("sh", "-c", f'ulimit {option} {files} && exec "$@"', "sh", *SERVE)


def test_each_process_may_have_as_many_as_the_system_allows_and_nothing_is_said_where_that_is_enough(
    mirror: Mirror,
) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with mirror.running("[content.limits]\nconnections = 100", allowing("-Sn", 200)) as process:
        for pid in (process.pid, *workers(process)):
            assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (most, most)
    assert logged(mirror, TOO_FEW) == []


def test_too_few_are_told_of_once_with_what_to_do(mirror: Mirror) -> None:
    with mirror.running("[content.limits]\nconnections = 2000", allowing("-n", 1024), workers=2):
        pass
    (told,) = logged(mirror, TOO_FEW)
    assert (told["level"], told["allowed"], told["needed"]) == ("warning", 1024, 1000 + descriptors.RESERVE)
    assert "LimitNOFILE=" in str(told["problem"])
    assert "ulimit -n" in str(told["problem"])


def test_a_worker_needs_its_share_of_the_connections_and_some_more() -> None:
    assert descriptors.needed(Limits(connections=20_000), 1) == 20_000 + descriptors.RESERVE
    assert descriptors.needed(Limits(connections=20_000), 8) == 2_500 + descriptors.RESERVE
