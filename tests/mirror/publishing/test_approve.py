"""The second person: what waits is shown, hashed again, and signed; never what they have not seen."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from mirror import catalogue
from mirror.errors import Conflict, MirrorError, SigningError
from mirror.publishing import approve, changes, publish
from mirror.publishing.approve import Forgotten, Proposal
from mirror.publishing.order import State
from mirror.signing import holders
from spot_client.wire import index
from tests.mirror.publishing.rig import order, real_time
from tests.mirror.signing.ceremony import House

TOOL = index.target_path("sdk", "tool")


def offered(house: House) -> set[str]:
    raw = house.target(TOOL)
    return {line.version for line in index.decode(raw).releases} if raw else set()


def missing(house: House) -> dict[str, int]:
    return {one.role: one.wait.missing for one in approve.look(house.signing())}


def refused(house: House, person: str, *, named: bool = False) -> str:
    signing = house.signing(person, signer=person if named else None)
    before = house.place.staged.read_bytes()
    with pytest.raises(MirrorError) as error:
        approve.approve(signing, None, lambda *_: True, lambda *_: None)
    assert house.place.staged.read_bytes() == before
    return error.value.reason


def test_a_release_waits_for_the_second_person_and_is_visible_after(house: House) -> None:
    outcome = house.publish("alice", house.source, "2.0")
    assert (outcome.state, outcome.version, missing(house)) == (State.STAGED, 2, {"sdk": 1})
    assert house.turn() is None
    assert offered(house) == {"1.0"}
    settled = house.approve("bob")
    assert (settled.signed, settled.shown, missing(house)) == (("sdk",), None, {"sdk": 0})
    shown = house.turn()
    assert shown is not None
    assert [change.what for change in shown.changes] == ["sdk/tool 2.0 (any): new"]
    assert offered(house) == {"1.0", "2.0"}
    assert not house.place.staged.exists()


def test_the_same_person_does_not_count_twice(house: House) -> None:
    house.publish("alice", house.source, "2.0")
    assert refused(house, "alice") == "already-signed"
    assert refused(house, "alice", named=True) == "already-signed"
    assert refused(house, "dave") == refused(house, "root-1", named=True) == "not-a-signer"
    assert missing(house) == {"sdk": 1}


def test_two_keys_at_hand_say_whose_is_used(house: House) -> None:
    house.publish("alice", house.source, "2.0")
    with pytest.raises(SigningError) as error:
        approve.approve(house.signing("bob", "carol"), None, lambda *_: True, lambda *_: None)
    assert error.value.reason == "which-key"
    one = house.signing("bob", "carol", signer="carol")
    assert approve.approve(one, None, lambda *_: True, lambda *_: None) is not None
    assert missing(house) == {"sdk": 0}


def test_who_approves_is_shown_what_changes_and_may_say_no(house: House) -> None:
    house.publish("alice", house.source, "2.0")
    seen: list[tuple[tuple[Proposal, ...], str]] = []

    def no(found: tuple[Proposal, ...], name: str) -> bool:
        seen.append((found, name))
        return False

    before = house.place.staged.read_bytes()
    assert approve.approve(house.signing("bob"), None, no, lambda *_: None) is None
    ((found, name),) = seen
    assert name == "bob"
    assert [(one.role, one.version, [line.kind for line in one.differences]) for one in found] == [("sdk", 2, ["new"])]
    assert house.place.staged.read_bytes() == before


def test_nothing_waits_nothing_is_signed(house: House) -> None:
    assert approve.approve(house.signing("bob"), None, lambda *_: True, lambda *_: None) is None


@pytest.mark.parametrize("name", ["pack", "manifest"])
def test_bytes_that_were_damaged_since_are_not_signed_for(house: House, name: str, tmp_path: Path) -> None:
    house.publish("alice", house.source, "2.0")
    paper = house.sign_elsewhere("bob", tmp_path / "bob")
    stored = house.place.data / f"releases/sdk/tool/2.0/any/{name}"
    raw = bytearray(stored.read_bytes())
    raw[-1] ^= 1
    stored.write_bytes(raw)
    assert refused(house, "bob") == "not-stored"
    with pytest.raises(Conflict) as error:
        approve.take(house.signing(), paper, lambda *_: None)
    assert error.value.reason == "not-stored"
    stored.unlink()
    assert refused(house, "bob") == "not-stored"
    assert missing(house) == {"sdk": 1}


def test_what_changed_while_one_looked_is_looked_at_again(house: House) -> None:
    house.publish("alice", house.source, "2.0")

    def meanwhile(*_: object) -> bool:
        house.publish("alice", house.source, "3.0")
        return True

    with pytest.raises(Conflict) as error:
        approve.approve(house.signing("bob"), None, meanwhile, lambda *_: None)
    assert error.value.reason == "changed-meanwhile"
    assert missing(house) == {"sdk": 1}


def test_signatures_that_are_taken_make_it_visible(house: House, tmp_path: Path) -> None:
    house.publish("alice", house.source, "2.0")
    roles, settled = approve.take(house.signing(), house.sign_elsewhere("bob", tmp_path / "bob"), lambda *_: None)
    assert (roles, [line.missing for line in settled.waits]) == (("sdk",), [0])
    house.turn()
    assert offered(house) == {"1.0", "2.0"}


def test_only_the_roles_that_are_named_are_signed(house: House) -> None:
    house.publish("alice", house.source, "2.0")
    publish.publish(house.means("alice"), order(component="science/tool"), house.source)
    house.approve("bob", ["sdk"])
    assert missing(house) == {"sdk": 0, "targets": 1, "science": 1}
    house.turn()
    assert missing(house) == {"targets": 1, "science": 1}
    assert offered(house) == {"1.0", "2.0"}


def test_what_is_discarded_is_gone_with_its_bytes_and_what_is_visible_stays(house: House) -> None:
    before = house.files()
    house.publish("alice", house.source, "2.0")
    assert approve.discard(house.signing(), ("sdk",)) == Forgotten(("sdk/tool 2.0 (any): new",), ("sdk",))
    assert house.files() == before | {"publishing/publish.lock"}
    assert house.publish("alice", house.source, "2.0").state is State.STAGED


def test_a_role_without_a_delegation_waits_for_nobody_and_goes(house: House) -> None:
    """The delegation was discarded, the product that it was for was not."""
    publish.publish(house.means("alice"), order(component="science/tool"), house.source)
    approve.discard(house.signing(), ("targets",))
    assert missing(house) == {}
    assert house.turn() is None
    house.publish("alice", house.source, "2.0")
    assert missing(house) == {"sdk": 1}


def test_publishing_signs_nothing_that_others_staged_and_one_has_not_seen(house: House) -> None:
    """Else a release of bob's would ride on one of alice's, and have two signatures with one look."""
    house.publish("bob", house.source, "6.6")
    outcome = house.publish("alice", house.source, "2.0")
    assert (outcome.state, missing(house)) == (State.STAGED, {"sdk": 2})
    house.approve("bob")
    assert house.turn() is None
    house.approve("alice")
    house.turn()
    assert offered(house) == {"1.0", "2.0", "6.6"}


def test_ones_own_releases_and_those_that_one_approved_are_signed_along(house: House) -> None:
    house.publish("alice", house.source, "2.0")
    house.publish("alice", house.source, "3.0")
    assert missing(house) == {"sdk": 1}
    house.approve("bob")
    house.publish("bob", house.source, "4.0")
    assert missing(house) == {"sdk": 1}
    house.approve("alice")
    house.turn()
    assert offered(house) == {"1.0", "2.0", "3.0", "4.0"}


def test_publishing_never_signs_a_change_of_who_signs(house: House) -> None:
    holders.assign(house.signing(), "sdk", 1, ("bob",))
    assert missing(house) == {"targets": 2, "sdk": 1}
    house.publish("alice", house.source, "2.0")
    assert missing(house)["targets"] == 2
    holders.renew(house.signing("alice"), None)
    assert missing(house)["targets"] == 2
    assert house.turn() is None


def test_a_published_release_is_never_approved_away(house: House) -> None:
    """Both people sign: their signatures are in vain."""
    house.publish("alice", house.source, "2.0")
    house.approve("bob")
    chain = house.chain
    staged = house.staged
    signed = chain.products["sdk"]
    signed.version += 1
    signed.targets.clear()
    staged.put("sdk", signed)
    for name in ("alice", "bob"):
        staged.sign("sdk", house.signing(name).ring.signer(name))
    staged.save(house.place.staged)
    for call in (house.turn, lambda: approve.look(house.signing()), lambda: house.approve("carol")):
        with pytest.raises(Conflict) as error:
            call()
        assert error.value.reason == "changed-release"
    assert catalogue.read_chain(house.catalogue).timestamp.version == 2
    approve.discard(house.signing(), ("sdk",))
    assert offered(house) == {"1.0"}


def test_a_halt_waits_neither_for_a_second_person_nor_for_a_long_publish(house: House) -> None:
    """Two locks: publishing holds the one of the catalogue for moments only."""
    halted: list[str] = []

    def meanwhile(what: str, _done: int, _total: int) -> None:
        if what == "packing" and not halted:
            changes.halt(house.signing("bob"), "sdk/tool", "1.0", None, "it hangs")
            shown = house.turn()
            assert shown is not None
            halted.extend(change.what for change in shown.changes)

    means = house.means("alice")
    outcome = publish.publish(msgspec.structs.replace(means, progress=meanwhile), order("2.0"), house.source)
    assert halted == ["sdk/tool 1.0: halted"]
    assert outcome.state is State.STAGED
    house.approve("bob")
    house.turn()
    assert offered(house) == {"1.0", "2.0"}


def test_what_was_withdrawn_during_a_publish_stays_withdrawn(house: House) -> None:
    def meanwhile(what: str, _done: int, _total: int) -> None:
        if what == "packing" and not approve.look(house.signing()):
            changes.withdraw(house.signing("bob"), "sdk/tool", "1.0", None, "broken")

    means = msgspec.structs.replace(house.means("alice"), progress=meanwhile)
    publish.publish(means, order("2.0"), house.source)
    for person in ("alice", "bob"):
        house.approve(person)
    house.turn()
    raw = house.target(TOOL)
    assert raw is not None
    found = index.decode(raw)
    assert [line.version for line in found.releases] == ["2.0"]
    assert [stone.version for stone in found.tombstones] == ["1.0"]


@pytest.mark.parametrize("days", [-1, 400])
def test_what_has_lapsed_or_would_hold_too_long_is_neither_signed_nor_taken_nor_shown(
    house: House, tmp_path: Path, days: int
) -> None:
    house.publish("alice", house.source, "2.0")
    staged = house.staged
    sdk = staged.statements["sdk"]
    sdk.signed.expires = real_time() + timedelta(days=days)
    sdk.signatures.clear()
    staged.sign("sdk", house.signing("alice").ring.signer("alice"))
    staged.save(house.place.staged)
    paper = house.sign_elsewhere("bob", tmp_path / "bob")
    assert refused(house, "bob") == "bad-statement"
    with pytest.raises(Conflict) as error:
        approve.take(house.signing(), paper, lambda *_: None)
    assert error.value.reason == "bad-statement"
    assert len(approve.look(house.signing())) == 1, "it can be looked at"
    staged.sign("sdk", house.signing("bob").ring.signer("bob"))
    staged.save(house.place.staged)
    with pytest.raises(Conflict) as error:
        house.turn()
    assert error.value.reason == "bad-statement"
    assert offered(house) == {"1.0"}
