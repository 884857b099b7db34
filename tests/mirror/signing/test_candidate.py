"""Which of what waits becomes visible: all that enough people have signed, so far as the whole then still verifies."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.metadata import Metadata, Root, Targets

from mirror import catalogue
from mirror.publishing import publish
from mirror.signing import holders, ring, roles
from mirror.signing.candidate import Candidate, candidate, waits
from mirror.signing.ring import Ring
from mirror.signing.staged import Staged
from mirror.signing.visible import published
from spot_client.wire import index
from tests.mirror.publishing.rig import PASSPHRASE, made_keys, order
from tests.mirror.signing.ceremony import House, founded, new_house, start

TOOL = index.target_path("sdk", "tool")
EVERY = ("root-1", "root-2", "root-3", "root-4", "alice", "bob", "carol", "dave")


@cache
def every() -> Ring:
    """Everybody's keys, opened once."""
    return ring.read(made_keys() / "every", lambda: PASSPHRASE)


def found(house: House, staged: Staged | None = None) -> Candidate | None:
    chain = house.chain
    return candidate(chain, staged or house.staged, lambda role: published(house.place, chain, role))


def signed(house: House, *signatures: str) -> Staged:
    """What waits, with these signatures alone, each as `ROLE:NAME`."""
    staged = house.staged
    for one in staged.statements.values():
        one.signatures.clear()
    for line in signatures:
        role, name = line.split(":")
        staged.sign(role, every().signer(name))
    return staged


def changed(house: House, *signatures: str) -> set[str]:
    one = found(house, signed(house, *signatures))
    return {*one.changed} if one else set()


def test_nothing_waits_nothing_changes(house: House) -> None:
    assert found(house) is None


def test_a_release_needs_two_of_its_people(house: House) -> None:
    house.publish("alice", house.source, "2.0")
    for signatures in ((), ("sdk:alice",), ("sdk:alice", "sdk:dave"), ("sdk:root-1", "sdk:root-2")):
        assert changed(house, *signatures) == set()
    for signatures in (("sdk:alice", "sdk:bob"), ("sdk:carol", "sdk:bob")):
        assert changed(house, *signatures) == {"sdk"}


def test_products_do_not_wait_for_one_another(house: House) -> None:
    house.publish("alice", house.source, "2.0")
    publish.publish(house.means("alice"), order(component="science/tool"), house.source)
    assert changed(house, "sdk:alice", "sdk:bob") == {"sdk"}
    assert changed(house, "targets:alice", "targets:bob") == set(), "science would not be there"
    assert changed(house, "science:alice", "science:bob") == set(), "nobody would have delegated it"
    both = ("targets:alice", "targets:bob", "science:alice", "science:bob")
    assert changed(house, *both) == {"targets", "science"}


def test_who_speaks_for_a_product_changes_together_with_what_they_signed(house: House) -> None:
    holders.assign(house.signing(), "sdk", 1, ("dave",))
    targets = ("targets:alice", "targets:bob")
    assert changed(house, *targets) == set(), "what the old keyholders signed does not verify any more"
    assert changed(house, "sdk:dave") == set(), "dave does not speak for it yet"
    assert changed(house, "sdk:alice", "sdk:bob") == {"sdk"}, "the old keyholders speak for it still"
    assert changed(house, *targets, "sdk:alice", "sdk:bob") == {"sdk"}
    assert changed(house, *targets, "sdk:dave") == {"targets", "sdk"}


def test_a_new_root_needs_its_old_and_its_new_holders(house: House) -> None:
    holders.assign(house.signing(), "root", 2, ("root-3", "root-4"))
    for names in (("root-1", "root-2"), ("root-3", "root-4"), ("root-1", "root-3"), ("root-1", "root-4")):
        assert changed(house, *(f"root:{name}" for name in names)) == set()
    assert changed(house, "root:root-1", "root:root-3", "root:root-4") == {"root"}


def test_other_keys_for_targets_change_together_with_a_new_targets(house: House) -> None:
    holders.assign(house.signing(), "targets", 2, ("carol", "dave"))
    root = ("root:root-1", "root:root-2")
    assert changed(house, *root) == set()
    assert changed(house, *root, "targets:alice", "targets:bob") == {"targets"}, "the root before still counts"
    assert changed(house, "targets:carol", "targets:dave") == set()
    assert changed(house, *root, "targets:carol", "targets:dave") == {"root", "targets"}


def test_a_root_that_changes_other_keys_does_not_wait_for_a_targets_that_is_incomplete(house: House) -> None:
    holders.assign(house.signing(), "root", 2, ("root-2", "root-3", "root-4"))
    holders.assign(house.signing(), "sdk", 1, ("dave",))
    assert changed(house, "root:root-2", "root:root-3", "targets:alice") == {"root"}


def test_one_signature_of_a_halt_is_enough(house: House) -> None:
    holders.renew(house.signing(), ("halts",))
    assert changed(house, "halts:dave") == set()
    assert changed(house, "halts:carol") == {"halts"}


def test_a_first_catalogue_waits_for_all_its_roles(tmp_path: Path) -> None:
    house = new_house(tmp_path / "house")
    start(house, house.signing())
    needed = [*(f"root:{name}" for name in EVERY[:2]), "halts:alice"]
    needed += [f"{role}:{name}" for role in ("targets", "house") for name in ("alice", "bob")]
    for left_out in needed:
        staged = signed(house, *(line for line in needed if line != left_out))
        assert candidate(None, staged, lambda _: pytest.fail("there is none")) is None
    whole = candidate(None, signed(house, *needed), lambda _: pytest.fail("there is none"))
    assert whole is not None
    assert {*whole.changed} == {"root", "targets", "halts", "house"}


def test_what_is_missing_is_said_for_each_role_and_by_whom(house: House) -> None:
    holders.assign(house.signing(), "root", 2, ("root-3", "root-4"))
    named = house.names
    (line,) = waits(house.chain, signed(house, "root:root-3"))
    assert (line.role, line.missing) == ("root", 1)
    assert {named.name(keyid) for keyid in line.signed} == {"root-3"}
    assert {named.name(keyid) for keyid in line.keyids} == {"root-1", "root-2", "root-4"}
    (line,) = waits(house.chain, signed(house, "root:root-3", "root:root-4"))
    assert {named.name(keyid) for keyid in line.keyids} == {"root-1", "root-2"}


@cache
def _drawn() -> House:
    """A vendor of whom everything changes at once: holders of all roles, a release, a new product."""
    top = made_keys() / "drawn"
    house = founded(top)
    source = top / "source"
    source.mkdir()
    (source / "a").write_bytes(b"1")
    house.publish("alice", source)
    house.approve("bob")
    house.turn()
    assert house.target(TOOL) is not None
    house.publish("alice", source, "2.0")
    publish.publish(house.means("alice"), order(component="science/tool"), source)
    holders.assign(house.signing(), "root", 2, ("root-2", "root-3", "root-4"))
    holders.assign(house.signing(), "targets", 2, ("bob", "carol", "dave"))
    holders.assign(house.signing(), "sdk", 2, ("bob", "dave"))
    holders.assign(house.signing(), "halts", 1, ("dave",))
    return house


LINES = [
    *(f"root:{name}" for name in EVERY[:4]),
    *(f"{role}:{name}" for role in ("targets", "sdk", "science", "halts") for name in EVERY[4:]),
]


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_whatever_is_signed_what_becomes_visible_verifies_as_a_whole(data: st.DataObject) -> None:
    house = _drawn()
    left_out = data.draw(st.sets(st.sampled_from(LINES), max_size=8) | st.sets(st.sampled_from(LINES)))
    with TemporaryDirectory() as folder:
        copy = house.copy(Path(folder) / "house")
        staged = signed(copy, *(line for line in LINES if line not in left_out))
        staged.save(copy.place.staged)
        expected = found(copy)
        before = copy.chain
        shown = copy.turn()
        assert (shown is None) == (expected is None)
        chain = copy.chain  # verifies from the first root down
        assert catalogue.load(copy.catalogue).version == chain.timestamp.version
        for client in ("client", "new client"):  # python-tuf's own, which saw the old catalogue, and a new one
            assert copy.target(TOOL, client) is not None
        assert_thresholds(copy)
        if expected is None:
            assert chain.timestamp.version == before.timestamp.version
        for role in chain.roles.keys() - {"snapshot", "timestamp"}:
            old = before.roles[role].version if role in before.roles else 0
            new = expected is not None and role in expected.changed
            assert chain.roles[role].version == old + new


def assert_thresholds(house: House) -> None:
    """Said once more: each statement has as many signatures as its delegator asks for, of people of that role."""
    chain = house.chain
    for role, one in chain.roles.items():
        if role == "timestamp":
            continue
        kind = {"root": Root}.get(role, Targets)
        raw = (house.catalogue / f"{one.version}.{role}.json").read_bytes()
        metadata = Metadata[kind].from_bytes(raw)  # type: ignore[valid-type]
        delegator = chain.root if role in roles.TOP_ROLES else chain.targets
        line = delegator.get_delegated_role(role)
        good = {keyid for keyid in line.keyids if _is_good(delegator, keyid, metadata)}
        assert len(good) >= line.threshold, role


def _is_good(delegator: Root | Targets, keyid: str, metadata: Metadata[Root]) -> bool:
    if keyid not in metadata.signatures:
        return False
    try:
        delegator.get_key(keyid).verify_signature(metadata.signatures[keyid], metadata.signed_bytes)
    except Exception:  # noqa: BLE001  whatever a key says against it
        return False
    return True
