"""mirror.filled: a change that control cannot look at is told to the workers all the same, and tried again."""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mirror import config
from mirror.errors import MemoryFault
from mirror.filled import Filled
from mirror.log import program_log
from mirror.records.protocol import Records
from mirror.serving import read_serving
from tests.ca.house import make_house
from tests.mirror.content.rig import Mirror


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Filled, Records, StringIO]]:
    house = make_house(lambda: ec.generate_private_key(ec.SECP256R1()))
    mirror, said = Mirror(tmp_path, house), StringIO()
    mirror.publish()
    with mirror.records() as records:
        serving = read_serving(config.load(mirror.config()))
        filled = Filled(serving, records, datetime.now(UTC), program_log(said))
        try:
            yield filled, records, said
        finally:
            filled.close()


def test_a_change_that_cannot_be_looked_at_is_told_once_and_looked_at_later(
    made: tuple[Filled, Records, StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled, records, said = made
    before = filled.state
    full = True

    def renew() -> None:
        if full:
            raise MemoryFault("memory-unusable", "no reader is free")
        renewed()

    renewed = filled._memory.renew
    monkeypatch.setattr(filled._memory, "renew", renew)
    records.suspend("acme", "unpaid", datetime.now(UTC))
    assert filled.refresh(datetime.now(UTC))  # workers are told
    for _ in range(2):
        assert not filled.refresh(datetime.now(UTC))
        assert filled.is_behind
    assert said.getvalue().count("no reader is free") == 1
    full = False
    assert not filled.refresh(datetime.now(UTC))
    assert not filled.is_behind
    holding = filled.state.world.holders.get("acme")
    assert holding is not None
    assert holding.suspended
    assert filled.state.world.number > before.world.number
