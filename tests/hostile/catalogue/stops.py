"""Attacks on what was stopped: withdrawn and halted releases stay out, from the mirror and from what is kept here."""

from collections.abc import Iterator

import msgspec

from spot_client.wire import halts
from tests.hostile.catalogue import guards
from tests.hostile.catalogue.stage import EVIL, TOOL, Stage
from tests.hostile.catalogue.table import attack
from tests.spot_client.desk import ONE
from tests.spot_client.vendor import Vendor

STOPPED = "withdrawn and halted releases"
PEOPLE = ("sdk.1", "sdk.2", "snapshot", "timestamp")


@attack(STOPPED, "A release that is halted, on offer all the same.", guard=guards.NOT_STOPPED)
def halted_release_on_offer(stage: Stage) -> Iterator[None]:
    stage.vendor.halt("1.1")
    yield
    _lift(stage.vendor)


@attack(
    STOPPED,
    "A release that is halted, asked for by its version.",
    guard=guards.NOT_STOPPED,
    stopped="halted",
    command=("install", TOOL, "--version", "1.1"),
)
def halted_release_asked_for(stage: Stage) -> Iterator[None]:
    stage.vendor.halt("1.1")
    yield
    _lift(stage.vendor)


@attack(STOPPED, "One key of halts stops the update: until that key is replaced.", guard=guards.NOTHING)
def stolen_halts_key_that_stops(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal("halts.1", "snapshot", "timestamp")
    thief.halt("1.1")
    yield


@attack(STOPPED, "The halts of another product, signed for this one.", guard=guards.THIS_PRODUCT, stopped="other-halts")
def halts_of_another_product(stage: Stage) -> Iterator[None]:
    thief, _ = stage.steal("halts.1", "snapshot", "timestamp")
    thief.put_halts("sdk", halts.encode(halts.Halts(product="art")))
    yield


@attack(
    STOPPED,
    "A kept release that was withdrawn, to go back to on a machine without a network.",
    guard=guards.NOT_BACK_TO_STOPPED,
    stopped="withdrawn",
    command=("rollback", TOOL),
)
def withdrawn_release_that_is_kept(stage: Stage) -> Iterator[None]:
    assert stage.spot("update").code == 0
    stage.vendor.withdraw("1.0")
    stage.meet()
    stage.answer = lambda _: b""
    yield


@attack(
    STOPPED,
    "A kept release that is halted, to go back to on a machine without a network.",
    guard=guards.NOT_BACK_TO_STOPPED,
    stopped="halted",
    command=("rollback", TOOL),
)
def halted_release_that_is_kept(stage: Stage) -> Iterator[None]:
    assert stage.spot("update").code == 0
    stage.vendor.halt("1.0")
    stage.meet()
    stage.answer = lambda _: b""
    yield


@attack(STOPPED, "A withdrawal that is taken back, signed.", guard=guards.TOMBSTONES_STAY, stopped="tombstone-gone")
def withdrawal_taken_back(stage: Stage) -> Iterator[None]:
    stage.vendor.publish(EVIL, "1.0.1")
    stage.vendor.withdraw("1.0.1")
    stage.meet()
    thief, _ = stage.steal(*PEOPLE)
    thief._replace(TOOL, tombstones=())
    yield


@attack(
    STOPPED,
    "A release that SPOT has seen on offer, published again with other content.",
    guard=guards.NEVER_CHANGED,
    stopped="changed-release",
)
def changed_release_that_was_on_offer(stage: Stage) -> Iterator[None]:
    stage.meet()
    thief, _ = stage.steal(*PEOPLE)
    kept = msgspec.structs.replace(thief.indexes[TOOL], releases=stage.older.indexes[TOOL].releases)
    thief.indexes[TOOL] = kept
    thief.publish({**EVIL, **ONE}, "1.1")
    yield


def _lift(vendor: Vendor) -> None:
    vendor.halt()
