"""The whole way, by the real programs: install, update, go back, update; and what support reads of it."""

import json
from pathlib import Path

import pytest

from spot_client.config import Paths
from spot_client.state import Store
from spot_client.wire.installation import short_form
from tests.e2e.world import MATHS, NEW, OLD, TOOL, World, read_tree


@pytest.mark.slow
def test_a_product_is_installed_updated_taken_back_and_updated_again(world: World, tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert "Enrolled for acme" in world.spot(root, "enrol", "acme.bundle")
    for command, version in (
        (("install", TOOL, "--version", OLD), OLD),
        (("update",), NEW),
        (("rollback", TOOL), OLD),
        (("update",), NEW),
    ):
        assert f"{TOOL} is now {version}" in world.spot(root, *command)
        world.check_settled(root, version)
    assert "nothing to do" in world.spot(root, "update")
    assert world.run("spot", "--root", root, "update", "--exit-code").code == 10
    status = world.spot(root, "status")
    assert f"{TOOL} {NEW} (any), kept: {OLD}" in status
    assert short_form(world.installation(root)) in status


@pytest.mark.slow
def test_what_was_fetched_for_one_version_is_not_fetched_again_for_the_next(world: World, tmp_path: Path) -> None:
    root = world.fresh("acme-old", tmp_path / "root")
    assert "to fetch" in world.spot(root, "check")
    world.spot(root, "update")
    assert "kept here, whole" in world.spot(root, "rollback", TOOL)


def test_a_file_over_several_blocks_arrives_as_it_was_published(world: World, tmp_path: Path) -> None:
    root = world.fresh("globex", tmp_path / "root")
    world.spot(root, "install", MATHS)
    assert read_tree(root / MATHS / "current") == world.trees[MATHS, "2.0"]
    world.check_settled(root, "2.0", MATHS)


@pytest.mark.slow
def test_what_is_on_offer_is_listed_looked_after_and_removed(world: World, tmp_path: Path) -> None:
    root = world.fresh("acme-old", tmp_path / "root")
    rows = [line.split() for line in world.spot(root, "list", "--available").splitlines()]
    assert [TOOL, OLD, NEW] in [row[:3] for row in rows[1:]]
    assert {row[0].partition("/")[0] for row in rows[1:]} == {"sdk"}, "only what acme is licensed for"
    changes = json.loads(world.spot(root, "changes", TOOL, "--json"))
    assert [one["version"] for one in changes] == [NEW]
    world.spot(root, "--quiet", "update")
    spoiled = root / TOOL / "current/VERSION"
    spoiled.write_text("spoiled")
    assert world.run("spot", "--root", root, "verify").code == 13
    assert "repaired" in world.spot(root, "verify", "--repair")
    assert world.in_use(root) == NEW
    world.spot(root, "cache", "clear")
    assert json.loads(world.spot(root, "cache", "show", "--json"))["bytes"] == 0
    world.spot(root, "rollback", TOOL)
    assert world.in_use(root) == OLD
    world.spot(root, "uninstall", TOOL)
    assert world.reported(root) == {}
    actions = [one["action"] for one in json.loads(world.spot(root, "history", "--json"))]
    assert actions[:4] == ["uninstall", "rollback", "repair", "update"]


@pytest.mark.slow
def test_support_reads_thin_snapshots_their_history_and_how_two_differ(world: World, tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    for one, customer in ((root, "acme"), (other, "globex")):
        world.spot(one, "enrol", f"{customer}.bundle")
    world.spot(root, "install", TOOL, "--version", OLD)
    world.spot(root, "update")
    world.spot(other, "install", TOOL, "--version", OLD)
    short, other_short = (short_form(world.installation(one)) for one in (root, other))
    line = next(x for x in world.succeed("spot-mirror", "thin-snapshots", "list").splitlines() if short in x)
    assert "acme" in line
    assert line.endswith(f"{TOOL}={NEW}")
    history = world.succeed("spot-mirror", "thin-snapshots", "show", short, "--history")
    assert history.index(NEW) < history.index(OLD)
    difference = world.succeed("spot-mirror", "thin-snapshots", "diff", short, other_short)
    assert difference.splitlines()[-1].split()[-3:] == [TOOL, NEW, OLD]


def test_what_is_shown_of_a_thin_snapshot_is_what_the_mirror_gets(world: World, tmp_path: Path) -> None:
    root = world.fresh("acme-new", tmp_path / "root")
    assert world.spot(root, "thin-snapshot", "--show") == (
        f'{{"components":{{"{TOOL}":"{NEW}"}},"format":1,"min_spot":"0.1"}}'
    )
    world.forget_reports(root)
    world.spot(root, "thin-snapshot")
    assert world.reported(root) == {TOOL: NEW}


def test_a_product_without_licence_is_refused_like_one_that_does_not_exist(world: World, tmp_path: Path) -> None:
    root = world.fresh("acme", tmp_path / "root")
    answers = []
    for component in (MATHS, "nosuch/thing"):
        code, told = world.refused(root, "install", component)
        answers.append((code, told.replace(component, "X")))
    assert len({code for code, _ in answers}) == 1
    assert answers[0][0] == 5
    assert not (root / "science").exists()


def test_a_customer_without_any_licence_enrols_and_gets_nothing(world: World, tmp_path: Path) -> None:
    root = tmp_path / "root"
    world.spot(root, "enrol", "hooli.bundle")
    code, told = world.refused(root, "install", TOOL)
    assert code == 5
    assert "licen" in told
    assert Store(Paths(root)).state().components == {}
