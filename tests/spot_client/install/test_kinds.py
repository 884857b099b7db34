"""Configuration that was changed stays, with the new one beside it; state outlives versions; nothing is ever lost."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from spot_client.errors import LocalFault
from spot_client.history import Action
from spot_client.install import switch
from spot_client.install.journal import MAX_NOTICES
from spot_client.state import Store
from spot_client.wire.manifest import Kind
from tests.hostile.needs import need_root
from tests.mirror.publishing.rig import small_disk
from tests.spot_client.installation import TOOL, Installation
from tests.spot_client.vendor import Tree, Vendor

KINDS = {"etc/app.conf": Kind.CONFIG, "etc/more.conf": Kind.CONFIG, "data/db": Kind.STATE, "data/sub/x": Kind.STATE}
ONE: Tree = {
    "run": b"one" * 50,
    "etc/app.conf": b"vendor 1",
    "etc/more.conf": b"more 1",
    "data/db": b"empty",
    "data/sub/x": b"x",
}
TWO: Tree = {**ONE, "run": b"two" * 50, "etc/app.conf": b"vendor 2", "etc/more.conf": b"more 2"}
THREE: Tree = {**TWO, "run": b"three" * 50}


@pytest.fixture(autouse=True)
def _published(vendor: Vendor) -> None:
    for version, tree in (("1.0", ONE), ("2.0", TWO), ("3.0", THREE)):
        vendor.publish(tree, version, kinds=KINDS)


def current(here: Installation) -> Path:
    return here.root / TOOL / "current"


def saved(here: Installation) -> dict[str, bytes]:
    folder = here.root / TOOL / "saved"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Configuration


def test_what_was_not_changed_is_replaced(here: Installation) -> None:
    here.go("1.0")
    here.go("2.0")
    assert (current(here) / "etc/app.conf").read_bytes() == b"vendor 2"
    assert sorted(path.name for path in (current(here) / "etc").iterdir()) == ["app.conf", "more.conf"]
    assert here.told == ()


def test_what_was_changed_stays_with_its_mode_and_owner_and_the_new_one_lies_beside(here: Installation) -> None:
    here.go("1.0")
    conf = current(here) / "etc/app.conf"
    conf.write_bytes(b"mine")
    conf.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(conf, 1234, 2345)
    here.go("2.0")
    status = conf.lstat()
    assert conf.read_bytes() == b"mine"
    assert status.st_mode & 0o7777 == 0o600
    assert os.geteuid() != 0 or (status.st_uid, status.st_gid) == (1234, 2345)
    assert (current(here) / "etc/app.conf.spot-new").read_bytes() == b"vendor 2"
    assert (current(here) / "etc/app.conf.spot-new").stat().st_mode & 0o777 == 0o644
    assert (current(here) / "etc/more.conf").read_bytes() == b"more 2"
    assert here.told == ("etc/app.conf was changed here and stays; the new one is etc/app.conf.spot-new.",)
    assert (here.root / TOOL / "versions/1.0/etc/app.conf").read_bytes() == b"mine", "the way back finds it"


def test_one_whose_content_was_not_changed_keeps_the_rights_it_was_given(here: Installation, vendor: Vendor) -> None:
    modes = {"etc/app.conf": 0o640, "etc/more.conf": 0o600}
    vendor.publish({**TWO, "etc/app.conf": b"vendor 4"}, "4.0", kinds=KINDS, modes=modes)
    here.go("1.0")
    conf = current(here) / "etc/app.conf"
    conf.chmod(0o4600)
    if os.geteuid() == 0:
        os.chown(conf, 1234, 2345)
        conf.chmod(0o4600)
    for version in ("2.0", "4.0"):
        here.go(version)
        status = conf.lstat()
        assert conf.read_bytes() == f"vendor {version[0]}".encode()
        assert status.st_mode & 0o7777 == 0o600
        assert os.geteuid() != 0 or (status.st_uid, status.st_gid) == (1234, 2345)
    assert (current(here) / "etc/more.conf").stat().st_mode & 0o777 == 0o600, "nobody changed it: the vendor's new mode"
    assert here.told == ()


def test_the_new_one_lies_there_until_somebody_removes_it_and_is_told_once(here: Installation) -> None:
    here.go("1.0")
    (current(here) / "etc/app.conf").write_bytes(b"mine")
    here.go("2.0")
    here.go("3.0")
    assert here.told == ()
    assert (current(here) / "etc/app.conf.spot-new").read_bytes() == b"vendor 2"
    (current(here) / "etc/app.conf.spot-new").unlink()
    here.go("3.0", action=Action.REPAIR)
    assert (current(here) / "etc/app.conf").read_bytes() == b"mine"
    assert not (current(here) / "etc/app.conf.spot-new").exists()


def test_one_that_was_brought_to_what_is_new_is_not_changed_any_more(here: Installation) -> None:
    here.go("1.0")
    (current(here) / "etc/app.conf").write_bytes(b"vendor 2")
    here.go("2.0")
    assert sorted(path.name for path in (current(here) / "etc").iterdir()) == ["app.conf", "more.conf"]


def test_a_link_in_its_place_is_carried_as_a_link_and_not_followed(here: Installation, tmp_path: Path) -> None:
    here.go("1.0")
    (tmp_path / "own.conf").write_bytes(b"own")
    conf = current(here) / "etc/app.conf"
    conf.unlink()
    conf.symlink_to(tmp_path / "own.conf")
    here.go("2.0")
    assert conf.readlink() == tmp_path / "own.conf"
    assert (tmp_path / "own.conf").read_bytes() == b"own"
    assert (current(here) / "etc/app.conf.spot-new").read_bytes() == b"vendor 2"


def test_one_that_was_deleted_stays_deleted(here: Installation) -> None:
    here.go("1.0")
    (current(here) / "etc/app.conf").unlink()
    for version in ("2.0", "3.0"):
        here.go(version)
        assert sorted(path.name for path in (current(here) / "etc").iterdir()) == ["more.conf"]


def test_what_was_changed_and_is_not_in_the_new_release_is_saved(here: Installation, vendor: Vendor) -> None:
    vendor.publish({"run": b"4", "etc/more.conf": b"more 2"}, "4.0", kinds={"etc/more.conf": Kind.CONFIG})
    here.go("1.0")
    (current(here) / "etc/app.conf").write_bytes(b"mine")
    (current(here) / "etc/app.conf").chmod(0o640)
    here.go("4.0")
    place = here.root / TOOL / "saved/1.0/etc/app.conf"
    assert saved(here) == {"1.0/etc/app.conf": b"mine"}
    assert place.stat().st_mode & 0o777 == 0o640
    assert (here.root / TOOL / "saved").stat().st_mode & 0o777 == 0o700
    assert here.told == (f"etc/app.conf of 1.0 was changed here; it is kept in {place}.",)


def test_nothing_that_was_saved_is_overwritten_and_nothing_is_saved_twice(here: Installation, vendor: Vendor) -> None:
    vendor.publish({"run": b"4"}, "4.0")
    for content in (b"first", b"first", b"second"):
        here.go("1.0")
        (current(here) / "etc/app.conf").write_bytes(content)
        here.go("4.0")
        here.changer.drop(TOOL, frozenset(release.folder for release in here.store.state().components[TOOL].kept))
    assert saved(here) == {"1.0/etc/app.conf": b"first", "1.0~2/etc/app.conf": b"second"}


def test_the_way_back_finds_the_configuration_it_had_and_needs_no_network(here: Installation) -> None:
    here.go("1.0")
    (current(here) / "etc/app.conf").write_bytes(b"mine in 1.0")
    here.go("2.0")
    (current(here) / "etc/app.conf").write_bytes(b"mine in 2.0")
    here.line.down = True
    here.go("1.0")
    assert (current(here) / "etc/app.conf").read_bytes() == b"mine in 1.0"


def test_the_way_back_to_a_damaged_version_carries_the_configuration_that_it_had(here: Installation) -> None:
    here.go("1.0")
    (current(here) / "etc/app.conf").write_bytes(b"mine in 1.0")
    here.go("2.0")
    (current(here) / "etc/app.conf").write_bytes(b"mine in 2.0")
    (here.root / TOOL / "versions/1.0/run").write_bytes(b"damaged")
    here.go("1.0")
    assert switch.pointed(here.root / TOOL) == "1.0~2"
    assert (current(here) / "run").read_bytes() == ONE["run"]
    assert (current(here) / "etc/app.conf").read_bytes() == b"mine in 1.0"


def test_the_way_forward_never_brings_an_older_configuration_back_and_loses_none(here: Installation) -> None:
    here.go("1.0")
    here.go("2.0")
    (current(here) / "etc/app.conf").write_bytes(b"mine in 2.0")
    here.go("1.0")
    (current(here) / "etc/app.conf").write_bytes(b"mine in 1.0, later")
    here.line.down = True
    here.go("2.0")
    assert (current(here) / "etc/app.conf").read_bytes() == b"mine in 1.0, later"
    assert (current(here) / "etc/app.conf.spot-new").read_bytes() == b"vendor 2"
    assert saved(here) == {"2.0/etc/app.conf": b"mine in 2.0"}


def test_what_an_older_version_had_goes_with_it_if_it_was_carried_along_and_is_saved_if_it_was_changed_since(
    here: Installation,
) -> None:
    here.go("1.0")
    (current(here) / "etc/app.conf").write_bytes(b"carried along")
    (current(here) / "etc/more.conf").write_bytes(b"mine")
    for version in ("2.0", "3.0"):
        here.go(version)
        (current(here) / "etc/more.conf").write_bytes(b"mine in " + version.encode())
    assert here.folders() == {"2.0", "3.0"}
    assert saved(here) == {"1.0/etc/more.conf": b"mine"}


def test_configuration_of_a_version_that_was_gone_back_from_is_saved_whenever_it_goes(
    here: Installation, vendor: Vendor
) -> None:
    here.keep = 3
    for version in ("4.0", "5.0"):
        vendor.publish({**THREE, "run": version.encode()}, version, kinds=KINDS)
    here.go("1.0")
    here.go("2.0")
    (current(here) / "etc/app.conf").write_bytes(b"mine in 2.0")
    here.go("1.0")
    for version in ("3.0", "4.0", "5.0"):
        here.go(version)
    assert "2.0" not in here.folders()
    assert saved(here) == {"2.0/etc/app.conf": b"mine in 2.0"}


def test_one_that_is_missing_with_its_whole_folder_was_not_deleted(here: Installation) -> None:
    here.go("1.0")
    shutil.rmtree(current(here) / "etc")
    here.go("2.0")
    assert sorted(path.name for path in (current(here) / "etc").iterdir()) == ["app.conf", "more.conf"]


def test_a_link_that_was_shipped_where_configuration_comes_is_no_change_of_anybodys(
    here: Installation, vendor: Vendor
) -> None:
    vendor.publish({"run": b"r", "conf": "run"}, "4.0")
    vendor.publish({"run": b"r", "conf": b"vendor"}, "5.0", kinds={"conf": Kind.CONFIG})
    here.go("4.0")
    here.go("5.0")
    assert here.in_use() == {"run": b"r", "conf": b"vendor"}


def test_an_ordinary_file_that_becomes_configuration_keeps_what_was_changed_in_it(
    here: Installation, vendor: Vendor
) -> None:
    vendor.publish({"conf": b"a"}, "4.0")
    vendor.publish({"conf": b"b"}, "5.0", kinds={"conf": Kind.CONFIG})
    here.go("4.0")
    (current(here) / "conf").write_bytes(b"mine")
    here.go("5.0")
    assert here.in_use() == {"conf": b"mine", "conf.spot-new": b"b"}


def test_state_that_becomes_configuration_keeps_what_was_written_in_it(here: Installation, vendor: Vendor) -> None:
    paths = ("conf", "d/conf", "same")
    vendor.publish(dict.fromkeys(paths, b"a"), "4.0", kinds=dict.fromkeys(paths, Kind.STATE))
    vendor.publish(dict.fromkeys(paths, b"b"), "5.0", kinds=dict.fromkeys(paths, Kind.CONFIG))
    here.go("4.0")
    (current(here) / "conf").write_bytes(b"mine")
    (current(here) / "d/conf").write_bytes(b"mine, too")
    here.go("5.0")
    written: dict[str, bytes | str] = {"conf": b"mine", "d/conf": b"mine, too", "same": b"b"}
    assert here.in_use() == {**written, "conf.spot-new": b"b", "d/conf.spot-new": b"b"}


def test_a_file_that_was_added_where_a_release_brings_configuration_stays(here: Installation, vendor: Vendor) -> None:
    vendor.publish({**THREE, "etc/extra": b"vendor"}, "4.0", kinds={**KINDS, "etc/extra": Kind.CONFIG})
    here.go("3.0")
    (current(here) / "etc/extra").write_bytes(b"mine")
    here.go("4.0")
    assert (current(here) / "etc/extra").read_bytes() == b"mine"
    assert (current(here) / "etc/extra.spot-new").read_bytes() == b"vendor"


@pytest.mark.parametrize("odd", ["folder", "pipe", "huge", "behind a link"])
def test_what_can_neither_be_carried_nor_thrown_away_stops_the_change_with_a_sentence(
    here: Installation, odd: str, tmp_path: Path
) -> None:
    here.go("1.0")
    conf = current(here) / "etc/app.conf"
    conf.unlink()
    if odd == "folder":
        conf.mkdir()
    elif odd == "pipe":
        os.mkfifo(conf)
    elif odd == "huge":
        with conf.open("wb") as file:
            file.truncate(2**40)
    else:
        (current(here) / "etc").rename(tmp_path / "etc")
        (current(here) / "etc").symlink_to(tmp_path / "etc")
        (tmp_path / "etc/app.conf").write_bytes(b"elsewhere")
    with pytest.raises(LocalFault, match="Move it away, and run it again") as failed:
        here.go("2.0")
    assert failed.value.reason == "odd-config"
    assert here.versions() == {TOOL: "1.0"}
    assert here.folders() == {"1.0"}
    assert here.journal.read() is None


def test_a_mode_that_would_give_rights_to_others_than_its_owner_meant_is_not_carried(here: Installation) -> None:
    here.go("1.0")
    conf = current(here) / "etc/app.conf"
    conf.write_bytes(b"mine")
    conf.chmod(0o4755)
    here.go("2.0")
    assert conf.stat().st_mode & 0o7777 == 0o755


def test_configuration_of_which_nobody_knows_what_was_shipped_stays(here: Installation, vendor: Vendor) -> None:
    here.go("1.0")
    (current(here) / "etc/app.conf").write_bytes(b"mine")
    for path in (here.store.paths.own / "manifests").iterdir():
        path.write_bytes(b"damaged")
    vendor.files.pop(f"/releases/{TOOL}/1.0/any/manifest")
    here.go("2.0")
    assert (current(here) / "etc/app.conf").read_bytes() == b"mine"
    assert (current(here) / "etc/app.conf.spot-new").read_bytes() == b"vendor 2"
    assert any("cannot be had" in sentence for sentence in here.told)


# State


def test_state_is_laid_down_once_and_touched_by_nothing(here: Installation) -> None:
    here.go("1.0")
    state = here.root / TOOL / "state"
    assert (current(here) / "data").readlink() == Path("../../state/data")
    assert (current(here) / "data/db").read_bytes() == b"empty"
    (current(here) / "data/db").write_bytes(b"written by the product")
    (current(here) / "data/added").write_bytes(b"added by the product")
    (current(here) / "data/sub/x").unlink()
    for version, action in (("2.0", Action.UPDATE), ("1.0", Action.ROLLBACK), ("3.0", Action.UPDATE)):
        here.go(version, action=action)
        assert (current(here) / "data/db").read_bytes() == b"written by the product"
        assert (current(here) / "data/added").read_bytes() == b"added by the product"
    here.go("3.0", action=Action.REPAIR)
    assert (state / "data/db").read_bytes() == b"written by the product"


def test_a_link_within_a_folder_of_state_is_laid_with_it_and_what_is_added_there_stays(
    here: Installation, vendor: Vendor
) -> None:
    for version in ("4.0", "5.0"):
        tree: Tree = {"var/db": b"seed", "var/latest": "db", "code": version.encode()}
        vendor.publish(tree, version, kinds={"var/db": Kind.STATE})
    here.go("4.0")
    assert (current(here) / "var").readlink() == Path("../../state/var")
    (current(here) / "var/added").write_bytes(b"added by the product")
    (current(here) / "var/latest").unlink()
    (current(here) / "var/latest").symlink_to("added")
    here.go("5.0")
    assert (current(here) / "var/latest").readlink() == Path("added")
    assert (current(here) / "var/latest").read_bytes() == b"added by the product"


def test_state_among_other_files_is_linked_one_by_one(here: Installation, vendor: Vendor) -> None:
    vendor.publish({"a/b/state": b"s", "a/b/code": b"c"}, "4.0", kinds={"a/b/state": Kind.STATE})
    here.go("4.0")
    assert (current(here) / "a/b/state").readlink() == Path("../../../../state/a/b/state")
    assert (current(here) / "a/b/state").read_bytes() == b"s"


def test_a_file_that_the_product_put_in_place_of_its_link_is_adopted(here: Installation, vendor: Vendor) -> None:
    for version in ("4.0", "5.0"):
        vendor.publish({"state": b"s", "code": version.encode()}, version, kinds={"state": Kind.STATE})
    here.go("4.0")
    (current(here) / "new").write_bytes(b"written, then renamed")
    (current(here) / "new").rename(current(here) / "state")
    here.go("5.0")
    assert (here.root / TOOL / "state/state").read_bytes() == b"written, then renamed"
    for version in ("5.0", "4.0"):
        assert (here.root / TOOL / f"versions/{version}/state").readlink() == Path("../../state/state")
    assert saved(here) == {}, "the vendor's own is no loss"
    (current(here) / "new").write_bytes(b"once more")
    (current(here) / "new").rename(current(here) / "state")
    here.go("4.0")
    assert (current(here) / "state").read_bytes() == b"once more"
    assert saved(here) == {"5.0/state": b"written, then renamed"}
    assert "kept in" in here.told[0]


def test_a_folder_that_the_product_put_in_place_of_its_link_is_adopted(here: Installation) -> None:
    here.go("1.0")
    (current(here) / "data/db").write_bytes(b"before")
    (current(here) / "data").unlink()
    (current(here) / "data").mkdir()
    (current(here) / "data/db").write_bytes(b"after")
    here.go("2.0")
    assert (current(here) / "data").readlink() == Path("../../state/data")
    assert (current(here) / "data/db").read_bytes() == b"after"
    assert saved(here) == {"1.0/data/db": b"before", "1.0/data/sub/x": b"x"}


def test_a_file_that_becomes_state_brings_along_what_it_is_in_the_version_in_use(
    here: Installation, vendor: Vendor
) -> None:
    vendor.publish({"db": b"a", "conf": b"a", "d/seed": b"a"}, "4.0", kinds={"conf": Kind.CONFIG})
    kinds = {"db": Kind.STATE, "conf": Kind.STATE, "d/seed": Kind.STATE, "d/other": Kind.STATE}
    vendor.publish({"db": b"b", "conf": b"b", "d/seed": b"b", "d/other": b"o", "run": b""}, "5.0", kinds=kinds)
    here.go("4.0")
    (current(here) / "db").write_bytes(b"written")
    (current(here) / "conf").write_bytes(b"mine")
    (current(here) / "d/users").write_bytes(b"users")
    (current(here) / "d/deep").mkdir()
    (current(here) / "d/deep/link").symlink_to("../users")
    here.go("5.0")
    assert (current(here) / "d").readlink() == Path("../../state/d")
    state = here.root / TOOL / "state"
    assert {str(path.relative_to(state)): path.read_bytes() for path in state.rglob("*") if path.is_file()} == {
        "db": b"written",
        "conf": b"mine",
        "d/seed": b"a",
        "d/users": b"users",
        "d/other": b"o",
        "d/deep/link": b"users",
    }
    assert (state / "d/deep/link").is_symlink()
    assert len(here.told) == 3


def test_a_folder_that_becomes_state_as_a_whole_does_not_take_its_own_links_for_content(
    here: Installation, vendor: Vendor
) -> None:
    vendor.publish({"d/db": b"seed", "d/code": b"c"}, "4.0", kinds={"d/db": Kind.STATE})
    vendor.publish({"d/db": b"seed", "run": b"r"}, "5.0", kinds={"d/db": Kind.STATE})
    here.go("4.0")
    (here.root / TOOL / "state/d/db").unlink()
    here.go("5.0")
    assert (current(here) / "d").readlink() == Path("../../state/d")
    assert (current(here) / "d/db").read_bytes() == b"seed"


def test_a_link_in_the_state_is_never_followed(here: Installation, vendor: Vendor, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    vendor.publish(
        {**ONE, "data/new": b"new", "deep/a/b": b"b"},
        "4.0",
        kinds={**KINDS, "data/new": Kind.STATE, "deep/a/b": Kind.STATE},
    )
    here.go("1.0")
    state = here.root / TOOL / "state"
    (state / "data").rename(elsewhere / "data")
    (state / "data").symlink_to(elsewhere / "data")
    (state / "deep").symlink_to(elsewhere)
    here.go("4.0")
    assert sorted(path.name for path in elsewhere.rglob("*")) == ["data", "db", "sub", "x"]
    assert (current(here) / "data/db").read_bytes() == b"empty"
    assert any("data/new was not laid" in sentence for sentence in here.told)


def test_state_and_saved_files_take_the_rights_that_they_had(here: Installation, vendor: Vendor) -> None:
    modes = {"private": 0o700, "private/key": 0o600, "private/code": 0o644}
    tree: Tree = {"private/key": b"k", "private/code": b"c"}
    vendor.publish(tree, "4.0", kinds={"private/key": Kind.STATE}, modes=modes)
    here.go("4.0")
    state = here.root / TOOL / "state"
    assert (state / "private").stat().st_mode & 0o777 == 0o700
    assert (state / "private/key").stat().st_mode & 0o777 == 0o600


def test_what_is_laid_into_a_folder_of_the_products_user_is_that_users(here: Installation, vendor: Vendor) -> None:
    need_root()
    vendor.publish({**ONE, "data/new": b"n"}, "4.0", kinds={**KINDS, "data/new": Kind.STATE})
    here.go("1.0")
    os.chown(here.root / TOOL / "state/data", 1234, 2345)
    here.go("4.0")
    status = (here.root / TOOL / "state/data/new").stat()
    assert (status.st_uid, status.st_gid) == (1234, 2345)


def test_state_that_is_there_is_not_fetched(here: Installation, vendor: Vendor) -> None:
    vendor.publish({"run": b"r"}, "4.0")
    vendor.publish({"run": b"r", "db": bytes(range(256)) * 4}, "5.0", kinds={"db": Kind.STATE})
    here.go("4.0")
    (here.root / TOOL / "state").mkdir()
    (here.root / TOOL / "state/db").write_bytes(b"there")
    before = here.line.fetched
    here.go("5.0")
    assert here.line.fetched == before
    assert (current(here) / "db").read_bytes() == b"there"


def test_what_becomes_state_and_is_no_file_stops_the_change_with_a_sentence(here: Installation, vendor: Vendor) -> None:
    vendor.publish({"db": b"a"}, "4.0")
    vendor.publish({"db": b"b", "run": b"r"}, "5.0", kinds={"db": Kind.STATE})
    here.go("4.0")
    (current(here) / "db").unlink()
    (current(here) / "db").symlink_to("/somewhere/else")
    with pytest.raises(LocalFault, match="Move it away, and run it again") as failed:
        here.go("5.0")
    assert failed.value.reason == "odd-state"
    assert here.versions() == {TOOL: "4.0"}
    (current(here) / "db").unlink()
    here.go("5.0")
    assert (current(here) / "db").read_bytes() == b"b"


def test_state_on_a_disk_of_its_own_is_adopted_and_set_aside_all_the_same(
    here: Installation, vendor: Vendor, tmp_path: Path
) -> None:
    for version in ("4.0", "5.0"):
        vendor.publish({"one": b"s", "code": version.encode()}, version, kinds={"one": Kind.STATE})
    (here.root / TOOL).mkdir(parents=True)
    with small_disk(here.root / TOOL / "state", 2**20):
        here.go("4.0")
        (current(here) / "one").write_bytes(b"before")
        (current(here) / "new").write_bytes(b"after")
        (current(here) / "new").rename(current(here) / "one")
        here.go("5.0")
        assert (current(here) / "one").read_bytes() == b"after"
        assert (here.root / TOOL / "versions/4.0/one").is_symlink()
        assert saved(here) == {"4.0/one": b"before"}


def test_hundreds_of_sentences_are_cut(here: Installation, vendor: Vendor) -> None:
    names = [f"conf{number}" for number in range(MAX_NOTICES + 5)]
    vendor.publish(dict.fromkeys(names, b"a"), "4.0", kinds=dict.fromkeys(names, Kind.CONFIG))
    vendor.publish(dict.fromkeys(names, b"b"), "5.0", kinds=dict.fromkeys(names, Kind.CONFIG))
    here.go("4.0")
    for name in names:
        (current(here) / name).write_bytes(b"mine")
    here.go("5.0")
    assert len(here.told) == MAX_NOTICES + 1
    assert here.told[-1] == "And 5 more of that kind."


def test_sentences_of_a_change_that_was_interrupted_after_its_switch_are_told_by_the_next_run(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.go("1.0")
    (current(here) / "etc/app.conf").write_bytes(b"mine")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_state", fail)
        with pytest.raises(LocalFault):
            here.go("2.0")
    assert here.changer.recover() == (
        "An interrupted change to sdk/tool 2.0 has been finished.",
        "etc/app.conf was changed here and stays; the new one is etc/app.conf.spot-new.",
    )


def test_what_a_folder_held_that_is_not_state_as_a_whole_any_more_is_told_and_stays(
    here: Installation, vendor: Vendor
) -> None:
    vendor.publish({**TWO, "data/README": b"read"}, "4.0", kinds=KINDS)
    here.go("1.0")
    (current(here) / "data/added").write_bytes(b"precious")
    (current(here) / "data/sub/deep").write_bytes(b"seen")
    here.go("4.0")
    assert (current(here) / "data/README").read_bytes() == b"read"
    assert (current(here) / "data/sub/deep").read_bytes() == b"seen"
    state = here.root / TOOL / "state/data"
    assert (state / "added").read_bytes() == b"precious"
    (told,) = here.told
    assert told == (
        "data is not state as a whole in 4.0, which does not see what was added there: data/added. "
        f"It stays in {state}."
    )
    here.go("3.0")
    assert (current(here) / "data/added").read_bytes() == b"precious"
