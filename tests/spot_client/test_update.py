"""SPOT at work on an installation: real catalogue, files and state, and a mirror in memory."""

import errno
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from spot_client.decide.choose import Hold, Rollback, Upgrade, Why
from spot_client.errors import LocalFault, NotLicensed, NotReachable, NotTrusted, OutOfDate, Refused, RefusedLocally
from spot_client.history import Action
from spot_client.install import stage
from spot_client.install.journal import Entry
from spot_client.update import Spot
from spot_client.wire import index
from spot_client.wire.routes import METADATA_BASE
from spot_client.wire.thin_snapshot import decode
from tests.mirror.publishing import rig
from tests.spot_client.installation import TOOL, Installation
from tests.spot_client.running import Listener, open_spot
from tests.spot_client.vendor import DAY, MINTED, Line, Vendor, make, not_licensed

REPORTS = f"/installations/{MINTED}/thin-snapshot"
ONE, TWO = {"run": b"one" * 50, "same": bytes(range(150))}, {"run": b"two" * 50, "same": bytes(range(150))}


Open = Callable[[], Spot]


@pytest.fixture
def report() -> Listener:
    return Listener()


@pytest.fixture
def clocks() -> dict[str, datetime | None]:
    """This machine's clock and the mirror's."""
    return {"here": datetime.now(UTC), "there": None}


@pytest.fixture
def spot(here: Installation, vendor: Vendor, report: Listener, clocks: dict[str, datetime | None]) -> Open:
    """SPOT as a new run composes it."""
    vendor.publish(ONE, "1.0")
    return lambda: open_spot(here, vendor, report, now=lambda: clocks["here"], mirror_time=lambda: clocks["there"])


def go(spot: Open, version: str | None = None, component: str = TOOL) -> bool:
    run = spot()
    return run.go(run.offer(component, version))


def sent(line: Line) -> list[dict[str, str]]:
    """The versions in each thin snapshot that the mirror got."""
    assert all(path == REPORTS for path, _ in line.put_bodies)
    return [decode(body).components for _, body in line.put_bodies]


def hold(spot: Open, version: str | None = None, component: str = TOOL) -> Why:
    decision = spot().offer(component, version).decision
    assert isinstance(decision, Hold)
    return decision.why


# The main job


def test_install_update_and_the_way_back(spot: Open, here: Installation, vendor: Vendor, line: Line) -> None:
    assert go(spot)
    assert here.in_use() == ONE
    vendor.publish(TWO, "2.0")
    assert go(spot)
    assert here.in_use() == TWO
    assert spot().rollback(TOOL) == "1.0"
    assert here.in_use() == ONE
    assert sent(line) == [{}, {TOOL: "1.0"}, {TOOL: "1.0"}, {TOOL: "2.0"}, {TOOL: "2.0"}, {TOOL: "1.0"}]


def test_what_the_publishing_side_writes_is_what_spot_installs(
    tmp_path: Path, spot: Open, here: Installation, vendor: Vendor, line: Line
) -> None:
    """The contract with `mirror.publishing`: its folder, served as it is."""
    mirror = rig.new_mirror(tmp_path / "mirror")
    source = rig.folder_of(tmp_path / "source", {"bin/run": b"#!" * 500, "data/a": b"x" * 5000, "data/b": b""})
    (source / "bin" / "run").chmod(0o755)
    (source / "link").symlink_to("data/a")
    mirror.publish(source, "1.40.0")
    (source / "data" / "a").write_bytes(b"y" * 5000)
    mirror.publish(source, "1.40.1")
    vendor.root = (mirror.catalogue / "1.root.json").read_bytes()
    line.files = {f"/{name}": (mirror.data / name).read_bytes() for name in mirror.files()}
    for version, letter in (("1.40.0", b"x"), ("1.40.1", b"y")):
        assert go(spot, version)
        assert here.in_use() == {
            "bin/run": b"#!" * 500,
            "data/a": letter * 5000,
            "data/b": b"",
            "link": "data/a",
        }
    assert (here.root / TOOL / "current" / "bin" / "run").stat().st_mode & 0o777 == 0o755


def test_an_offer_says_where_it_leads_and_what_it_costs_and_changes_nothing(
    spot: Open, here: Installation, vendor: Vendor, line: Line
) -> None:
    offer = spot().offer(TOOL)
    assert isinstance(offer.decision, Upgrade)
    assert (offer.installed, offer.decision.release.version) == (None, "1.0")
    assert not here.root.joinpath(TOOL).exists()
    assert line.put_bodies == []
    spot().go(offer)
    assert line.fetched == offer.wire_bytes
    vendor.publish(TWO, "2.0")
    line.fetched = 0
    offer = spot().offer(TOOL)
    assert offer.installed == "1.0"
    spot().go(offer)
    assert line.fetched == offer.wire_bytes


def test_there_is_nothing_to_do_where_the_newest_is_installed(spot: Open, report: Listener, line: Line) -> None:
    go(spot)
    told = len(line.put_bodies)
    assert hold(spot) is Why.CURRENT
    assert not go(spot)
    assert not go(spot, "1.0")
    assert not go(spot, "1.0.0")
    assert len(line.put_bodies) == told
    assert len(report.begun) == report.ended == 1


def test_a_withdrawn_version_is_left_for_the_one_before(spot: Open, here: Installation, vendor: Vendor) -> None:
    vendor.publish(TWO, "2.0")
    go(spot)
    vendor.withdraw("2.0")
    assert isinstance(spot().offer(TOOL).decision, Rollback)
    assert go(spot)
    assert here.versions() == {TOOL: "1.0"}


def test_an_update_without_anything_on_offer_is_no_failure(spot: Open, here: Installation, vendor: Vendor) -> None:
    go(spot)
    vendor.withdraw("1.0")
    assert hold(spot) is Why.NOTHING_ON_OFFER
    assert not go(spot)
    assert here.in_use() == ONE


def test_a_change_is_told_by_what_it_does(spot: Open, vendor: Vendor, report: Listener) -> None:
    go(spot)
    vendor.publish(TWO, "2.0")
    go(spot)
    go(spot, "1.0")
    go(spot, "2.0")
    spot().rollback(TOOL)
    assert [label for label, _, _ in report.begun] == [
        "sdk/tool: Installing 1.0",
        "sdk/tool: Updating from 1.0 to 2.0",
        "sdk/tool: Going back from 2.0 to 1.0",
        "sdk/tool: Updating from 1.0 to 2.0",
        "sdk/tool: Going back from 2.0 to 1.0",
    ]
    assert [(fetch > 0, write > 0) for _, fetch, write in report.begun] == [(True, True)] * 2 + [(False, False)] * 3
    assert report.ended == 5


def test_a_release_waits_for_another_component(spot: Open, here: Installation, vendor: Vendor) -> None:
    vendor.publish({"x": b"x"}, "5.0", "sdk/app", requires={TOOL: ">=2"})
    go(spot)
    assert hold(spot, component="sdk/app") is Why.REQUIRES
    vendor.publish(TWO, "2.0")
    go(spot)
    assert go(spot, component="sdk/app")
    assert here.versions() == {"sdk/app": "5.0", TOOL: "2.0"}


# Why nothing is done


def test_a_version_that_was_asked_for_and_cannot_be_had_is_a_refusal(
    spot: Open, here: Installation, vendor: Vendor
) -> None:
    vendor.publish(TWO, "2.0", channels=("beta",))
    vendor.publish(TWO, "3.0", platform="macos-arm64")
    vendor.publish(TWO, "4.0", requires={"sdk/lib": ">=1"})
    vendor.publish(TWO, "5.0")
    vendor.withdraw("5.0")
    go(spot)
    for version, reason in (
        ("2.0", "other-channel"),
        ("3.0", "other-platform"),
        ("4.0", "requires"),
        ("5.0", "withdrawn"),
        ("5.0.0", "withdrawn"),
        ("6.0", "no-such-version"),
    ):
        assert hold(spot, version).value == reason
        with pytest.raises(RefusedLocally) as refused:
            go(spot, version)
        assert refused.value.reason == reason
        assert "stays as it is" in str(refused.value)
    assert here.in_use() == ONE


def test_a_component_with_nothing_for_this_machine_cannot_be_installed(spot: Open, vendor: Vendor) -> None:
    vendor.publish({"x": b"x"}, "1.0", "sdk/mac", platform="macos-arm64")
    with pytest.raises(RefusedLocally) as refused:
        go(spot, component="sdk/mac")
    assert refused.value.reason == "other-platform"


@pytest.mark.parametrize("component", ["sdk", "sdk/", "/tool", "SDK/tool", "sdk/../tool", "root/tool", ""])
def test_a_name_that_is_none_is_refused_without_asking_anybody(spot: Open, line: Line, component: str) -> None:
    with pytest.raises(RefusedLocally) as refused:
        spot().offer(component)
    assert refused.value.reason in {"bad-name", "reserved-name"}
    assert line.asked == []


@pytest.mark.parametrize("version", ["", "latest", "1.0/../2", "1" * 5000 + "x"])
def test_a_version_that_is_none_is_refused_without_asking_anybody(spot: Open, line: Line, version: str) -> None:
    go(spot)
    line.asked.clear()
    for attempt in (lambda: spot().offer(TOOL, version), lambda: spot().rollback(TOOL, version)):
        with pytest.raises(RefusedLocally) as refused:
            attempt()
        assert refused.value.reason == "bad-name"
    assert line.asked == []


def test_what_is_not_licensed_and_what_does_not_exist_end_alike(spot: Open, line: Line) -> None:
    line.failures[f"{METADATA_BASE}2.sdk.json"] = not_licensed()
    with pytest.raises(NotLicensed):
        spot().offer(TOOL)
    with pytest.raises(NotLicensed):
        spot().offer("sdk/nosuch")
    with pytest.raises(NotLicensed):
        spot().offer("nosuch/tool")


def test_a_version_that_was_in_use_and_comes_back_with_other_content_is_not_trusted(
    spot: Open, here: Installation, vendor: Vendor
) -> None:
    for version in ("1.0", "2.0", "3.0", "4.0"):  # the first two are not kept any more in the end
        vendor.publish({"run": version.encode() * 50}, version) if version != "1.0" else None
        assert go(spot, version)
    other = make({"run": b"other" * 50}, component=TOOL, version="1.0", platform="any", block=64)
    first, *rest = vendor.indexes[TOOL].releases
    vendor._replace(TOOL, releases=(msgspec.structs.replace(first, manifest=other.seal), *rest))
    for wanted in (None, "1.0", "3.0"):
        with pytest.raises(NotTrusted) as failed:
            spot().offer(TOOL, wanted)
        assert failed.value.reason == "changed-release"
    assert here.in_use() == {"run": b"4.0" * 50}


def test_an_index_that_is_signed_but_of_another_component_is_not_trusted(spot: Open, vendor: Vendor) -> None:
    vendor.publish({"x": b"x"}, "1.0", "sdk/other")
    vendor.put_index(TOOL, index.encode(vendor.indexes["sdk/other"], level=1))
    with pytest.raises(NotTrusted) as failed:
        spot().offer(TOOL)
    assert failed.value.reason == "other-index"


def test_an_index_that_is_signed_but_garbage_is_not_trusted(spot: Open, vendor: Vendor) -> None:
    vendor.put_index(TOOL, b"garbage")
    with pytest.raises(NotTrusted):
        spot().offer(TOOL)


# Out of date


def expire(vendor: Vendor) -> None:
    vendor.repository.timestamp.expires = datetime.now(UTC).replace(microsecond=0) - DAY
    vendor.repository.sign()
    vendor.lay_out()


@pytest.mark.parametrize(
    ("off", "reason"),
    [(None, "expired-metadata"), (timedelta(hours=3), "expired-metadata"), (40 * DAY, "clock-wrong")],
)
def test_a_lapsed_catalogue_is_told_from_a_wrong_clock_by_the_mirrors_clock(
    spot: Open, vendor: Vendor, clocks: dict[str, datetime | None], off: timedelta | None, reason: str
) -> None:
    assert clocks["here"] is not None
    clocks["there"] = None if off is None else clocks["here"] - off
    expire(vendor)
    with pytest.raises(OutOfDate) as failed:
        spot().offer(TOOL)
    assert failed.value.reason == reason


def test_a_lapsed_catalogue_does_not_stop_the_way_back(spot: Open, here: Installation, vendor: Vendor) -> None:
    go(spot)
    vendor.publish(TWO, "2.0")
    go(spot)
    expire(vendor)
    assert spot().rollback(TOOL) == "1.0"
    assert here.in_use() == ONE


# The way back


def test_the_way_back_needs_no_network(spot: Open, here: Installation, vendor: Vendor, report: Listener) -> None:
    go(spot)
    vendor.publish(TWO, "2.0")
    go(spot)
    here.line.down = True
    here.line.asked.clear()
    assert spot().rollback(TOOL) == "1.0"
    assert here.in_use() == ONE
    assert here.line.asked == [REPORTS]  # tried once, and then not waited for again
    assert len(report.warned) == 1
    assert "will be sent later" in report.warned[0]


def test_the_way_back_leads_to_the_newest_kept_version_below_or_to_the_one_named(
    spot: Open, here: Installation, vendor: Vendor
) -> None:
    here.keep = 4
    for version in ("1.1", "1.2"):
        go(spot)
        vendor.publish({**TWO, "version": version.encode()}, version)
    go(spot)
    assert spot().rollback(TOOL) == "1.1"
    assert spot().rollback(TOOL, "1.0.0") == "1.0"
    with pytest.raises(RefusedLocally) as refused:
        spot().rollback(TOOL)
    assert refused.value.reason == "nothing-to-go-back-to"
    with pytest.raises(RefusedLocally):
        spot().rollback(TOOL, "1.2")  # newer: that is no way back
    assert "spot install sdk/tool --version" in str(refused.value)


def test_there_is_no_way_back_from_what_is_not_installed(spot: Open) -> None:
    with pytest.raises(RefusedLocally) as refused:
        spot().rollback(TOOL)
    assert refused.value.reason == "not-installed"


# Thin snapshots


def test_an_update_goes_on_where_thin_snapshots_cannot_be_sent_and_the_last_is_sent_later(
    spot: Open, here: Installation, line: Line, report: Listener
) -> None:
    line.failures[REPORTS] = NotReachable("no-answer", "down")
    assert go(spot)
    assert here.in_use() == ONE
    assert here.store.state().owed
    assert len(report.warned) == 1
    del line.failures[REPORTS]
    assert not go(spot)  # nothing to do, but to send what is owed
    assert sent(line) == [{TOOL: "1.0"}]
    assert not here.store.state().owed
    spot().settle()
    assert len(line.put_bodies) == 1


def test_a_thin_snapshot_that_is_refused_is_told_each_time_and_stops_nothing(
    spot: Open, here: Installation, line: Line, report: Listener
) -> None:
    line.failures[REPORTS] = Refused("bad-thin-snapshot", "No.")
    assert go(spot)
    assert here.in_use() == ONE
    assert len(report.warned) == 2


def test_a_thin_snapshot_that_is_asked_for_says_what_stands_in_its_way(spot: Open, line: Line) -> None:
    spot().deliver_thin_snapshot()
    assert sent(line) == [{}]
    line.down = True
    with pytest.raises(NotReachable):
        spot().deliver_thin_snapshot()


# What goes wrong on the way


def test_a_mirror_out_of_reach_changes_nothing(spot: Open, here: Installation, vendor: Vendor, line: Line) -> None:
    go(spot)
    vendor.publish(TWO, "2.0")
    offer = spot().offer(TOOL)
    line.down = True
    with pytest.raises(NotReachable):
        spot().go(offer)
    with pytest.raises(NotReachable):
        spot().offer(TOOL)
    assert here.in_use() == ONE


@pytest.mark.parametrize(
    ("error", "reason", "said"),
    [
        (OSError(errno.ENOSPC, "No space left", "/r/f"), "disk-full", "make room and run it again (/r/f)."),
        (OSError(errno.EDQUOT, "Quota exceeded"), "disk-full", "make room and run it again."),
        (PermissionError(errno.EACCES, "Permission denied", "/r/f"), "local", "Permission denied (/r/f)."),
    ],
)
def test_what_this_machine_refuses_is_told_with_the_place(
    spot: Open, monkeypatch: pytest.MonkeyPatch, error: OSError, reason: str, said: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(stage, "build", refuse)
    with pytest.raises(LocalFault) as failed:
        go(spot)
    assert failed.value.reason == reason
    assert str(failed.value).startswith("sdk/tool was not changed: ")
    assert str(failed.value).endswith(said)


def test_what_an_interrupted_run_left_is_dealt_with_first_and_told(
    spot: Open, here: Installation, report: Listener
) -> None:
    go(spot)
    target = here.wanted("1.0")
    here.journal.begin(Entry(component=TOOL, action=Action.UPDATE, target=target, staged=False))
    spot()
    assert report.warned == ["An interrupted change to sdk/tool 1.0 has been undone."]
    assert here.in_use() == ONE
