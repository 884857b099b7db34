"""Who signs: keys replaced and roles reassigned, and what that undoes at clients."""

from pathlib import Path

import pytest
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Targets

from mirror.errors import Conflict, SigningError
from mirror.publishing import approve
from mirror.signing import holders, ring, roles, statements
from mirror.signing.draft import Draft
from mirror.signing.stage import Settled
from mirror.signing.switch import changing
from spot_client.wire import index
from tests.mirror.publishing import rig
from tests.mirror.publishing.rig import PASSPHRASE, real_time
from tests.mirror.signing.ceremony import House

TOOL = index.target_path("sdk", "tool")


def replace(house: House, old: str, new: str) -> Settled:
    """Replace a key as `spot-mirror keys replace` does."""
    signing = house.signing()

    def online() -> dict[str, str]:
        there = house.online
        found = holders.next_names(there)
        for name in found.values():
            signing.ring.add(name, there.create(name).public)
        return found

    return holders.replace(signing, old, new, online)


def who(house: House, role: str) -> tuple[int, set[str]]:
    """The threshold and the names of those who sign for a role that clients see."""
    with changing(house.place):
        found = {one.name: one for one in holders.listing(Draft(house.signing()))}[role]
    return found.threshold, {house.names.name(keyid) or keyid for keyid in found.keyids}


def sign_all(house: House, *people: str) -> None:
    for person in people:
        house.approve(person)


def versions(house: House, client: str = "client") -> list[str]:
    raw = house.target(TOOL, client)
    assert raw is not None
    return [line.version for line in index.decode(raw).releases]


def steal_ahead(house: House, *, online: tuple[str, ...] = ("snapshot", "timestamp"), version: int = 1000) -> House:
    """What thieves show who have alice's and bob's keys and those of the timer: sdk far ahead, in a copy."""
    thief = house.copy(house.top.with_name("thief"))
    chain = thief.chain
    signed = chain.products["sdk"]
    signed.version = version
    metadata = Metadata(signed)
    for person in ("alice", "bob"):
        metadata.sign(ring.read(thief.top / "people" / person, lambda: PASSPHRASE).signer(person), append=True)
    (thief.catalogue / f"{version}.sdk.json").write_bytes(metadata.to_bytes())
    until = chain.snapshot.expires
    snapshot = statements.next_snapshot(chain.snapshot, [("sdk", version, metadata.to_bytes())], until)
    snapshot.version = version
    stamp = Metadata(snapshot)
    stamp.sign(thief.online.signer(online[0]))
    (thief.catalogue / f"{version}.snapshot.json").write_bytes(stamp.to_bytes())
    timestamp = statements.next_timestamp(chain.timestamp, (version, stamp.to_bytes()), until)
    timestamp.version = version
    last = Metadata(timestamp)
    last.sign(thief.online.signer(online[1]))
    (thief.catalogue / "timestamp.json").write_bytes(last.to_bytes())
    return thief


def test_who_signs_is_listed_for_every_role(house: House) -> None:
    three = (2, {"alice", "bob", "carol"})
    assert who(house, "root") == (2, {"root-1", "root-2", "root-3"})
    assert who(house, "targets") == who(house, "sdk") == who(house, "house") == three
    assert who(house, "halts") == (1, three[1])
    assert who(house, "timestamp") == (1, {"timestamp"})


def test_a_lost_key_is_replaced_with_the_two_that_remain(house: House) -> None:
    settled = replace(house, "alice", "dave")
    assert {line.role: line.missing for line in settled.waits} == {
        "root": 2,
        "targets": 2,
        "sdk": 2,
        "house": 2,
        "halts": 1,
    }
    assert versions(house) == ["1.0"]
    sign_all(house, "root-2", "root-3", "bob")
    shown = house.turn()
    assert shown is not None
    assert [change.role for change in shown.changes] == ["halts"], "bob alone may sign it, before and after"
    assert who(house, "sdk")[1] == {"alice", "bob", "carol"}
    sign_all(house, "carol")
    assert house.turn() is not None
    for role in ("targets", "sdk", "house", "halts"):
        assert who(house, role)[1] == {"bob", "carol", "dave"}
    assert versions(house) == ["1.0"]
    house.publish("dave", house.source, "2.0")
    house.approve("bob")
    house.turn()
    assert versions(house) == versions(house, "new client") == ["1.0", "2.0"]


def test_the_old_key_signs_nothing_any_more(house: House) -> None:
    replace(house, "alice", "dave")
    sign_all(house, "root-1", "root-2", "bob", "carol")
    house.turn()
    house.publish("bob", house.source, "2.0")
    with pytest.raises(SigningError) as error:
        house.approve("alice")
    assert error.value.reason == "not-a-signer"


def test_the_key_of_a_product_takes_those_of_snapshot_and_timestamp_along(house: House) -> None:
    replace(house, "alice", "dave")
    sign_all(house, "root-1", "root-2", "bob", "carol")
    house.turn()
    assert who(house, "snapshot") == (1, {"snapshot-2"})
    assert who(house, "timestamp") == (1, {"timestamp-2"})
    with pytest.raises(SigningError) as error:
        replace(house, "alice", "dave")
    assert error.value.reason == "not-in-use"


def test_the_key_of_a_root_leaves_them_and_is_signed_by_old_and_new_holders(house: House) -> None:
    settled = replace(house, "root-1", "root-4")
    assert {line.role: line.missing for line in settled.waits} == {"root": 2}
    sign_all(house, "root-4", "root-2")
    assert house.turn() is None, "root-4 speaks for the new root only"
    sign_all(house, "root-3")
    assert house.turn() is not None
    assert who(house, "root") == (2, {"root-2", "root-3", "root-4"})
    assert who(house, "snapshot") == (1, {"snapshot"})
    assert versions(house) == versions(house, "new client") == ["1.0"]


def test_only_other_keys_for_snapshot_and_timestamp_undo_a_fast_forward(house: House) -> None:
    assert versions(house) == ["1.0"]
    thief = steal_ahead(house)
    assert rig.client_target(thief.catalogue, house.top / "client", TOOL) is not None
    with pytest.raises(RepositoryError):
        versions(house)
    house.publish("alice", house.source, "2.0")
    sign_all(house, "carol")
    house.turn()
    with pytest.raises(RepositoryError):
        versions(house)
    replace(house, "alice", "dave")
    sign_all(house, "root-1", "root-2", "bob", "carol")
    house.turn()
    assert versions(house) == ["1.0", "2.0"]
    with pytest.raises(RepositoryError):
        rig.client_target(thief.catalogue, house.top / "client", TOOL)


@pytest.mark.parametrize("key", ["snapshot", "timestamp"])
def test_a_stolen_online_key_is_undone_by_replacing_it(house: House, key: str) -> None:
    assert versions(house) == ["1.0"]
    steal_ahead(house)
    there = house.online
    house.names.add(f"{key}-2", there.create(f"{key}-2").public)
    replace(house, key, f"{key}-2")
    sign_all(house, "root-1", "root-3")
    assert house.turn() is not None
    assert who(house, key) == (1, {f"{key}-2"})
    assert versions(house) == ["1.0"]


def test_two_keys_replaced_before_either_is_visible_are_both_replaced(house: House, tmp_path: Path) -> None:
    """The second replacement starts from what waits: else it would put the stolen key back."""
    erin = ring.create(tmp_path / "erin", ("erin",), lambda: PASSPHRASE)
    house.names.add("erin", erin.key("erin").public)
    replace(house, "alice", "dave")
    replace(house, "bob", "erin")
    targets = house.staged.targets("targets", None)
    assert targets is not None
    keyids = roles.delegated(targets)["sdk"].keyids
    assert {house.names.name(keyid) for keyid in keyids} == {"carol", "dave", "erin"}
    root = house.staged.root(None)
    assert root is not None
    assert {house.names.name(keyid) for keyid in root.roles["targets"].keyids} == {"carol", "dave", "erin"}


def test_a_replacement_that_would_leave_too_few_keys_is_refused(house: House) -> None:
    holders.assign(house.signing(), "sdk", 3, ("alice", "bob", "carol"))
    with pytest.raises(SigningError) as error:
        replace(house, "alice", "bob")
    assert error.value.reason == "bad-threshold"


def test_other_holders_of_a_role_sign_it_anew_and_a_wrong_number_is_refused(house: House) -> None:
    holders.assign(house.signing(), "sdk", 1, ("dave",))
    assert {line.role: line.wait.missing for line in approve.look(house.signing())} == {"targets": 2, "sdk": 1}
    sign_all(house, "alice", "bob")
    assert house.turn() is None, "sdk is not signed by dave yet"
    sign_all(house, "dave")
    house.turn()
    assert who(house, "sdk") == (1, {"dave"})
    assert versions(house) == versions(house, "new client") == ["1.0"]
    for threshold, names, reason in (
        (2, ("alice",), "bad-threshold"),
        (0, ("alice",), "bad-threshold"),
        (2, ("alice", "alice"), "bad-threshold"),
        (1, (), "bad-threshold"),
        (1, ("mallory",), "no-key"),
    ):
        with pytest.raises(SigningError) as error:
            holders.assign(house.signing(), "sdk", threshold, names)
        assert error.value.reason == reason
    with pytest.raises(SigningError) as unknown:
        holders.assign(house.signing(), "science", 1, ("alice",))
    assert unknown.value.reason == "no-role"


def test_what_is_due_is_collected_in_one_session_each(house: House) -> None:
    now = real_time()
    early = holders.renew(house.signing("alice"), None)
    assert (early.signed, early.waits) == ((), ())
    later = now.replace(year=now.year + 1)
    settled = holders.renew(house.signing("alice", clock=lambda: later), None)
    assert settled.signed == ("targets", "halts", "house", "sdk")
    assert {line.role: line.missing for line in settled.waits} == {
        "root": 2,
        "targets": 1,
        "house": 1,
        "sdk": 1,
        "halts": 0,
    }
    for person in ("bob", "root-1", "root-2"):
        house.approve(person, clock=lambda: later)
    house.turn(lambda: later)
    for role, signed in house.chain.roles.items():
        assert signed.expires > later, role
    assert isinstance(house.chain.products["sdk"], Targets)


def test_named_roles_are_signed_anew_before_they_are_due(house: House) -> None:
    settled = holders.renew(house.signing("alice"), ("sdk",))
    assert settled.signed == ("sdk",)
    for role in ("timestamp", "science"):
        with pytest.raises(SigningError) as error:
            holders.renew(house.signing("alice"), (role,))
        assert error.value.reason == "no-role"


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("timestamp", "snapshot"),
        ("snapshot", "alice"),
        ("sdk", "timestamp"),
        ("targets", "root-1"),
        ("root", "bob"),
        ("halts", "snapshot"),
    ],
)
def test_one_key_for_roles_that_have_to_be_apart_is_refused(house: House, role: str, name: str) -> None:
    with pytest.raises(SigningError) as error:
        holders.assign(house.signing(), role, 1, (name,))
    assert (error.value.reason, name in str(error.value)) == ("shared-key", True)
    assert not house.place.staged.exists()


def test_a_key_that_has_a_role_replaces_none_of_another_kind(house: House) -> None:
    for old, new in (("bob", "root-1"), ("root-1", "bob"), ("timestamp", "snapshot")):
        with pytest.raises(SigningError) as error:
            replace(house, old, new)
        assert error.value.reason == "shared-key"


def test_a_root_that_was_laid_there_with_one_key_for_two_roles_is_not_signed_nor_shown(house: House) -> None:
    signing = house.signing()
    staged = house.staged
    root = house.chain.root
    root.version += 1
    roles.assign(root, "timestamp", roles.holders_of(root, "snapshot"))
    staged.put("root", root)
    staged.save(house.place.staged)
    with pytest.raises(Conflict) as error:
        approve.look(signing)
    assert error.value.reason == "bad-statement"
    for name in ("root-1", "root-2"):
        staged.sign("root", house.signing(name).ring.signer(name))
    staged.save(house.place.staged)
    assert house.turn() is None
    assert house.chain.root.version == 1
