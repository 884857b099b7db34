"""What is signed here keeps the rules that SPOT holds the catalogue to."""

from pathlib import Path

from spot_client.fetch.rules import house_rules
from tests.mirror.publishing import rig
from tests.mirror.signing import ceremony


def test_every_role_keeps_the_rules_of_spot(tmp_path: Path) -> None:
    house = ceremony.founded(tmp_path / "house")
    source = rig.folder_of(tmp_path / "source", {"tool": b"tool"})
    house.publish("alice", source)
    house.approve("bob")
    house.turn()
    roles = set()
    for path in house.catalogue.glob("*.json"):
        role = path.name.removesuffix(".json").rpartition(".")[2]
        house_rules(role, path.read_bytes())
        roles.add(role)
    assert {"root", "targets", "snapshot", "timestamp", "halts", "house", "sdk"} <= roles
