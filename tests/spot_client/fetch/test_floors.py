"""Mirrors and offline sets of one vendor: what was verified of one binds the other, and what was refused does not.

SPOT's command line, with a mirror on loopback and sets in folders.
"""

import copy

import pytest

from tests.spot_client.carried import carry
from tests.spot_client.desk import TWO, Desk
from tests.spot_client.vendor import Vendor

FAR = 10**6
ONLINE = ("snapshot", "timestamp")


@pytest.fixture
def enrolled(desk: Desk) -> Desk:
    desk.says("enrol", str(desk.folder / "acme.bundle"))
    desk.says("install", "sdk/tool")
    return desk


def far_ahead(vendor: Vendor) -> Vendor:
    """What somebody with the vendor's keys signs for, far ahead of the vendor."""
    thief = copy.deepcopy(vendor)
    thief.repository.targets.version = FAR
    thief.repository.sign()
    thief.lay_out()
    return thief


def replace_keys(vendor: Vendor, *roles: str) -> None:
    """Other keys for these roles, laid out."""
    vendor.repository.replace_keys(*roles)
    vendor.lay_out()


def reason(desk: Desk, *command: str) -> str:
    found: str = desk.reads(*command, code=3)[0]["error"]["reason"]
    return found


def test_a_mirror_that_is_behind_a_set_is_told_as_that_until_it_has_caught_up(enrolled: Desk) -> None:
    ahead = copy.deepcopy(enrolled.vendor)
    ahead.publish(TWO, "1.1")
    enrolled.says("check", "--from", str(carry(ahead, enrolled.folder / "set")))
    assert reason(enrolled, "check") == "older-set"
    _, told = enrolled.fails("check")
    assert "mirror is behind" in told
    assert "an offline set" in told
    enrolled.vendor.publish(TWO, "1.1")
    enrolled.says("check")


def test_a_set_that_is_behind_the_mirror_is_told_as_that(enrolled: Desk) -> None:
    old = carry(enrolled.vendor, enrolled.folder / "set")
    enrolled.vendor.publish(TWO, "1.1")
    enrolled.says("check")
    assert reason(enrolled, "check", "--from", str(old)) == "older-set"
    _, told = enrolled.fails("check", "--from", str(old))
    assert "offline set is behind" in told
    enrolled.says("check")


@pytest.mark.parametrize("replaced", [ONLINE, ("snapshot",), ("timestamp",), (*ONLINE, "targets")])
def test_an_old_set_that_is_refused_does_not_bring_back_versions_that_new_keys_have_undone(
    enrolled: Desk, replaced: tuple[str, ...]
) -> None:
    old = carry(far_ahead(enrolled.vendor), enrolled.folder / "set")
    enrolled.says("check", "--from", str(old))
    assert reason(enrolled, "check") == "older-set"
    replace_keys(enrolled.vendor, *replaced)
    enrolled.says("check")
    assert reason(enrolled, "check", "--from", str(old)) in {"bad-metadata", "older-set"}
    enrolled.says("check")
    for _ in range(9):
        enrolled.vendor.repository.sign_online()
    enrolled.says("check", "--from", str(carry(enrolled.vendor, enrolled.folder / "new")))
    enrolled.says("check")


def test_a_set_that_names_versions_far_ahead_and_does_not_have_them_binds_nobody(enrolled: Desk) -> None:
    broken = carry(far_ahead(enrolled.vendor), enrolled.folder / "set")
    (broken / f"catalogue/{FAR + 1}.targets.json").unlink()
    assert reason(enrolled, "check", "--from", str(broken)) == "withheld"
    enrolled.says("check")


def test_a_root_of_a_set_that_is_refused_counts_if_it_follows_from_the_last(enrolled: Desk) -> None:
    """Its holders signed it, wherever it comes from: a key that it took away is good for nothing."""
    ahead = copy.deepcopy(enrolled.vendor)
    replace_keys(ahead, *ONLINE)
    broken = carry(ahead, enrolled.folder / "set")
    (broken / "catalogue/timestamp.json").write_bytes(b"{}")
    assert reason(enrolled, "check", "--from", str(broken)) == "bad-metadata"
    assert reason(enrolled, "check") == "bad-metadata"
    enrolled.vendor.repository, enrolled.vendor.files = ahead.repository, ahead.files
    enrolled.says("check")


def test_what_a_set_has_verified_before_it_was_refused_binds_a_mirror_that_is_behind(enrolled: Desk) -> None:
    ahead = copy.deepcopy(enrolled.vendor)
    ahead.publish(TWO, "1.1")
    broken = carry(ahead, enrolled.folder / "set")
    for path in broken.rglob("*.index.json.zst"):
        path.write_bytes(b"?" * path.stat().st_size)
    assert reason(enrolled, "check", "--from", str(broken)) == "bad-target"
    assert reason(enrolled, "check") == "older-set"
    enrolled.vendor.publish(TWO, "1.1")
    enrolled.says("check")
