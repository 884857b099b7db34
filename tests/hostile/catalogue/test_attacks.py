"""Each attack of the table, against the real SPOT: what it ends in, what holds afterwards, and what mends it."""

import pytest

from tests.hostile.catalogue import attacks
from tests.hostile.catalogue.stage import TOOL, Ran, Stage
from tests.hostile.catalogue.table import Attack, Outcome


@pytest.mark.parametrize("attack", attacks.ALL, ids=lambda attack: attack.name)
def test_attack(attack: Attack, stage: Stage) -> None:
    stage.begin()
    story = attack.story(stage)
    next(story)
    before = stage.in_use
    floors = stage.floors if (stage.root / ".spot/catalogue").exists() else {}
    check(attack, stage, stage.spot(*attack.command), before)
    after = stage.floors
    if after.get("root") != floors.get("root"):  # which takes away what replaced keys have signed
        floors = {role: version for role, version in floors.items() if role == "root"}
    assert all(after[role] >= version for role, version in floors.items())
    stage.be_honest()
    assert list(story) == []
    assert stage.spot("update").code == 0
    assert stage.in_use == "1.1"
    assert stage.spot("verify", TOOL).code == 0


def check(attack: Attack, stage: Stage, ran: Ran, before: str) -> None:
    """Hold a run to the table; `before` it, that version was in use."""
    if attack.outcome is Outcome.STOPPED:
        assert (ran.reason, stage.in_use) == (attack.reason, before), ran.err
        assert ran.code not in {0, 1, 2}
        return
    assert (ran.reason, ran.code) == ("", 0), ran.err
    assert stage.in_use == {Outcome.UPDATED: "1.1", Outcome.HELD: "1.0"}[attack.outcome]
    liar = f"https://127.0.0.1:{stage.mirrors[0].port} "
    assert (f"({attack.reason})" in ran.err and liar in ran.err) if attack.reason else liar not in ran.err


def test_the_table_is_long_enough_and_names_each_attack_once() -> None:
    names = [attack.name for attack in attacks.ALL]
    assert len(names) >= 40
    assert len(set(names)) == len(names)
