"""Every file is held to what was signed; a repair puts a fresh tree into use and touches nothing that is not the
vendor's."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from spot_client import wording
from spot_client.errors import LocalFault, NotReachable, Refused, RefusedLocally
from spot_client.history import Action
from spot_client.update import Spot
from spot_client.wire.manifest import Kind
from tests.spot_client.installation import TOOL, Installation
from tests.spot_client.running import Listener, open_spot
from tests.spot_client.vendor import Line, Tree, Vendor

ONE: Tree = {
    "run": b"one" * 50,
    "lib/a": bytes(range(200)),
    "lib/link": "a",
    "conf": b"vendor",
    "data/db": b"seed",
    "single": b"s",
    "lib/state": b"s",
}
TWO: Tree = {**ONE, "run": b"two" * 50}
KINDS = {"conf": Kind.CONFIG, "data/db": Kind.STATE, "single": Kind.STATE, "lib/state": Kind.STATE}


@pytest.fixture
def report() -> Listener:
    return Listener()


@pytest.fixture
def spot(here: Installation, vendor: Vendor, report: Listener) -> Callable[[], Spot]:
    vendor.publish(ONE, "1.0", kinds=KINDS)
    vendor.publish(TWO, "2.0", kinds=KINDS)
    for version in ("1.0", "2.0"):
        run = open_spot(here, vendor, report)
        run.go(run.offer(TOOL, version))
    return lambda: open_spot(here, vendor, report)


def test_what_is_whole_is_found_whole_without_network(spot: Callable[[], Spot], line: Line) -> None:
    line.down = True
    verdict = spot().verify(TOOL)
    assert (verdict.component, verdict.version, verdict.whole, verdict.repaired) == (TOOL, "2.0", True, False)
    assert (verdict.damaged, verdict.changed, verdict.added, verdict.kept_damaged) == ((), (), (), ())


def test_what_was_changed_or_added_or_written_as_state_is_no_damage(
    here: Installation, spot: Callable[[], Spot]
) -> None:
    tree = here.root / TOOL / "current"
    (tree / "conf").write_bytes(b"mine")
    (tree / "conf.spot-new").write_bytes(b"vendor")
    (tree / "data/db").write_bytes(b"written")
    (tree / "data/more").write_bytes(b"written")
    (tree / "single").unlink()
    (tree / "single").write_bytes(b"by rename")
    (tree / "lib/state").unlink()
    (tree / "logs/deep").mkdir(parents=True)
    (tree / "logs/deep/log").touch()
    (tree / "lib/cache").touch()
    verdict = spot().verify(TOOL)
    assert verdict.whole
    assert verdict.changed == ("conf",)
    assert verdict.added == ("logs", "lib/cache")


def test_damage_is_found_and_repaired_and_what_is_not_the_vendors_stays(
    here: Installation, spot: Callable[[], Spot], line: Line
) -> None:
    tree = here.root / TOOL / "current"
    (tree / "run").write_bytes(b"damaged")
    (tree / "lib/link").unlink()
    (tree / "conf").write_bytes(b"mine")
    (tree / "data/db").write_bytes(b"written")
    line.down = True
    verdict = spot().verify(TOOL)
    assert (verdict.whole, verdict.repaired) == (False, False)
    assert verdict.damaged == ("lib/link", "run")
    verdict = spot().verify(TOOL, repair=True)
    assert verdict.repaired
    assert (tree / "run").read_bytes() == TWO["run"]
    assert (tree / "conf").read_bytes() == b"mine"
    assert (tree / "data/db").read_bytes() == b"written"
    assert spot().verify(TOOL).whole
    assert spot().rollback(TOOL) == "1.0"


def test_state_that_is_gone_is_damage_and_laid_again_by_a_repair(here: Installation, spot: Callable[[], Spot]) -> None:
    state = here.root / TOOL / "state"
    (state / "single").unlink()
    assert spot().verify(TOOL).damaged == ("state/single",)
    shutil.rmtree(state)
    verdict = spot().verify(TOOL, repair=True)
    assert verdict.damaged == ("state/data", "state/lib", "state/single")
    assert (here.root / TOOL / "current/data/db").read_bytes() == b"seed"
    assert spot().verify(TOOL).whole


@pytest.mark.parametrize("cached", [True, False])
def test_state_that_is_gone_is_laid_again_on_the_way_back_where_it_can_be_had(
    here: Installation, spot: Callable[[], Spot], line: Line, report: Listener, cached: bool
) -> None:
    shutil.rmtree(here.root / TOOL / "state")
    line.down = True
    if not cached:
        here.cache.clear()
    assert spot().rollback(TOOL) == "1.0"
    told = "State of sdk/tool is gone and could not be laid again: data, lib, single. Run 'spot verify --repair'."
    assert (here.root / TOOL / "state/data/db").exists() is cached
    assert (told in report.warned) is not cached


def test_configuration_that_is_missing_with_its_folder_is_damage_and_comes_back(
    here: Installation, vendor: Vendor, spot: Callable[[], Spot]
) -> None:
    vendor.publish({**TWO, "etc/conf": b"v"}, "3.0", kinds={**KINDS, "etc/conf": Kind.CONFIG})
    here.go("3.0")
    shutil.rmtree(here.root / TOOL / "current/etc")
    verdict = spot().verify(TOOL)
    assert (verdict.damaged, verdict.changed) == (("etc",), ())
    assert spot().verify(TOOL, repair=True).repaired
    assert here.in_use()["etc/conf"] == b"v"


def test_only_what_is_missing_is_fetched_for_a_repair(here: Installation, spot: Callable[[], Spot], line: Line) -> None:
    here.cache.clear()
    (here.root / TOOL / "current/run").write_bytes(b"damaged")
    line.fetched = 0
    spot().verify(TOOL, repair=True)
    assert 0 < line.fetched < sum(block.length for block in here.manifest("2.0").blocks)
    assert here.in_use()["run"] == TWO["run"]


def test_a_repair_uses_the_pack_of_a_release_that_is_not_on_offer_any_more(
    here: Installation, vendor: Vendor, spot: Callable[[], Spot]
) -> None:
    vendor.withdraw("2.0")
    here.cache.clear()
    (here.root / TOOL / "current/run").write_bytes(b"damaged")
    assert spot().verify(TOOL, repair=True).repaired
    assert here.in_use()["run"] == TWO["run"]


def test_a_repair_for_which_nothing_can_be_had_says_what_to_do_and_changes_nothing(
    here: Installation, vendor: Vendor, spot: Callable[[], Spot], line: Line
) -> None:
    here.cache.clear()
    (here.root / TOOL / "current/run").write_bytes(b"damaged")
    before = here.folders()
    line.down = True
    with pytest.raises(NotReachable):
        spot().verify(TOOL, repair=True)
    line.down = False
    del vendor.files["/releases/sdk/tool/2.0/any/pack"]
    with pytest.raises(Refused, match="spot update sdk/tool") as failed:
        spot().verify(TOOL, repair=True)
    assert failed.value.reason == "not-found"
    assert here.folders() == before
    assert here.versions() == {TOOL: "2.0"}


def test_a_kept_version_that_is_damaged_is_told_and_removed(
    here: Installation, spot: Callable[[], Spot], report: Listener
) -> None:
    (here.root / TOOL / "versions/1.0/run").write_bytes(b"damaged")
    assert spot().verify(TOOL).kept_damaged == (("1.0", ("run",)),)
    verdict = spot().verify(TOOL, repair=True)
    assert (verdict.whole, verdict.repaired, verdict.damaged) == (False, True, ())
    assert here.folders() == {"2.0"}
    assert here.store.state().components[TOOL].kept == ()
    assert report.warned[-1] == "What was kept of sdk/tool 1.0 was damaged, and is removed."
    assert spot().verify(TOOL).whole


def test_configuration_of_a_kept_version_that_was_gone_back_from_is_saved_before_it_goes(
    here: Installation, spot: Callable[[], Spot]
) -> None:
    (here.root / TOOL / "current/conf").write_bytes(b"mine in 2.0")
    spot().rollback(TOOL)
    (here.root / TOOL / "versions/2.0/run").write_bytes(b"damaged")
    spot().verify(TOOL, repair=True)
    assert (here.root / TOOL / "saved/2.0/conf").read_bytes() == b"mine in 2.0"


@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_a_manifest_that_is_damaged_here_is_fetched_again(
    here: Installation, spot: Callable[[], Spot], how: str
) -> None:
    for path in (here.store.paths.own / "manifests").iterdir():
        path.unlink() if how == "missing" else path.write_bytes(b"damaged")
    assert spot().verify(TOOL).whole


def test_a_manifest_that_cannot_be_had_is_told(here: Installation, spot: Callable[[], Spot], line: Line) -> None:
    for path in (here.store.paths.own / "manifests").iterdir():
        path.unlink()
    line.down = True
    with pytest.raises(NotReachable):
        spot().verify(TOOL)


def test_a_pointer_that_leads_elsewhere_is_damage_and_put_right(here: Installation, spot: Callable[[], Spot]) -> None:
    pointer = here.root / TOOL / "current"
    pointer.unlink()
    pointer.symlink_to("versions/1.0")
    assert spot().verify(TOOL).damaged == ("current",)
    assert spot().verify(TOOL, repair=True).repaired
    assert spot().verify(TOOL).whole
    assert here.in_use()["run"] == TWO["run"]


def test_what_is_not_installed_cannot_be_looked_over(spot: Callable[[], Spot]) -> None:
    with pytest.raises(RefusedLocally) as refused:
        spot().verify("sdk/none")
    assert refused.value.reason == "not-installed"


def test_the_repaired_version_is_not_counted_twice_among_those_kept(
    here: Installation, spot: Callable[[], Spot]
) -> None:
    (here.root / TOOL / "current/run").write_bytes(b"damaged")
    spot().verify(TOOL, repair=True)
    assert here.folders() == {"1.0", "2.0", "2.0~2"}, "a product may still run from the one that was replaced"
    here.go("1.0", action=Action.ROLLBACK)
    assert here.folders() == {"1.0", "2.0~2"}


@pytest.mark.parametrize("odd", ["a file", "a link"])
def test_state_that_is_no_folder_is_never_found_whole(
    here: Installation, spot: Callable[[], Spot], tmp_path: Path, odd: str
) -> None:
    state = here.root / TOOL / "state"
    state.rename(tmp_path / "elsewhere")
    if odd == "a file":
        state.write_bytes(b"")
    else:
        state.symlink_to(tmp_path / "elsewhere")
    for repair in (False, True):
        with pytest.raises(LocalFault, match="move it away") as failed:
            spot().verify(TOOL, repair=repair)
        assert failed.value.reason == "not-a-folder"


def test_a_name_cannot_show_lines_of_its_own(here: Installation, spot: Callable[[], Spot]) -> None:
    (here.root / TOOL / "current/x\nsdk 1.0: whole\x1b[31m").write_bytes(b"")
    lines = wording.finding(spot().verify(TOOL)).splitlines()
    assert lines[1:] == ["  not of the release: x sdk 1.0: whole [31m"]
