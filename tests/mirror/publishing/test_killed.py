"""kill -9 at every change that a publish makes to the disk: the catalogue stays valid, and the next run ends well.

A child process kills itself at its n-th change (`tests.mirror.killing`), for every n until it gets through.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror import catalogue
from mirror.publishing import publish
from mirror.publishing.order import Outcome, State
from mirror.signing import proposal
from tests.mirror.killing import killed_at
from tests.mirror.publishing import rig
from tests.mirror.publishing.rig import Mirror, order

LOCKS = {"publishing/catalogue.lock", "publishing/publish.lock"}
CONTENT = {"a": b"1" * 100, "b/c": b"2"}


def first(mirror: Mirror, source: Path) -> Outcome:
    return mirror.publish(source, "1.0")


def second(mirror: Mirror, source: Path) -> Outcome:
    return mirror.publish(source, "2.0")


def promotion(mirror: Mirror, source: Path) -> Outcome:
    return publish.publish(mirror.means(), order("1.0", channels=("beta",)), source)


def new_signing(mirror: Mirror, _source: Path) -> int:
    return mirror.resign()


def lines(mirror: Mirror) -> set[tuple[str, tuple[str, ...]]]:
    """What is on offer, read by the mirror and, if there is anything, by a client; both have to agree."""
    known = catalogue.load(mirror.catalogue).indexes.get(("sdk", "tool"))
    if known is None:
        return set()
    assert rig.client_view(mirror) == known
    return {(line.version, line.channels) for line in known.releases}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "before"),
    [(first, 0), (second, 1), (promotion, 1), (new_signing, 1)],
    ids=["first release", "second release", "promotion", "new signing"],
)
def test_killed_at_any_step_all_or_nothing_is_on_offer_and_the_next_run_ends_well(
    tmp_path: Path, work: Callable[[Mirror, Path], object], before: int
) -> None:
    source = rig.folder_of(tmp_path / "source", CONTENT)
    template = rig.new_mirror(tmp_path / "template")
    if before:
        first(template, source)
    old = lines(template)
    whole = copy_of(template, tmp_path / "whole")
    work(whole, source)
    new = lines(whole)
    seen = set()
    number = 0
    while True:
        number += 1
        mirror = copy_of(template, tmp_path / str(number))
        if not killed_at(number, lambda mirror=mirror: work(mirror, source)):  # type: ignore[misc]  # bound per turn
            break
        offered = lines(mirror)
        assert offered in (old, new)
        seen.add(frozenset(offered))
        match number % 3:
            case 0:  # whatever publishes next clears up
                mirror.publish(source, "9.9", dry_run=True)
                assert lines(mirror) == offered
                assert_whole(mirror)
            case 1:  # what was staged and signed is shown by the timer, or by the next run
                new_signing(mirror, source)
                offered = lines(mirror)
                assert offered in (old, new)
        version = catalogue.load(mirror.catalogue).version
        outcome = work(mirror, source)
        assert lines(mirror) == new
        assert_whole(mirror)
        if isinstance(outcome, Outcome) and old != new:
            finished = offered == new
            assert (outcome.state is State.ALREADY) == finished
            assert outcome.version == version + (0 if finished else 1)
        shutil.rmtree(mirror.data.parent)
    assert number > 10
    assert seen == {frozenset(old), frozenset(new)}


def copy_of(template: Mirror, folder: Path) -> Mirror:
    shutil.copytree(template.data.parent, folder)
    return Mirror(folder / "data", folder / "keys", folder / "client")


def assert_whole(mirror: Mirror) -> None:
    """Every release can be fetched, and no file is left that nothing names."""
    versions = {version for version, _ in lines(mirror)}
    for version in versions:
        assert rig.contents(mirror, order(version)) == CONTENT
    files = mirror.files()
    releases = {f"releases/sdk/tool/{version}/any/{name}" for version in versions for name in ("manifest", "pack")}
    waiting = proposal.read_staged(mirror.place)
    releases.update(key for change in waiting.changes for key in change.blobs)
    assert {name for name in files if name.startswith("releases/")} == releases
    expected = LOCKS | ({"publishing/staged.json"} if waiting.statements else set())
    assert {name for name in files if name.startswith("publishing/")} <= expected
    assert not [name for name in files if name.endswith(".part")]
    current = catalogue.load(mirror.catalogue).current
    for name in files:
        if name.startswith("catalogue/") and name.count("/") == 1 and name != "catalogue/timestamp.json":
            number, role, _ = name.removeprefix("catalogue/").split(".")
            assert int(number) <= current[role]
