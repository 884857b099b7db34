"""What becomes state is taken over as the version in use has it; a change that is undone leaves the state as it was."""

import contextlib
import errno
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spot_client.config import Paths
from spot_client.errors import LocalFault
from spot_client.history import Action
from spot_client.install import lasting, laying, switch
from spot_client.state import Store
from spot_client.wire.manifest import Kind
from tests.hostile.needs import need_root
from tests.mirror.publishing.rig import small_disk
from tests.spot_client.installation import TOOL, Installation
from tests.spot_client.vendor import Line, Tree, Vendor

PLAIN: Tree = {"data/db": b"seed", "data/log": b"seed", "id": b"seed", "etc/conf": b"vendor"}
STATE = {"data/db": Kind.STATE, "data/log": Kind.STATE, "id": Kind.STATE, "etc/conf": Kind.CONFIG}


@pytest.fixture(autouse=True)
def _published(vendor: Vendor) -> None:
    """1.0 has as plain files what is state in 2.0 and 3.0."""
    vendor.publish(PLAIN, "1.0", kinds={"etc/conf": Kind.CONFIG})
    vendor.publish({**PLAIN, "run": b"2"}, "2.0", kinds=STATE)
    vendor.publish({**PLAIN, "run": b"3"}, "3.0", kinds=STATE)


def product(here: Installation) -> Path:
    return here.root / TOOL / "current"


def below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write(here: Installation, day: bytes) -> None:
    for path in ("data/db", "data/log", "id", f"data/{day.decode()}"):
        (product(here) / path).write_bytes(day)


def found(here: Installation) -> dict[str, bytes]:
    """What the product finds in its data, however it lies."""
    return {**below(product(here) / "data"), "id": (product(here) / "id").read_bytes()}


DAY_2 = {"db": b"day2", "log": b"day2", "day2": b"day2", "id": b"day2"}


def test_nothing_stays_in_the_state_of_a_change_that_failed_and_the_next_try_takes_what_is_newest(
    here: Installation,
) -> None:
    here.go("1.0")
    write(here, b"day1")
    (product(here) / "etc/conf").unlink()
    (product(here) / "etc/conf").mkdir()
    with pytest.raises(LocalFault) as failed:
        here.go("2.0")
    assert failed.value.reason == "odd-config"
    assert not (here.root / TOOL / "state").exists()
    (product(here) / "etc/conf").rmdir()
    (product(here) / "data/day1").unlink()
    write(here, b"day2")
    here.go("2.0")
    assert found(here) == DAY_2
    assert not (here.root / TOOL / "saved").exists()


@pytest.mark.parametrize("step", ["copy", "put_folder", "lay", "point"])
def test_wherever_it_stops_the_state_is_as_before(
    here: Installation, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Something of old lies in the state: it is set aside only if the change comes to its end."""
    here.go("1.0")
    here.go("2.0")
    write(here, b"old")
    here.go("1.0")
    write(here, b"day1")
    before = below(here.root / TOOL / "state")
    module = {"lay": lasting, "point": switch}.get(step, laying)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for version in ("2.0", "3.0"):
        with monkeypatch.context() as patch:
            patch.setattr(module, step, fail)
            if (version, step) == ("2.0", "lay"):  # its tree is kept, and its state is all there
                continue
            with pytest.raises(LocalFault, match="was not changed"):
                here.go(version)
        assert below(here.root / TOOL / "state") == before
        assert not (here.root / TOOL / "saved").exists()
        assert here.journal.read() is None
    (product(here) / "data/day1").unlink()
    write(here, b"day2")
    here.go("3.0")
    assert found(here) == DAY_2
    assert below(here.root / TOOL / "saved/1.0") == {
        "data/db": b"old",
        "data/log": b"old",
        "data/old": b"old",
        "id": b"old",
    }


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_what_was_written_after_a_way_back_goes_along_and_what_lay_there_is_set_aside_and_told(
    here: Installation, version: str
) -> None:
    """2.0 is kept and used as it is; 3.0 is made anew."""
    here.go("1.0")
    write(here, b"day1")
    here.go("2.0")
    (product(here) / "id").write_bytes(b"of 2.0")
    (product(here) / "data/only").write_bytes(b"of 2.0")
    here.go("1.0")
    write(here, b"day2")
    here.go(version)
    assert found(here) == DAY_2
    place = here.root / TOOL / "saved/1.0"
    assert below(place) == {
        "data/db": b"day1",
        "data/log": b"day1",
        "data/day1": b"day1",
        "data/only": b"of 2.0",
        "id": b"of 2.0",
    }
    assert here.told == tuple(
        f"{path} is kept outside the versions now: what it was here has been taken over, "
        f"and what lay there before is kept in {place / path}."
        for path in ("data", "id")
    )


def test_what_was_not_written_in_the_version_in_use_leaves_the_state_as_it_is(here: Installation) -> None:
    here.go("1.0")
    here.go("2.0")
    write(here, b"day2")
    here.go("1.0")
    here.go("3.0")
    assert found(here) == DAY_2
    assert here.told == ()


def test_files_beside_state_of_the_version_in_use_join_it(here: Installation, vendor: Vendor) -> None:
    tree: Tree = {"d/live": b"seed", "d/plain": b"seed", "d/deep/plain": b"seed"}
    vendor.publish(tree, "4.0", kinds={"d/live": Kind.STATE})
    vendor.publish({**tree, "run": b"r"}, "5.0", kinds=dict.fromkeys(tree, Kind.STATE))
    here.go("4.0")
    state = here.root / TOOL / "state"
    (state / "d/plain").write_bytes(b"of old")
    for path in tree:
        (product(here) / path).write_bytes(b"written")
    here.go("5.0")
    assert below(state) == dict.fromkeys(tree, b"written")
    assert below(here.root / TOOL / "saved") == {"4.0/d/plain": b"of old"}


def test_a_first_installation_that_fails_leaves_no_state(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(switch, "point", _no_space)
        with pytest.raises(LocalFault):
            here.go("2.0")
    assert not (here.root / TOOL / "state").exists()


def test_state_that_the_version_in_use_can_see_is_not_taken_away(
    here: Installation, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.publish({**PLAIN, "data/new": b"n", "run": b"4"}, "4.0", kinds={**STATE, "data/new": Kind.STATE})
    here.go("2.0")
    with monkeypatch.context() as patch:
        patch.setattr(switch, "point", _no_space)
        with pytest.raises(LocalFault):
            here.go("4.0")
    assert (product(here) / "data/new").exists(), "the product may have begun to write to it"


def test_state_on_a_disk_of_its_own_that_is_not_what_is_in_use_stops_the_change(here: Installation) -> None:
    need_root()
    here.go("1.0")
    write(here, b"day1")
    with small_disk(here.root / TOOL / "state", 2**20):
        (here.root / TOOL / "state/data").mkdir()
        (here.root / TOOL / "state/data/db").write_bytes(b"old")
        with pytest.raises(LocalFault, match="Move it away") as failed:
            here.go("2.0")
        assert failed.value.reason == "odd-state"
        (here.root / TOOL / "state/data/db").unlink()
        (here.root / TOOL / "state/data").rmdir()
        here.go("2.0")
        assert found(here)["db"] == b"day1"


STEPS = st.lists(st.sampled_from(["write", "fail 2.0", "fail 3.0", "1.0", "2.0", "3.0"]), max_size=10)


@pytest.mark.slow
@given(STEPS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_way_forward_carries_what_was_last_written_whatever_failed_before(
    tmp_path_factory: pytest.TempPathFactory, vendor: Vendor, line: Line, steps: list[str]
) -> None:
    store = Store(Paths(tmp_path_factory.mktemp("root")))
    store.paths.own.mkdir()
    here = Installation(store, vendor, line)
    here.go("1.0", action=Action.INSTALL)
    numbers = count(1)
    for step in steps:
        before, in_use = found(here), here.versions()[TOOL]
        saved = below(here.root / TOOL / "saved") if (here.root / TOOL / "saved").exists() else {}
        if step == "write":
            write(here, b"%d" % next(numbers))
        elif step.startswith("fail"):
            with pytest.MonkeyPatch.context() as patch, contextlib.suppress(LocalFault):
                patch.setattr(switch, "point", _no_space)
                here.go(step.removeprefix("fail "))
            assert here.versions()[TOOL] == in_use
            assert found(here) == before
            assert (below(here.root / TOOL / "saved") if (here.root / TOOL / "saved").exists() else {}) == saved
        else:
            here.go(step)
            if in_use == step == "1.0":  # a repair: what was written to plain files is damage
                continue
            if in_use <= step and before["id"] != b"seed":
                assert {path: content for path, content in found(here).items() if path in before} == before
            assert before["id"] in {b"seed", *below(here.root / TOOL).values()}, "lost"


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
