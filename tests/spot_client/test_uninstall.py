"""A component goes; what others need stays, and so does what was written here, unless all of it is to go."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from spot_client.errors import LocalFault, NotReachable, RefusedLocally
from spot_client.history import Action, History
from spot_client.install import switch
from spot_client.install.journal import Entry
from spot_client.state import Store
from spot_client.update import Spot, Uninstalled
from spot_client.wire.errors import BadName
from spot_client.wire.manifest import Kind
from spot_client.wire.thin_snapshot import decode
from tests.hostile.needs import need_root
from tests.mirror.publishing.rig import small_disk
from tests.spot_client.installation import TOOL, Installation
from tests.spot_client.running import Listener, open_spot
from tests.spot_client.vendor import Line, Vendor

ONE = {"run": b"one" * 50, "conf": b"vendor", "data/db": b"seed"}
KINDS = {"conf": Kind.CONFIG, "data/db": Kind.STATE}


@pytest.fixture
def report() -> Listener:
    return Listener()


@pytest.fixture
def spot(here: Installation, vendor: Vendor, report: Listener) -> Callable[[], Spot]:
    vendor.publish(ONE, "1.0", kinds=KINDS)
    vendor.publish({**ONE, "run": b"two"}, "2.0", kinds=KINDS)
    vendor.publish({"lib": b"lib"}, "1.0", "sdk/app", requires={TOOL: ">=1"})
    return lambda: open_spot(here, vendor, report)


def install(spot: Spot, component: str = TOOL, version: str | None = None) -> None:
    spot.go(spot.offer(component, version))


def outcomes(here: Installation) -> list[tuple[str, str | None, str | None, str]]:
    events = History(here.store.paths.own / "history.jsonl").read()
    return [(event.action.value, event.old, event.new, event.outcome) for event in events]


def test_what_was_written_here_stays_and_all_else_goes(
    here: Installation, spot: Callable[[], Spot], line: Line, report: Listener
) -> None:
    install(spot(), version="1.0")
    install(spot())
    (here.root / TOOL / "current/conf").write_bytes(b"mine")
    (here.root / TOOL / "current/data/db").write_bytes(b"written")
    line.put_bodies.clear()
    assert spot().uninstall(TOOL) == Uninstalled("2.0", ("sdk/tool/saved", "sdk/tool/state"))
    assert {str(path.relative_to(here.root)) for path in (here.root / "sdk").rglob("*") if path.is_file()} == {
        "sdk/tool/saved/2.0/conf",
        "sdk/tool/state/data/db",
    }
    assert here.versions() == {}
    assert [decode(body).components for _, body in line.put_bodies] == [{TOOL: "2.0"}, {}]
    assert here.cache.contents() == frozenset()
    assert list((here.store.paths.own / "manifests").iterdir()) == []
    assert any("conf of 2.0 was changed here; it is kept in" in sentence for sentence in report.warned)
    assert outcomes(here)[0] == ("uninstall", "2.0", None, "done")


def test_nothing_stays_where_nothing_was_written(here: Installation, spot: Callable[[], Spot]) -> None:
    install(spot())
    install(spot(), "sdk/app")
    assert spot().uninstall("sdk/app") == Uninstalled("1.0", ())
    assert [path.name for path in (here.root / "sdk").iterdir()] == ["tool"]
    assert here.in_use()["run"] == b"two", "others are not touched"


def test_all_of_it_goes_if_that_is_asked_for(here: Installation, spot: Callable[[], Spot]) -> None:
    install(spot())
    (here.root / TOOL / "current/conf").write_bytes(b"mine")
    assert spot().uninstall(TOOL, purge=True) == Uninstalled("2.0", ())
    assert not (here.root / "sdk").exists()


def test_what_stayed_can_go_later(here: Installation, spot: Callable[[], Spot], line: Line) -> None:
    install(spot())
    (here.root / TOOL / "current/conf").write_bytes(b"mine")
    spot().uninstall(TOOL)
    line.failures["/"] = NotReachable("no-answer", "down")
    assert spot().uninstall(TOOL, purge=True) == Uninstalled(None, ())
    assert not (here.root / "sdk").exists()
    with pytest.raises(RefusedLocally) as refused:
        spot().uninstall(TOOL, purge=True)
    assert refused.value.reason == "not-installed"


def test_what_should_go_and_cannot_is_named_and_a_second_run_goes_on_with_it(
    here: Installation, spot: Callable[[], Spot]
) -> None:
    need_root()
    install(spot())
    with small_disk(here.root / TOOL / "state/data/disk", 2**20):  # a mount point is never removed
        with pytest.raises(LocalFault, match=r"could not be removed: sdk/tool/state\. See what holds it") as failed:
            spot().uninstall(TOOL, purge=True)
        assert failed.value.reason == "not-purged"
        assert here.versions() == {}
        assert here.journal.read() is None
    assert spot().uninstall(TOOL, purge=True) == Uninstalled(None, ())
    assert not (here.root / "sdk").exists()


def test_what_a_lost_state_file_knows_nothing_of_goes_with_its_pointer(
    here: Installation, spot: Callable[[], Spot]
) -> None:
    install(spot())
    (here.store.paths.own / "state.json").unlink()
    assert spot().uninstall(TOOL, purge=True) == Uninstalled(None, ())
    assert not (here.root / "sdk").exists()


def test_an_installation_tells_of_what_an_earlier_one_left_and_does_not_use_it(
    here: Installation, spot: Callable[[], Spot], report: Listener
) -> None:
    install(spot())
    (here.root / TOOL / "current/conf").write_bytes(b"mine")
    spot().uninstall(TOOL)
    report.warned.clear()
    install(spot())
    assert (here.root / TOOL / "current/conf").read_bytes() == b"vendor"
    place = here.root / TOOL / "saved"
    assert report.warned == [f"What was changed in an earlier installation is kept in {place}; it is not used."]


@pytest.mark.parametrize("name", ["", "..", "../..", "sdk/..", "sdk/tool/..", "/etc", "sdk/./tool", ".spot/x"])
def test_only_a_component_can_be_purged(here: Installation, spot: Callable[[], Spot], name: str) -> None:
    install(spot())
    with pytest.raises(BadName):
        spot().uninstall(name, purge=True)
    assert here.in_use()["run"] == b"two"


def test_installed_again_it_finds_its_state(here: Installation, spot: Callable[[], Spot]) -> None:
    install(spot())
    (here.root / TOOL / "current/data/db").write_bytes(b"written")
    spot().uninstall(TOOL)
    install(spot())
    assert (here.root / TOOL / "current/data/db").read_bytes() == b"written"


def test_what_another_component_needs_stays_unless_that_is_insisted_on(
    here: Installation, spot: Callable[[], Spot]
) -> None:
    install(spot())
    install(spot(), "sdk/app")
    with pytest.raises(RefusedLocally, match="sdk/app cannot do without it") as refused:
        spot().uninstall(TOOL)
    assert refused.value.reason == "required"
    assert here.versions() == {"sdk/app": "1.0", TOOL: "2.0"}
    spot().uninstall(TOOL, force=True)
    assert here.versions() == {"sdk/app": "1.0"}


def test_it_needs_no_network_and_the_thin_snapshot_is_owed(
    here: Installation, spot: Callable[[], Spot], line: Line, report: Listener
) -> None:
    install(spot())
    line.failures["/"] = NotReachable("no-answer", "down")
    spot().uninstall(TOOL)
    assert here.store.state().owed
    assert len(report.warned) == 1


def test_what_is_not_installed_cannot_be_uninstalled(spot: Callable[[], Spot]) -> None:
    with pytest.raises(RefusedLocally) as refused:
        spot().uninstall(TOOL)
    assert refused.value.reason == "not-installed"


def test_what_can_neither_be_saved_nor_thrown_away_stops_it_and_nothing_has_changed(
    here: Installation, spot: Callable[[], Spot]
) -> None:
    install(spot())
    (here.root / TOOL / "current/conf").unlink()
    (here.root / TOOL / "current/conf").mkdir()
    with pytest.raises(LocalFault, match="Move it away") as failed:
        spot().uninstall(TOOL)
    assert failed.value.reason == "odd-config"
    assert here.versions() == {TOOL: "2.0"}
    assert here.journal.read() is None
    assert outcomes(here)[0] == ("uninstall", "2.0", None, "failed: odd-config")
    spot().uninstall(TOOL, purge=True)


def test_a_version_of_which_nobody_knows_what_was_changed_is_kept_whole(
    here: Installation, spot: Callable[[], Spot], line: Line
) -> None:
    install(spot())
    (here.root / TOOL / "current/conf").write_bytes(b"mine")
    for path in (here.store.paths.own / "manifests").iterdir():
        path.unlink()
    line.down = True
    spot().uninstall(TOOL)
    assert (here.root / TOOL / "saved/2.0/tree/conf").read_bytes() == b"mine"


@pytest.mark.parametrize("unpointed", [False, True])
def test_one_that_was_interrupted_is_finished_by_the_next_run(
    here: Installation, spot: Callable[[], Spot], report: Listener, unpointed: bool
) -> None:
    install(spot())
    current = here.store.state().components[TOOL].current
    here.journal.begin(Entry(component=TOOL, action=Action.UNINSTALL, target=current, old="2.0"))
    if unpointed:
        switch.unpoint(here.root / TOOL)
    spot()
    assert here.versions() == {}
    assert {path.name for path in (here.root / TOOL).iterdir()} == {"state"}
    assert "An interrupted uninstallation of sdk/tool 2.0 has been finished." in report.warned
    assert outcomes(here)[0] == ("uninstall", "2.0", None, "finished-after-interruption")


def test_every_change_is_in_the_history(here: Installation, spot: Callable[[], Spot], line: Line) -> None:
    install(spot(), version="1.0")
    install(spot())
    spot().rollback(TOOL)
    (here.root / TOOL / "current/run").write_bytes(b"damaged")
    spot().verify(TOOL, repair=True)
    offer = spot().offer("sdk/app")
    line.failures["/releases/sdk/app/1.0/any/pack"] = NotReachable("no-answer", "down")
    with pytest.raises(NotReachable):
        spot().go(offer)
    spot().uninstall(TOOL)
    assert outcomes(here) == [
        ("uninstall", "1.0", None, "done"),
        ("install", None, "1.0", "failed: no-answer"),
        ("repair", "1.0", "1.0", "done"),
        ("rollback", "2.0", "1.0", "done"),
        ("update", "1.0", "2.0", "done"),
        ("install", None, "1.0", "done"),
    ]


def test_a_history_that_cannot_be_written_stops_nothing(here: Installation, spot: Callable[[], Spot]) -> None:
    (here.store.paths.own / "history.jsonl").mkdir()
    install(spot())
    assert here.versions() == {TOOL: "2.0"}


def test_a_tree_that_was_left_by_others_is_not_followed_out_of_the_component(
    here: Installation, spot: Callable[[], Spot], tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"stays")
    install(spot())
    (here.root / TOOL / "state/out").symlink_to(outside)
    (here.root / TOOL / "current/out").symlink_to(outside)
    spot().uninstall(TOOL, purge=True)
    assert (outside / "file").read_bytes() == b"stays"


def test_one_that_stops_after_the_pointer_has_gone_says_so_and_is_finished_by_the_next_run(
    here: Installation, spot: Callable[[], Spot], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(spot())

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    run = spot()
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_state", fail)
        with pytest.raises(LocalFault, match="is not in use any more, and the next run removes the rest") as failed:
            run.uninstall(TOOL)
    assert failed.value.reason == "disk-full"
    spot()
    assert here.versions() == {}
    assert not (here.root / TOOL / "versions").exists()
