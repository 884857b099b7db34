"""Killed at any moment, as by `kill -9` or a power cut: the next run finishes or undoes, and nothing is lost."""

import itertools
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror import catalogue
from spot_client.config import Paths
from spot_client.state import Store
from tests.e2e.world import NEW, OLD, TOOL, World, leftovers, read_tree, write_tool
from tests.e2e.zygote import KILLED, Zygote

pytestmark = pytest.mark.slow

CHANGES: dict[str, tuple[str, tuple[str, ...], str, set[str | None]]] = {
    "install": ("acme", ("install", TOOL), NEW, {None, NEW}),
    "update": ("acme-old", ("update",), NEW, {OLD, NEW}),
    "rollback": ("acme-new", ("rollback", TOOL, "--to", OLD), OLD, {OLD, NEW}),
}
"""By name: the root it begins with, the command, the version it leads to, and those that may be in use on the way."""


def seconds_of(work: Callable[[], object]) -> float:
    """How long a whole run takes on this machine: the random moments are to fall within one."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def finish(world: World, zygote: Zygote, root: Path, change: str) -> None:
    """What a person does after a crash: the same command again, unless it had come to its end already."""
    _, command, version, _ = CHANGES[change]
    done = zygote.spot(root, *command)
    if change == "rollback" and done.code == 6:
        assert "No such version" in done.out  # the interrupted run has been finished: nothing is older now
        done = zygote.spot(root, "thin-snapshot")
    assert done.code == 0, done.out
    world.check_settled(root, version)


def check_finished(zygote: Zygote, root: Path, version: str) -> None:
    """A change that had come to its switch is not done again: the next run of any kind only writes it down."""
    done = zygote.spot(root, "check")
    assert done.code == 0, done.out
    entry = Store(Paths(root)).state().components[TOOL]
    assert entry.current.version == version
    assert (root / TOOL / "current").readlink().name == entry.current.folder
    shutil.rmtree(root)


@pytest.mark.parametrize("change", CHANGES)
def test_killed_before_any_change_to_a_file_the_next_run_succeeds(
    world: World, zygote: Zygote, tmp_path: Path, change: str
) -> None:
    template, command, version, possible = CHANGES[change]
    reached = set()
    for step in itertools.count(1):
        root = world.fresh(template, tmp_path / "root")
        world.forget_reports(root)
        done = zygote.spot(root, *command, step=step)
        if done.code != KILLED:
            assert done.code == 0, done.out
            world.check_settled(root, version)
            break
        in_use = world.in_use(root)
        assert in_use in possible
        reached.add(in_use)
        if in_use == version:
            check_finished(zygote, shutil.copytree(root, tmp_path / "copy", symlinks=True), version)
        finish(world, zygote, root, change)
        shutil.rmtree(root)
    assert step > 15
    assert reached == possible


@pytest.mark.parametrize("change", ["install", "update"])
def test_killed_at_a_random_moment_the_next_run_succeeds(
    world: World, zygote: Zygote, tmp_path: Path, change: str
) -> None:
    template, command, _, possible = CHANGES[change]
    whole = world.fresh(template, tmp_path / "whole")
    longest = seconds_of(lambda: zygote.spot(whole, *command))
    moments, killed = random.Random(change), 0  # noqa: S311  not for secrets
    for number in range(20):
        root = world.fresh(template, tmp_path / str(number))
        world.forget_reports(root)
        killed += zygote.spot(root, *command, seconds=moments.uniform(0.001, longest)).code == KILLED
        assert world.in_use(root) in possible
        finish(world, zygote, root, change)
    assert killed > 3


def test_killed_again_and_again_it_comes_to_its_end_all_the_same(world: World, zygote: Zygote, tmp_path: Path) -> None:
    root = world.fresh("acme-old", tmp_path / "root")
    for step in range(1, 60):
        zygote.spot(root, "update", step=step)
        assert world.in_use(root) in {OLD, NEW}
    finish(world, zygote, root, "update")


def test_enrolment_killed_before_any_change_to_a_file_leads_to_one_installation(
    world: World, zygote: Zygote, tmp_path: Path
) -> None:
    bundle = str(world.folder / "acme.bundle")
    for step in itertools.count(1):
        root = tmp_path / str(step)
        before = _installations(world)
        code = zygote.spot(root, "enrol", bundle, step=step).code
        known = Store(Paths(root)).identity()
        minted = _installations(world) - before
        if code == KILLED:
            again = zygote.spot(root, "enrol", bundle)
            assert again.code == 0, again.out
        installation = world.installation(root)
        assert _installations(world) - before == {installation}
        assert minted <= {installation}
        assert known is None or known.installation in {"", installation}
        assert leftovers(root) == []
        if code != KILLED:
            break
    assert step > 15


def test_publish_killed_at_a_random_moment_is_all_or_nothing_and_no_client_notices(
    world: World, zygote: Zygote, tmp_path: Path
) -> None:
    source = write_tool(tmp_path / "source", "2.0")
    folder = world.folder / "data/catalogue"
    root = world.fresh("acme-new", tmp_path / "root")
    publish = ("spot-mirror", "publish", "sdk/other")
    longest = seconds_of(lambda: world.succeed(*publish, "0.0", source, "--level", "1"))
    moments, killed = random.Random("publish"), 0  # noqa: S311  not for secrets
    for number in range(1, 21):
        version = f"0.{number}"
        command = (*publish, version, source, "--level", "1")
        end = time.monotonic() + moments.uniform(longest / 4, longest)
        process = world.start(*command)
        while time.monotonic() < end:
            meanwhile = zygote.spot(root, "update")
            assert meanwhile.code == 0, meanwhile.out
        process.kill()
        process.communicate()
        killed += process.returncode == KILLED
        release = catalogue.load(folder).release("sdk", "other", version, "any")
        release_folder = world.folder / "data/releases/sdk/other" / version / "any"
        if release is not None:
            assert {path.name for path in release_folder.iterdir()} == {"manifest", "pack"}
        checked = zygote.spot(root, "update")
        assert checked.code == 0, checked.out
        world.succeed(*command)
        assert catalogue.load(folder).release("sdk", "other", version, "any") is not None
        assert not (world.folder / "data/publishing/journal.json").exists()
        assert list(folder.rglob(".*.part")) == []
    assert killed > 3
    done = zygote.spot(root, "install", "sdk/other")
    assert done.code == 0, done.out
    assert read_tree(root / "sdk/other/current") == read_tree(source)


def _installations(world: World) -> set[str]:
    with world.records() as records:
        return {line.id for line in records.installations()}
