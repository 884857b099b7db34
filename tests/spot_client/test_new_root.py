"""Another root of trust: refused unless a person says so; then nothing of the old one is left, wherever it stops."""

import copy
import itertools
import shutil
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner

from ca.bundle import Bundle, encode
from spot_client import enrol as enrolment
from spot_client.config import Paths
from spot_client.errors import NotReachable
from spot_client.state import Identity, Store
from spot_client.wire.index import Tombstone
from tests.ca.house import House
from tests.spot_client.desk import ONE, TWO, Desk
from tests.spot_client.fetch.server import paths, problem
from tests.spot_client.installation import TOOL
from tests.spot_client.killing import killed
from tests.spot_client.trusting import listed, mirror, publish
from tests.spot_client.vendor import MINTED, MOMENT, Vendor

FAR = 10**6
GONE = "https://127.0.0.1:1"


@pytest.fixture
def enrolled(desk: Desk) -> Desk:
    desk.says("enrol", str(desk.folder / "acme.bundle"))
    desk.says("install", TOOL)
    return desk


@pytest.fixture
def fresh(enrolled: Desk) -> Vendor:
    """The vendor after two keys of the root were stolen: it has begun anew, on a mirror of the same address."""
    vendor = Vendor()
    vendor.publish(ONE, "1.0")
    vendor.publish(TWO, "1.1")
    return vendor


def bundle_of(desk: Desk, root: bytes, name: str = "new.bundle") -> str:
    """A bundle for the same customer with this root of trust; its path."""
    bundle: Bundle = msgspec.structs.replace(desk.bundle(), catalogue_root=root.decode())
    (desk.folder / name).write_bytes(encode(bundle))
    return str(desk.folder / name)


def rotate_root(vendor: Vendor) -> bytes:
    """The next root, with another key of its own."""
    repository = vendor.repository
    old = repository.signers["root"]
    repository.root.revoke_key(old.public_key.keyid, "root")
    repository.signers |= {"root": CryptoSigner.generate_ed25519(), "old": old}
    repository.root.add_key(repository.signers["root"].public_key, "root")
    repository.root.version += 1
    repository.write(f"{repository.root.version}.root.json", repository.root, "old", "root")
    repository.sign()
    vendor.lay_out()
    return repository.metadata[f"{repository.root.version}.root.json"]


def be_stolen(desk: Desk, house: House) -> None:
    """Thieves of the root have their day: versions far ahead, a release withdrawn, a mirror of their own."""
    thief = copy.deepcopy(desk.vendor)
    thief.publish(TWO, "1.1")
    known = thief.indexes[TOOL]
    thief._replace(TOOL, tombstones=(Tombstone("1.2", "any", MOMENT, "lies"), *known.tombstones))
    for statement in (thief.repository.targets, thief.repository.snapshot, thief.repository.timestamp):
        statement.version = FAR
    rotate_root(thief)
    publish(thief, listed(mirror(GONE, house.server)))
    desk.vendor = thief
    assert desk("check", TOOL)[0] == 0


def test_another_root_is_refused_with_what_would_take_it_and_changes_nothing(enrolled: Desk, fresh: Vendor) -> None:
    own = enrolled.root / ".spot"
    before = {path: path.read_bytes() for path in own.rglob("*") if path.is_file() and path.name != "lock.pid"}
    code, told = enrolled.fails("enrol", bundle_of(enrolled, fresh.root))
    assert code == 6
    assert "--new-root" in told
    assert {path: path.read_bytes() for path in own.rglob("*") if path.is_file() and path.name != "lock.pid"} == before


def test_after_a_theft_of_the_root_the_new_one_is_believed_and_nothing_of_the_old_one(
    enrolled: Desk, fresh: Vendor, house: House
) -> None:
    be_stolen(enrolled, house)
    assert enrolled.reads("status")["mirrors_from"] == "catalogue"
    enrolled.vendor = fresh
    enrolled.fails("enrol", bundle_of(enrolled, fresh.root))
    enrolled.says("enrol", bundle_of(enrolled, fresh.root), "--new-root")
    assert enrolled.reads("status")["mirrors_from"] == "bundle"
    assert (enrolled.root / ".spot/root.json").read_bytes() == fresh.root
    enrolled.says("update")
    assert enrolled.reads("status")["components"][0]["version"] == "1.1"
    enrolled.says("verify")
    fresh.publish(ONE, "1.2")
    assert enrolled.reads("check")[0]["release"]["version"] == "1.2"


@pytest.mark.parametrize("which", ["first", "next", "older"])
@pytest.mark.parametrize("option", [(), ("--new-root",)], ids=["plain", "new-root"])
def test_a_root_of_the_same_chain_changes_nothing_whatever_is_said(
    enrolled: Desk, which: str, option: tuple[str, ...]
) -> None:
    first = enrolled.vendor.root
    if which == "older":
        rotate_root(enrolled.vendor)
        enrolled.says("check")
    offered = rotate_root(enrolled.vendor) if which == "next" else first
    folder = enrolled.root / ".spot/catalogue"
    before = (folder / "timestamp.json").read_bytes()
    enrolled.says("enrol", bundle_of(enrolled, offered), *option)
    assert (folder / "timestamp.json").read_bytes() == before
    assert (enrolled.root / ".spot/root.json").read_bytes() == first
    enrolled.says("check")


def test_a_root_too_far_ahead_to_be_held_to_the_old_one_is_told_of_and_the_old_one_stays(enrolled: Desk) -> None:
    rotate_root(enrolled.vendor)
    offered = bundle_of(enrolled, rotate_root(enrolled.vendor))
    code, _, told = enrolled("enrol", offered)
    assert (code, "'spot check'" in told, "--new-root" in told) == (0, True, True)
    enrolled.says("check")
    enrolled.says("enrol", offered)


def test_a_root_too_far_ahead_that_is_another_is_found_out_by_the_next_look(enrolled: Desk, fresh: Vendor) -> None:
    rotate_root(fresh)
    offered = bundle_of(enrolled, rotate_root(fresh))
    enrolled.vendor = fresh
    assert enrolled("enrol", offered)[0] == 0
    assert enrolled.reads("check", code=3)[0]["error"]["reason"] == "bad-metadata"
    enrolled.says("enrol", offered, "--new-root")
    enrolled.says("check")


def test_a_root_from_before_the_first_one_here_is_not_taken_for_a_new_beginning(desk: Desk) -> None:
    """Its keys may be those that were replaced because they were stolen."""
    first = desk.vendor.root
    rotate_root(desk.vendor)
    rotate_root(desk.vendor)
    third = desk.vendor.repository.metadata["3.root.json"]
    desk.says("enrol", bundle_of(desk, third))
    desk.says("install", TOOL)
    code, told = desk.fails("enrol", bundle_of(desk, first, "old.bundle"), "--new-root")
    assert (code, "older than the one here" in told) == (6, True)
    assert (desk.root / ".spot/root.json").read_bytes() == third
    assert (desk.root / ".spot/known").exists()
    code, _, told = desk("enrol", bundle_of(desk, first, "old.bundle"))
    assert (code, "cannot be told" in told) == (0, True)


def test_a_new_beginning_of_a_lower_version_is_taken_if_it_lasts_longer(desk: Desk) -> None:
    rotate_root(desk.vendor)
    desk.says("enrol", bundle_of(desk, rotate_root(desk.vendor)))
    desk.says("install", TOOL)
    fresh = Vendor()
    fresh.repository.root.expires += timedelta(seconds=1)
    fresh.repository.root.version = 1
    fresh.repository.write("1.root.json", fresh.repository.root, "root")
    fresh.publish(ONE, "1.0")
    desk.vendor = fresh
    desk.says("enrol", bundle_of(desk, fresh.repository.metadata["1.root.json"], "fresh.bundle"), "--new-root")
    desk.says("check")


def test_the_id_is_asked_for_once_more_because_the_mirror_may_be_another(enrolled: Desk, fresh: Vendor) -> None:
    request = Store(Paths(enrolled.root)).enrolled().request
    enrolled.vendor = fresh
    enrolled.server.asked.clear()
    enrolled.says("enrol", bundle_of(enrolled, fresh.root), "--new-root")
    (asked,) = [one for one in enrolled.server.asked if one.path == "/installations"]
    assert asked.headers["idempotency-key"] == request
    assert "spot-installation" not in asked.headers


def test_where_no_mirror_gives_an_id_the_old_one_stays_and_that_is_told(enrolled: Desk, fresh: Vendor) -> None:
    enrolled.refusal = ("/installations", problem("403 Forbidden", "not-your-installation"))
    code, _, told = enrolled("enrol", bundle_of(enrolled, fresh.root), "--new-root")
    assert (code, "keeps its id" in told) == (0, True)
    assert Store(Paths(enrolled.root)).enrolled().installation == MINTED
    assert "/installations" in paths(enrolled.server.asked)


@pytest.mark.slow
def test_killed_at_any_step_it_is_the_old_root_with_all_that_came_of_it_or_the_new_one_with_nothing(
    enrolled: Desk, fresh: Vendor, house: House, tmp_path: Path
) -> None:
    be_stolen(enrolled, house)
    old = (enrolled.root / ".spot/root.json").read_bytes()
    template = shutil.copytree(enrolled.root, tmp_path / "template", symlinks=True)
    bundle = msgspec.structs.replace(enrolled.bundle(), catalogue_root=fresh.root.decode())
    ended = set()
    for step in itertools.count(1):
        root = shutil.copytree(template, tmp_path / f"root-{step}", symlinks=True)
        store = Store(Paths(root))

        def begin_again(store: Store = store) -> Identity:
            with store.lock():
                return enrolment.enrol(store, bundle, request="r" * 32, connect=_down, new_root=True)

        was_killed = killed(begin_again, root, step)
        with store.lock():
            pass
        own = store.paths.own
        left = {name for name in ("catalogue", "known", "mirrors.json") if (own / name).exists()}
        ended.add((store.root.read_bytes() == old, frozenset(left)))
        begin_again()
        assert store.root.read_bytes() == fresh.root
        assert not (own / "catalogue").exists()
        if not was_killed:
            break
    assert ended == {(True, frozenset({"catalogue", "known", "mirrors.json"})), (False, frozenset())}
    assert step > 15


def _down(_: Identity) -> NoReturn:
    raise NotReachable("no-answer", "down")
