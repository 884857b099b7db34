"""What was withdrawn or halted is not activated, by whatever way: mirror, cache, rollback, repair; offline, too."""

from collections.abc import Callable
from functools import partial

import pytest

from spot_client.decide.choose import Hold, Rollback, Upgrade, Why
from spot_client.decide.stops import Kind
from spot_client.errors import LocalFault, NotReachable, RefusedLocally
from spot_client.history import Action
from spot_client.install.journal import Entry
from spot_client.update import Spot
from tests.spot_client.desk import ONE, TWO, Desk
from tests.spot_client.installation import TOOL, Installation
from tests.spot_client.running import Listener, open_spot
from tests.spot_client.vendor import Vendor

THREE = {"run": b"three" * 50}

Open = Callable[[], Spot]


@pytest.fixture
def report() -> Listener:
    return Listener()


@pytest.fixture
def spot(here: Installation, vendor: Vendor, report: Listener) -> Open:
    """Installed were 1.0, 2.0 and 3.0, one after the other, and all are kept."""
    here.keep = 4
    for version, tree in (("1.0", ONE), ("2.0", TWO), ("3.0", THREE)):
        vendor.publish(tree, version)
        go(lambda: open_spot(here, vendor, report), version)
    return lambda: open_spot(here, vendor, report)


def go(spot: Open, version: str | None = None) -> bool:
    run = spot()
    return run.go(run.offer(TOOL, version))


def refused(work: Callable[[], object]) -> RefusedLocally:
    with pytest.raises(RefusedLocally) as failed:
        work()
    return failed.value


def test_a_withdrawn_release_is_not_installed_though_all_of_it_is_here(
    spot: Open, here: Installation, vendor: Vendor
) -> None:
    vendor.withdraw("2.0")
    failure = refused(lambda: go(spot, "2.0"))
    assert failure.reason == "withdrawn"
    assert "it was broken" in str(failure)
    assert here.in_use() == THREE
    assert go(spot, "1.0")
    assert not isinstance(spot().offer(TOOL).decision, Hold)
    vendor.withdraw("3.0")
    assert not go(spot)  # neither 2.0 nor 3.0, which both are kept
    assert here.in_use() == ONE


def test_what_was_withdrawn_binds_the_way_back_without_network(
    spot: Open, here: Installation, vendor: Vendor, report: Listener
) -> None:
    vendor.withdraw("2.0")
    spot().offer(TOOL)
    here.line.down = True
    assert spot().rollback(TOOL) == "1.0"
    assert here.in_use() == ONE
    assert f"{TOOL} 2.0 is passed over: it was withdrawn: it was broken." in report.warned


def test_what_nobody_told_this_machine_of_does_not_bind_it(spot: Open, here: Installation, vendor: Vendor) -> None:
    vendor.withdraw("2.0")
    assert spot().rollback(TOOL) == "2.0"
    assert here.in_use() == TWO


def test_if_all_that_is_kept_was_withdrawn_there_is_no_way_back(spot: Open, here: Installation, vendor: Vendor) -> None:
    vendor.withdraw("1.0")
    vendor.withdraw("2.0")
    spot().offer(TOOL)
    here.line.down = True
    for version in (None, "2.0", "1.0.0"):
        failure = refused(partial(spot().rollback, TOOL, version))
        assert failure.reason == "withdrawn"
        assert "it was broken" in str(failure)
        assert "spot install sdk/tool --version" in str(failure)
    assert refused(lambda: spot().rollback(TOOL, "0.9")).reason == "nothing-to-go-back-to"
    assert here.in_use() == THREE


def test_a_withdrawal_is_known_although_the_component_was_not_here_meanwhile(
    spot: Open, here: Installation, vendor: Vendor
) -> None:
    """Told while nothing was installed; then a state from before is restored from a backup."""
    before = here.store.state()
    spot().uninstall(TOOL)
    vendor.withdraw("2.0")
    vendor.withdraw("1.0")
    spot().offer(TOOL)
    here.store.write_state(before)
    here.line.down = True
    assert refused(lambda: spot().rollback(TOOL)).reason == "withdrawn"


def test_a_withdrawal_is_known_although_the_catalogue_was_thrown_away(
    spot: Open, here: Installation, vendor: Vendor
) -> None:
    vendor.withdraw("2.0")
    spot().offer(TOOL)
    for path in sorted((here.store.paths.own / "catalogue").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    here.line.down = True
    assert spot().rollback(TOOL) == "1.0"


def test_a_change_under_way_is_undone_to_what_was_withdrawn_meanwhile(
    spot: Open, here: Installation, vendor: Vendor, report: Listener
) -> None:
    go(spot, "1.0")
    vendor.withdraw("1.0")
    vendor.publish({"run": b"four" * 50}, "4.0")
    here.line.breaks_after = here.line.fetched
    offer = spot().offer(TOOL)
    with pytest.raises(NotReachable):
        spot().go(offer)
    assert here.in_use() == ONE
    here.journal.begin(Entry(component=TOOL, action=Action.UPDATE, target=here.wanted("4.0"), staged=False))
    here.line.down = True
    spot()
    assert report.warned[-1] == "An interrupted change to sdk/tool 4.0 has been undone."
    assert here.in_use() == ONE


def test_a_version_in_use_that_was_withdrawn_is_left_and_told(
    spot: Open, here: Installation, vendor: Vendor, report: Listener
) -> None:
    vendor.withdraw("3.0")
    offer = spot().offer(TOOL)
    assert isinstance(offer.decision, Rollback)
    assert offer.stopped is not None
    assert (offer.stopped.kind, offer.stopped.reason) == (Kind.WITHDRAWN, "it was broken")
    told = f"{TOOL} 3.0, which is in use here, was withdrawn: it was broken. 'spot update' leaves it for another."
    assert report.warned[-1] == told
    assert spot().go(offer)
    assert here.in_use() == TWO
    assert refused(lambda: go(spot, "3.0")).reason == "withdrawn"
    assert here.in_use() == TWO


def test_a_version_in_use_is_left_where_it_was_withdrawn_for_its_platform_only(
    spot: Open, here: Installation, vendor: Vendor
) -> None:
    vendor.publish({"run": b"four" * 50}, "4.0", platform="linux-x86_64")
    go(spot)
    vendor.withdraw("4.0")
    vendor.publish({"run": b"for any" * 50}, "4.0")
    assert go(spot)
    assert here.in_use() == {"run": b"for any" * 50}
    assert not go(spot)


def test_a_version_in_use_that_was_withdrawn_is_repaired_because_it_runs(
    spot: Open, here: Installation, vendor: Vendor, report: Listener
) -> None:
    vendor.withdraw("3.0")
    spot().offer(TOOL)
    (here.root / TOOL / "current/run").write_bytes(b"spoiled")
    assert spot().verify(TOOL, repair=True).repaired
    assert here.in_use() == THREE
    assert report.warned[-1].endswith("It was repaired because it is in use.")


def test_a_repair_brings_no_kept_version_into_use(spot: Open, here: Installation, vendor: Vendor) -> None:
    vendor.withdraw("2.0")
    spot().offer(TOOL)
    kept = next(one for one in here.store.state().components[TOOL].kept if one.version == "2.0")
    (here.store.paths.versions(TOOL) / kept.folder / "run").write_bytes(b"spoiled")
    assert spot().verify(TOOL, repair=True).kept_damaged == (("2.0", ("run",)),)
    assert here.in_use() == THREE
    assert spot().rollback(TOOL) == "1.0"


def test_without_its_memory_spot_goes_nowhere_and_repairs_what_runs(spot: Open, here: Installation) -> None:
    memory = here.store.paths.own / "known/sdk/tool.json.zst"
    memory.write_bytes(b"spoiled")
    (here.root / TOOL / "current/run").write_bytes(b"spoiled")
    for work in (lambda: spot().rollback(TOOL), lambda: spot().offer(TOOL), lambda: spot().verify(TOOL, repair=True)):
        with pytest.raises(LocalFault) as failed:
            work()
        assert failed.value.reason == "bad-state"
    assert here.in_use() == THREE
    memory.unlink()
    assert isinstance(spot().offer(TOOL).decision, Hold)


# Halts


def test_a_halted_release_is_not_gone_to_until_the_halt_is_lifted(
    spot: Open, here: Installation, vendor: Vendor
) -> None:
    vendor.publish({"run": b"four" * 50}, "4.0")
    vendor.halt("4.0")
    decision = spot().offer(TOOL).decision
    assert isinstance(decision, Hold)
    assert decision.why is Why.CURRENT
    assert "4.0 is halted since 2026-01-01T00:00:00Z: it burns" in decision.detail
    assert refused(lambda: go(spot, "4.0")).reason == "halted"
    assert here.in_use() == THREE
    vendor.halt()
    assert isinstance(spot().offer(TOOL).decision, Upgrade)
    assert go(spot)


def test_what_runs_goes_on_running_when_it_is_halted_and_that_is_told(
    spot: Open, here: Installation, vendor: Vendor, report: Listener
) -> None:
    vendor.halt("3.0")
    offer = spot().offer(TOOL)
    assert isinstance(offer.decision, Hold)
    assert offer.stopped is not None
    assert offer.stopped.kind is Kind.HALTED
    assert report.warned[-1].endswith("is halted since 2026-01-01T00:00:00Z: it burns. It goes on running.")
    assert not spot().go(offer)
    assert here.in_use() == THREE


def test_a_halt_binds_the_way_back_without_network_until_it_is_known_to_be_lifted(
    spot: Open, here: Installation, vendor: Vendor
) -> None:
    vendor.halt("1.0", "2.0")
    spot().offer(TOOL)
    here.line.down = True
    failure = refused(lambda: spot().rollback(TOOL))
    assert failure.reason == "halted"
    assert "it burns" in str(failure)
    vendor.halt("1.0")
    assert refused(lambda: spot().rollback(TOOL)).reason == "halted"
    here.line.down = False
    spot().offer(TOOL)
    here.line.down = True
    assert spot().rollback(TOOL) == "2.0"
    assert refused(lambda: spot().rollback(TOOL)).reason == "halted"


def test_halts_end_where_the_catalogue_has_no_list_of_them_any_more(
    spot: Open, here: Installation, vendor: Vendor
) -> None:
    vendor.halt("2.0")
    spot().offer(TOOL)
    vendor.repository.products["halts"].targets.clear()
    vendor.repository.sign()
    vendor.lay_out()
    spot().offer(TOOL)
    here.line.down = True
    assert spot().rollback(TOOL) == "2.0"


def test_a_halt_of_what_does_not_exist_is_no_error(spot: Open, vendor: Vendor) -> None:
    vendor.publish(TWO, "4.0")
    vendor.halt("9.0", component="sdk/nosuch", platform="macos-arm64")
    assert go(spot)


def test_a_catalogue_out_of_reach_lifts_nothing(spot: Open, here: Installation, vendor: Vendor) -> None:
    vendor.halt("2.0")
    spot().offer(TOOL)
    vendor.halt()
    here.line.failures["/catalogue/targets/halts/"] = NotReachable("no-answer", "gone")
    with pytest.raises(NotReachable):
        spot().offer(TOOL)
    assert spot().rollback(TOOL) == "1.0"


# How it is told


def test_check_update_list_and_status_tell_of_a_withdrawn_version_in_use(enrolled: Desk) -> None:
    desk = enrolled
    desk.vendor.publish(TWO, "2.0")
    desk.says("install", TOOL)
    desk.vendor.withdraw("2.0")
    stopped = {"why": "withdrawn", "since": "2026-01-01T00:00:00Z", "reason": "it was broken"}
    sentence = f"spot: {TOOL} 2.0, which is in use here, was withdrawn: it was broken."
    assert desk.reads("status")["components"][0]["stopped"] is None
    code, out, err = desk("check")
    assert (code, err.startswith(sentence)) == (0, True)
    assert "go back to 1.0" in out
    assert desk.reads("check")[0]["stopped"] == stopped
    row = desk.says("list", "--available").splitlines()[1]
    assert row.split()[:3] == [TOOL, "2.0", "1.0"]
    assert row.endswith("2.0 was withdrawn: it was broken")
    assert desk.reads("list", "--available")[0]["stopped"] == stopped
    behave, desk.server.behave = desk.server.behave, lambda _: b""
    code, _, err = desk("status")
    assert (code, err.startswith(sentence)) == (0, True)
    assert desk.reads("status")["components"][0]["stopped"] == stopped
    assert desk.reads("list")[0]["stopped"] == stopped
    desk.server.behave = behave
    (done,) = desk.reads("update")
    assert (done["action"], done["new"], done["stopped"]) == ("rollback", "1.0", stopped)
    assert done["notices"] == [f"{sentence.removeprefix('spot: ')} 'spot update' leaves it for another."]
    assert desk.reads("status")["components"][0]["stopped"] is None


def test_a_way_back_that_is_barred_is_one_sentence_with_the_vendors_reason(enrolled: Desk) -> None:
    desk = enrolled
    desk.says("install", TOOL)
    desk.vendor.publish(TWO, "2.0")
    desk.says("update")
    desk.vendor.halt("1.0")
    desk.says("check")
    code, said = desk.fails("rollback", TOOL)
    assert code == 6
    assert "is halted since 2026-01-01T00:00:00Z: it burns" in said
    assert desk.reads("rollback", TOOL, code=6)["error"]["reason"] == "halted"


def test_status_and_check_tell_of_a_halted_version_in_use(enrolled: Desk) -> None:
    desk = enrolled
    desk.says("install", TOOL)
    desk.vendor.halt("1.0")
    for command in ("check", "update", "status"):
        code, _, err = desk(command)
        assert code == 0
        assert "is halted since 2026-01-01T00:00:00Z: it burns. It goes on running." in err
    assert desk.reads("status")["components"][0]["stopped"]["why"] == "halted"
    assert desk.reads("check")[0]["stopped"]["reason"] == "it burns"
