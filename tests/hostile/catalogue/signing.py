"""Attacks on signatures: whose keys count, for what, and how far a stolen one gets."""

import json
import shutil
from collections.abc import Iterator

from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import MetaFile, TargetFile

from spot_client.wire import trust
from tests.hostile.catalogue import guards
from tests.hostile.catalogue.people import make_vendor, repository_of
from tests.hostile.catalogue.stage import EVIL, INDEX, Stage
from tests.hostile.catalogue.table import attack

ARBITRARY, STOLEN, THRESHOLD, MISUSE = "arbitrary software", "a stolen key", "thresholds", "a key misused"
ONLINE = ("snapshot", "timestamp")


@attack(
    ARBITRARY,
    "A catalogue that the mirror signed with keys of its own.",
    guard=guards.SIGNATURES,
    stopped="bad-metadata",
)
def own_keys(stage: Stage) -> Iterator[None]:
    stranger = make_vendor()
    for _ in range(9):
        stranger.repository.sign()
    stranger.publish(EVIL, "6.6")
    stage.shown = {**stranger.files, "/catalogue/1.root.json": stage.vendor.root}
    yield


@attack(ARBITRARY, "Another index in place of the signed one.", guard=guards.TARGET_DIGEST, stopped="bad-target")
def other_bytes_of_an_index(stage: Stage) -> Iterator[None]:
    stage.replace(".index.json.zst", lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]))
    yield


@attack(
    STOLEN, "One key of the root signs a root with keys of the thief.", guard=guards.SIGNATURES, stopped="bad-metadata"
)
def stolen_root_key(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("root.1")
    repository.root.version = 2
    for role in ("timestamp", "snapshot", "targets"):
        repository.signers[role] = CryptoSigner.generate_ed25519()
        repository.holders[role] = (role,)
        repository.root.roles[role].threshold = 1
        repository.root.roles[role].keyids = []
        repository.root.add_key(repository.signers[role].public_key, role)
    repository.write("2.root.json", repository.root, "root")
    thief.publish(EVIL, "6.6")
    yield


@attack(
    STOLEN,
    "One key of targets and both online keys hand the product over.",
    guard=guards.SIGNATURES,
    stopped="bad-metadata",
)
def stolen_targets_key(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("targets.1", *ONLINE)
    repository.signers["sdk.1"] = CryptoSigner.generate_ed25519()
    repository.targets.add_key(repository.signers["sdk.1"].public_key, "sdk")
    repository.delegated["sdk"].threshold = 1
    thief.publish(EVIL, "6.6")
    yield


@attack(
    STOLEN,
    "One key of the product and both online keys publish a release.",
    guard=guards.SIGNATURES,
    stopped="bad-metadata",
)
def stolen_product_key(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal("sdk.1", *ONLINE)
    thief.publish(EVIL, "6.6")
    yield


@attack(
    STOLEN,
    "The snapshot's key signs another snapshot of the same version.",
    guard=guards.SNAPSHOT_DIGEST,
    stopped="bad-metadata",
)
def stolen_snapshot_key(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("snapshot")
    repository.snapshot.meta["sdk.json"] = repository_of(stage.older).snapshot.meta["sdk.json"]
    name = f"{repository.snapshot.version}.snapshot.json"
    repository.write(name, repository.snapshot, "snapshot")
    thief.lay_out()
    yield


@attack(STOLEN, "The timestamp's key keeps an old snapshot fresh: until that expires (7 days).", guard=guards.NOTHING)
def stolen_timestamp_key(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("timestamp")
    repository.timestamp.snapshot_meta = repository_of(stage.older).timestamp.snapshot_meta
    repository._sign("timestamp", repository.timestamp)
    thief.lay_out()
    yield


@attack(STOLEN, "Both online keys keep an old product role fresh: until that expires (1 year).", guard=guards.NOTHING)
def stolen_online_keys(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal(*ONLINE)
    repository.snapshot.meta = repository_of(stage.older).snapshot.meta
    repository.sign_online()
    thief.lay_out()
    yield


@attack(
    STOLEN, "Both online keys lead a new installation to an old release: until the roles expire.", guard=guards.NOTHING
)
def stolen_online_keys_and_a_new_installation(stage: Stage) -> Iterator[None]:
    stage.meet()
    shutil.rmtree(stage.root / ".spot/catalogue")
    thief, repository = stage.steal(*ONLINE)
    repository.snapshot.meta = repository_of(stage.older).snapshot.meta
    repository.sign_online()
    thief.lay_out()
    yield


@attack(
    STOLEN, "The halts' key lists an index of its own for the component.", guard=guards.PATHS_OF_ROLES, updated=True
)
def stolen_halts_key_that_offers(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("halts.1", *ONLINE)
    thief.publish(EVIL, "6.6")
    repository.products["halts"].targets[INDEX] = repository.products["sdk"].targets[INDEX]
    repository.products["sdk"] = repository_of(stage.vendor).products["sdk"]
    repository.sign()
    thief.lay_out()
    yield


@attack(STOLEN, "The halts' key signs for the product's role.", guard=guards.SIGNATURES, stopped="bad-metadata")
def stolen_halts_key_for_the_product(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("halts.1", "halts.2", *ONLINE)
    repository.holders["sdk"] = repository.holders["halts"]
    thief.publish(EVIL, "6.6")
    yield


@attack(STOLEN, "One key of house names a mirror of the thief: it is not asked.", guard=guards.SIGNATURES, updated=True)
def stolen_house_key(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal("house.1", *ONLINE)
    pin = stage.bundle().mirrors[0].pins[0]
    listed = trust.encode(trust.Trust(mirrors=(trust.OfficialMirror("https://127.0.0.1:1", pin),)))
    thief._put(trust.ROLE, trust.PATH, listed)
    yield


@attack(MISUSE, "The people of another product sign for this one.", guard=guards.SIGNATURES, stopped="bad-metadata")
def keys_of_another_product(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("art.1", "art.2", *ONLINE)
    repository.holders["sdk"] = repository.holders["art"]
    thief.publish(EVIL, "6.6")
    yield


@attack(
    MISUSE,
    "The people of another product list an index of this one in their role.",
    guard=guards.PATHS_OF_ROLES,
    updated=True,
)
def role_outside_its_product(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("art.1", "art.2", *ONLINE)
    thief.publish(EVIL, "6.6")
    repository.products["art"].targets[INDEX] = repository.products["sdk"].targets[INDEX]
    repository.products["sdk"] = repository_of(stage.vendor).products["sdk"]
    repository.sign()
    thief.lay_out()
    yield


@attack(MISUSE, "The timestamp's key signs a snapshot.", guard=guards.SIGNATURES, stopped="bad-metadata")
def timestamp_key_for_the_snapshot(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("timestamp")
    repository.holders["snapshot"] = ("timestamp",)
    repository.sign_online()
    thief.lay_out()
    yield


@attack(MISUSE, "The snapshot's key signs a timestamp.", guard=guards.SIGNATURES, stopped="bad-metadata")
def snapshot_key_for_the_timestamp(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("snapshot")
    repository.holders["timestamp"] = ("snapshot",)
    repository.sign_online()
    thief.lay_out()
    yield


@attack(MISUSE, "The online keys sign for the product.", guard=guards.SIGNATURES, stopped="bad-metadata")
def online_keys_for_the_product(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal(*ONLINE)
    repository.holders["sdk"] = ONLINE
    thief.publish(EVIL, "6.6")
    yield


@attack(
    THRESHOLD,
    "One signature, counted twice: the same one stands there two times.",
    guard=guards.ONE_SIGNATURE,
    stopped="bad-metadata",
)
def signature_twice(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("sdk.1", *ONLINE)
    thief.publish(EVIL, "6.6")
    name = f"{repository.products['sdk'].version}.sdk.json"
    statement = json.loads(repository.metadata[name])
    statement["signatures"] *= 2
    _put(stage, name, json.dumps(statement).encode())
    yield


@attack(
    THRESHOLD,
    "One signature under two key ids, one of them of somebody else.",
    guard=guards.SIGNATURES,
    stopped="bad-metadata",
)
def signature_under_two_ids(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("sdk.1", *ONLINE)
    thief.publish(EVIL, "6.6")
    name = f"{repository.products['sdk'].version}.sdk.json"
    statement = json.loads(repository.metadata[name])
    other = stage.repository.signers["sdk.2"].public_key.keyid
    statement["signatures"].append({**statement["signatures"][0], "keyid": other})
    _put(stage, name, json.dumps(statement).encode())
    yield


@attack(
    THRESHOLD,
    "One key stands under two ids, so that one person meets a threshold of two.",
    guard=guards.ONE_KEY_TWICE,
    stopped="one-key-twice",
)
def one_key_under_two_ids(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("targets.1", "targets.2", "sdk.1", *ONLINE)
    key = repository.signers["sdk.1"].public_key
    repository.targets.add_key(SSlibKey("f" * 64, key.keytype, key.scheme, dict(key.keyval)), "sdk")
    repository.sign()
    thief.lay_out()
    yield


@attack(THRESHOLD, "A threshold of 0, and a role that nobody signed.", guard=guards.THRESHOLDS, stopped="bad-threshold")
def threshold_of_zero(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("targets.1", "targets.2", "sdk.1", *ONLINE)
    repository.delegated["sdk"].threshold = 0
    thief.publish(EVIL, "6.6")
    name = f"{repository.products['sdk'].version}.sdk.json"
    statement = json.loads(repository.metadata[name])
    statement["signatures"] = []
    _put(stage, name, json.dumps(statement).encode())
    yield


@attack(THRESHOLD, "A role that nobody signed.", guard=guards.SIGNATURES, stopped="bad-metadata")
def no_signature(stage: Stage) -> Iterator[None]:
    _, repository = stage.steal(*ONLINE)
    name = f"{repository.products['sdk'].version}.sdk.json"
    statement = json.loads(repository.metadata[name])
    statement["signatures"] = []
    _put(stage, name, json.dumps(statement).encode())
    yield


@attack(MISUSE, "A role that targets does not name stands in the snapshot.", guard=guards.PATHS_OF_ROLES, updated=True)
def extraneous_role(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("art.1", "art.2", *ONLINE)
    thief.publish(EVIL, "6.6")
    extra = repository.products["art"]
    extra.targets[INDEX] = TargetFile.from_data(INDEX, b"evil", ["sha256"])
    repository.write("1.sdk2.json", extra, "art")
    repository.snapshot.meta["sdk2.json"] = MetaFile.from_data(1, repository.metadata["1.sdk2.json"], ["sha256"])
    repository.products["sdk"] = repository_of(stage.vendor).products["sdk"]
    repository.sign()
    thief.lay_out()
    yield
    stage.repository.replace_keys(*ONLINE)  # SPOT does not let a role go that a signed snapshot had
    stage.vendor.lay_out()


def _put(stage: Stage, name: str, raw: bytes) -> None:
    """Put this in place of a role's metadata, with the online keys."""
    role = name.split(".")[1]
    assert stage.thief is not None
    repository = repository_of(stage.thief)
    repository.metadata[name] = raw
    repository.snapshot.meta[f"{role}.json"] = MetaFile.from_data(int(name.split(".", maxsplit=1)[0]), raw, ["sha256"])
    repository.sign_online()
    stage.thief.lay_out()
