"""Attacks with what was validly signed once: rollback, fast-forward, freeze, mix-and-match, and the chain of roots."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import time_machine

from spot_client.fetch.catalogue import OFFLINE
from tests.hostile.catalogue import guards
from tests.hostile.catalogue.people import Production, repository_of
from tests.hostile.catalogue.stage import TOOL, Stage, dated
from tests.hostile.catalogue.table import attack
from tests.spot_client.carried import carry
from tests.spot_client.fetch.server import paths, problem
from tests.spot_client.vendor import DAY, Vendor

ROLLBACK, FAST_FORWARD, FREEZE, MIX, ROOT = "rollback", "fast-forward", "freeze", "mix-and-match", "the chain of roots"
ONLINE = ("snapshot", "timestamp")
FAR = 10**6


@attack(ROLLBACK, "An older timestamp over the same snapshot.", guard=guards.TIMESTAMP_FLOOR, stopped="bad-metadata")
def rollback_of_the_timestamp(stage: Stage) -> Iterator[None]:
    earlier = dict(stage.vendor.files)
    _tick(stage.vendor)
    stage.meet()
    stage.shown = earlier
    yield


@attack(
    ROLLBACK, "The timestamp's key leads to an older snapshot.", guard=guards.SNAPSHOT_FLOOR, stopped="bad-metadata"
)
def rollback_of_the_snapshot(stage: Stage) -> Iterator[None]:
    earlier = repository_of(stage.vendor).timestamp.snapshot_meta
    stage.repository.sign_online()
    stage.vendor.lay_out()
    stage.meet()
    thief, repository = stage.steal("timestamp")
    repository.timestamp.snapshot_meta = earlier
    repository._sign("timestamp", repository.timestamp)
    thief.lay_out()
    yield


@attack(ROLLBACK, "Both online keys lead to older targets.", guard=guards.ROLE_FLOOR, stopped="bad-metadata")
def rollback_of_targets(stage: Stage) -> Iterator[None]:
    _lead_back(stage, "targets.json")
    yield


@attack(
    ROLLBACK, "Both online keys lead to an older role of the product.", guard=guards.ROLE_FLOOR, stopped="bad-metadata"
)
def rollback_of_a_product(stage: Stage) -> Iterator[None]:
    _lead_back(stage, "sdk.json")
    yield


@attack(
    ROLLBACK,
    "Both online keys lead to older halts, in which nothing is halted.",
    guard=guards.ROLE_FLOOR,
    stopped="bad-metadata",
)
def rollback_of_halts(stage: Stage) -> Iterator[None]:
    _lead_back(stage, "halts.json")
    yield


@attack(
    ROLLBACK,
    "Both online keys lead to an older role of house, which names mirrors.",
    guard=guards.ROLE_FLOOR,
    stopped="bad-metadata",
)
def rollback_of_house(stage: Stage) -> Iterator[None]:
    _lead_back(stage, "house.json")
    yield


@attack(
    ROLLBACK,
    "An older root in place of the next, and the key that was replaced since signs a timestamp.",
    guard=guards.ROOT_BY_ONE,
    stopped="bad-metadata",
)
def rollback_of_the_root(stage: Stage) -> Iterator[None]:
    _, repository = stage.steal("timestamp")
    stage.shown = None
    _replace(stage, "timestamp")
    stage.meet()
    _go_on_signing(repository, stage.vendor)
    stage.show(timestamp=repository.metadata["timestamp.json"], _3_root=stage.repository.metadata["1.root.json"])
    yield
    assert stage.floors["root"] == 2


@attack(ROLLBACK, "Both online keys leave a role out.", guard=guards.ROLE_STAYS, stopped="bad-metadata")
def role_left_out(stage: Stage) -> Iterator[None]:
    stage.meet()
    thief, repository = stage.steal(*ONLINE)
    del repository.snapshot.meta["art.json"]
    repository.sign_online()
    thief.lay_out()
    yield


@attack(
    ROLLBACK,
    "The catalogue as it was before a new enrolment with the vendor's own bundle.",
    guard=guards.TIMESTAMP_FLOOR,
    stopped="bad-metadata",
)
def rollback_by_enrolling_again(stage: Stage) -> Iterator[None]:
    earlier = dict(stage.vendor.files)
    _tick(stage.vendor)
    stage.meet()
    stage.says("enrol", str(stage.folder / "acme.bundle"))
    stage.shown = earlier
    yield


@attack(
    ROLLBACK,
    "An offline set that is older than what SPOT has seen of the mirror.",
    guard=guards.BOTH_WAYS,
    stopped="older-set",
    command=("update", "--from", "{folder}/set"),
)
def rollback_by_an_offline_set(stage: Stage) -> Iterator[None]:
    stage.meet()
    carry(stage.older, stage.folder / "set")
    yield


@attack(
    FAST_FORWARD,
    "The timestamp's key signs a version far ahead: the vendor's own is refused until that key is replaced.",
    guard=guards.TIMESTAMP_FLOOR,
    stopped="bad-metadata",
)
def fast_forward_of_the_timestamp(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("timestamp")
    repository.timestamp.version = FAR
    repository._sign("timestamp", repository.timestamp)
    thief.lay_out()
    stage.meet()
    stage.be_honest()
    yield
    _replace(stage, "timestamp")


@attack(
    FAST_FORWARD,
    "Both online keys sign a snapshot far ahead: until both are replaced.",
    guard=guards.SNAPSHOT_FLOOR,
    stopped="bad-metadata",
)
def fast_forward_of_the_snapshot(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal(*ONLINE)
    repository.snapshot.version = FAR
    repository.sign_online()
    thief.lay_out()
    stage.meet()
    stage.be_honest()
    yield
    _replace(stage, *ONLINE)


@attack(
    FAST_FORWARD,
    "Both online keys name a version of targets far ahead: until both are replaced.",
    guard=guards.ROLE_FLOOR,
    stopped="bad-metadata",
)
def fast_forward_of_targets(stage: Stage) -> Iterator[None]:
    _lead_ahead(stage, "targets.json")
    yield
    _replace(stage, *ONLINE)


@attack(
    FAST_FORWARD,
    "Both online keys name a version of the product's role far ahead: until both are replaced.",
    guard=guards.ROLE_FLOOR,
    stopped="bad-metadata",
)
def fast_forward_of_a_product(stage: Stage) -> Iterator[None]:
    _lead_ahead(stage, "sdk.json")
    yield
    _replace(stage, *ONLINE)


@attack(
    FAST_FORWARD,
    "Both online keys name a version of halts far ahead: until both are replaced.",
    guard=guards.ROLE_FLOOR,
    stopped="bad-metadata",
)
def fast_forward_of_halts(stage: Stage) -> Iterator[None]:
    _lead_ahead(stage, "halts.json")
    yield
    _replace(stage, *ONLINE)


@attack(
    FAST_FORWARD,
    "Both online keys name a version of house far ahead: until both are replaced.",
    guard=guards.ROLE_FLOOR,
    stopped="bad-metadata",
)
def fast_forward_of_house(stage: Stage) -> Iterator[None]:
    _lead_ahead(stage, "house.json")
    yield
    _replace(stage, *ONLINE)


@attack(
    FAST_FORWARD,
    "Targets and both online keys sign versions far ahead: until one online key is replaced, which undoes all.",
    guard=guards.KEYS_UNDO,
    updated=True,
)
def fast_forward_of_everything(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("targets.1", "targets.2", *ONLINE)
    for statement in (repository.targets, repository.snapshot, repository.timestamp):
        statement.version = FAR
    repository.sign()
    thief.lay_out()
    stage.meet()
    stage.be_honest()
    assert stage.spot("check").reason == "bad-metadata"
    _replace(stage, "timestamp")
    yield


@attack(
    FAST_FORWARD,
    "Two keys of the root sign one far ahead, in place of the next.",
    guard=guards.ROOT_BY_ONE,
    stopped="bad-metadata",
)
def fast_forward_of_the_root(stage: Stage) -> Iterator[None]:
    _, repository = stage.steal("root.1", "root.2")
    repository.root.version = FAR
    repository.write(f"{FAR}.root.json", repository.root, "root")
    stage.show(_2_root=repository.metadata[f"{FAR}.root.json"])
    yield
    assert stage.floors["root"] == 1


@attack(
    FAST_FORWARD,
    "An offline set far ahead, once more after the keys that signed it were replaced: the mirror still counts.",
    guard=guards.KEYS_OF_FLOORS,
    stopped="bad-metadata",
    command=("update", "--from", "{folder}/set"),
)
def fast_forward_by_an_offline_set(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("targets.1", "targets.2", *ONLINE)
    stage.shown = None
    repository.targets.version = FAR
    repository.sign()
    thief.lay_out()
    assert stage.spot("check", "--from", str(carry(thief, stage.folder / "set"))).code == 0
    assert stage.spot("check").reason == "older-set"
    _replace(stage, *ONLINE)
    stage.meet()
    yield


@attack(FREEZE, "The newest catalogue that SPOT knows, for as long as its timestamp holds.", guard=guards.NOTHING)
def freeze_while_the_timestamp_holds(stage: Stage) -> Iterator[None]:
    stage.shown = stage.older.files
    yield


@attack(
    FREEZE,
    "A mirror that says it has no role of the product, which its own snapshot names.",
    guard=guards.HANDED_OUT,
    stopped="withheld",
)
def role_kept_back(stage: Stage) -> Iterator[None]:
    stage.say(".sdk.json", lambda _: problem("404 Not Found", "not-found"))
    yield


@attack(FREEZE, "A timestamp that has expired.", guard=guards.TIMESTAMP_DATE, stopped="expired-metadata")
def stale_timestamp(stage: Stage) -> Iterator[None]:
    let_expire(stage, stage.repository.timestamp)
    yield


@attack(
    FREEZE,
    "The timestamp's key keeps a snapshot that has expired.",
    guard=guards.SNAPSHOT_DATE,
    stopped="expired-metadata",
)
def stale_snapshot(stage: Stage) -> Iterator[None]:
    let_expire(stage, stage.repository.snapshot)
    yield


@attack(FREEZE, "Both online keys keep targets that have expired.", guard=guards.ROLE_DATE, stopped="expired-metadata")
def stale_targets(stage: Stage) -> Iterator[None]:
    let_expire(stage, stage.repository.targets)
    yield


@attack(
    FREEZE,
    "Both online keys keep a role of the product that has expired.",
    guard=guards.ROLE_DATE,
    stopped="expired-metadata",
)
def stale_product(stage: Stage) -> Iterator[None]:
    let_expire(stage, stage.repository.products["sdk"])
    yield


@attack(
    FREEZE,
    "A clock that was set back, so that what has expired is good again.",
    guard=guards.CLOCK,
    stopped="clock-behind",
)
def clock_set_back(stage: Stage) -> Iterator[None]:
    stage.meet()
    let_expire(stage, stage.repository.timestamp)
    with time_machine.travel(datetime.now(UTC) - 2 * DAY):
        yield


@attack(
    FREEZE,
    "The mirror says that it is later than it is, so that the right clock would count as set back from then on.",
    guard=guards.EARLIER_CLOCK,
    updated=True,
)
def clock_of_the_mirror_ahead(stage: Stage) -> Iterator[None]:
    stage.answer = lambda asked: dated(stage.behave(asked), datetime.now(UTC) + DAY * 5 / 6)
    yield


@attack(
    FREEZE,
    "A set for machines without a network, which lasts longer, served to others.",
    guard=guards.ONLINE_SET,
    stopped="offline-set",
)
def offline_set_served(stage: Stage) -> Iterator[None]:
    other = copy.deepcopy(stage.older)
    repository = repository_of(other)
    repository.timestamp.unrecognized_fields[OFFLINE] = True
    repository.sign_online()
    other.lay_out()
    stage.shown = other.files
    yield


@attack(MIX, "Targets of another catalogue, of the same version.", guard=guards.ROLE_DIGEST, stopped="bad-metadata")
def targets_of_another_catalogue(stage: Stage) -> Iterator[None]:
    _mix(stage, "targets")
    yield


@attack(
    MIX, "A product's role of another catalogue, of the same version.", guard=guards.ROLE_DIGEST, stopped="bad-metadata"
)
def product_of_another_catalogue(stage: Stage) -> Iterator[None]:
    _mix(stage, "sdk")
    yield


@attack(MIX, "An older index under the name of the newest.", guard=guards.TARGET_DIGEST, stopped="bad-target")
def index_of_another_time(stage: Stage) -> Iterator[None]:
    (old,) = (raw for path, raw in stage.older.files.items() if path.endswith(".index.json.zst") and TOOL in path)
    stage.replace(".index.json.zst", lambda _: old)
    yield


@attack(ROOT, "A root that skips one.", guard=guards.ROOT_BY_ONE, stopped="bad-metadata")
def gap_in_the_chain_of_roots(stage: Stage) -> Iterator[None]:
    for _ in range(2):
        stage.repository.replace_keys("timestamp")
    stage.vendor.lay_out()
    stage.show(_2_root=stage.repository.metadata["3.root.json"])
    yield


@attack(ROOT, "A root that the last one's people did not sign.", guard=guards.OLD_ROOT_SIGNS, stopped="bad-metadata")
def root_of_strangers(stage: Stage) -> Iterator[None]:
    other = copy.deepcopy(stage.repository)
    other._hand_out("root", other.root)
    other.root.roles["root"].keyids = [other.signers[name].public_key.keyid for name in other.holders["root"]]
    _next_root(stage, other, *other.holders["root"])
    yield


@attack(ROOT, "A root that its own people did not sign.", guard=guards.NEW_ROOT_SIGNS, stopped="bad-metadata")
def root_without_its_own_people(stage: Stage) -> Iterator[None]:
    other = copy.deepcopy(stage.repository)
    signers = {name: other.signers[name] for name in other.holders["root"]}
    other._hand_out("root", other.root)
    other.root.roles["root"].keyids = [other.signers[name].public_key.keyid for name in other.holders["root"]]
    other.signers |= {f"old.{name}": signer for name, signer in signers.items()}
    _next_root(stage, other, *(f"old.{name}" for name in signers))
    yield


@attack(ROOT, "A new root of a shorter lifetime, which is over.", guard=guards.ROOT_DATE, stopped="expired-metadata")
def root_that_has_expired(stage: Stage) -> Iterator[None]:
    kept = stage.repository.root.expires
    stage.repository.root.expires = _yesterday()
    stage.repository.replace_keys("timestamp")
    stage.vendor.lay_out()
    yield
    stage.repository.root.expires = kept
    stage.repository.replace_keys("timestamp")
    stage.vendor.lay_out()


@attack(
    ROOT,
    "A rotation that was broken off: the new root is out, the timestamp is still the old key's.",
    guard=guards.SIGNATURES,
    stopped="bad-metadata",
)
def rotation_broken_off_at_the_mirror(stage: Stage) -> Iterator[None]:
    before = dict(stage.vendor.files)
    stage.repository.replace_keys("timestamp")
    stage.vendor.lay_out()
    stage.shown = {**before, "/catalogue/2.root.json": stage.repository.metadata["2.root.json"]}
    yield
    assert stage.floors["root"] == 2


@attack(
    ROOT,
    "The key that a new root took away, on a mirror that hides that root from a SPOT that had it.",
    guard=guards.SIGNATURES,
    stopped="bad-metadata",
)
def key_that_was_replaced(stage: Stage) -> Iterator[None]:
    _, repository = stage.steal("timestamp")
    stage.shown = None
    stage.repository.replace_keys("timestamp")
    stage.vendor.lay_out()
    stage.meet()
    stage.server.asked.clear()
    _go_on_signing(repository, stage.vendor)
    stage.show(timestamp=repository.metadata["timestamp.json"])
    yield
    assert "/catalogue/2.root.json" not in paths(stage.server.asked)


@attack(
    ROOT,
    "The chain of roots cut short, for a SPOT that has not seen its end, and the key that it took away signs on: until "
    "the snapshot expires.",
    guard=guards.NOTHING,
)
def chain_of_roots_cut_short(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("timestamp")
    _go_on_signing(repository, stage.older)
    thief.lay_out()
    _replace(stage, "timestamp")
    yield
    assert stage.floors["root"] == 1


def _tick(vendor: Vendor) -> None:
    """The vendor's timer signs the timestamp anew."""
    repository = repository_of(vendor)
    repository._sign("timestamp", repository.timestamp)
    vendor.lay_out()


def _go_on_signing(repository: Production, vendor: Vendor) -> None:
    """The old key of the timestamp signs for the vendor's snapshot as it is here."""
    repository.timestamp.version = FAR
    repository.timestamp.snapshot_meta = repository_of(vendor).timestamp.snapshot_meta
    repository._sign("timestamp", repository.timestamp)


def _lead_back(stage: Stage, file: str) -> None:
    stage.meet()
    thief, repository = stage.steal(*ONLINE)
    repository.snapshot.meta[file] = repository_of(stage.older).snapshot.meta[file]
    repository.sign_online()
    thief.lay_out()


def _lead_ahead(stage: Stage, file: str) -> None:
    thief, repository = stage.steal(*ONLINE)
    repository.snapshot.meta[file].version = FAR
    repository.sign_online()
    thief.lay_out()
    assert "is kept back" in stage.spot("check").err
    stage.be_honest()


def _replace(stage: Stage, *roles: str) -> None:
    stage.repository.replace_keys(*roles)
    stage.vendor.lay_out()


def let_expire(stage: Stage, statement: Any) -> None:
    """Show the vendor's catalogue with a statement in it that has expired; the vendor's own is fresh."""
    kept, statement.expires = statement.expires, _yesterday()
    stage.repository.sign()
    stage.vendor.lay_out()
    stage.shown = dict(stage.vendor.files)
    statement.expires = kept


def _mix(stage: Stage, role: str) -> None:
    """Put in one file of a catalogue that came to be on another machine, from the same beginning."""
    other = copy.deepcopy(stage.older)
    other.publish({"run": b"other" * 30}, "1.2")
    repository = repository_of(other)
    statement: Any = repository.targets if role == "targets" else repository.products[role]
    if role == "targets":
        repository.delegated["sdk"].paths = ["sdk/*/index.json.zst"]
        repository.write(f"{statement.version}.targets.json", statement, "targets")
    name = f"{statement.version}.{role}.json"
    assert name in stage.repository.metadata
    stage.show(**{f"_{statement.version}_{role}": repository.metadata[name]})


def _next_root(stage: Stage, repository: Production, *signers: str) -> None:
    repository.root.version = 2
    repository.write("2.root.json", repository.root, *signers[:2])
    stage.show(_2_root=repository.metadata["2.root.json"])


def _yesterday() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - DAY
