"""This machine's clock never goes back behind the last verified time unnoticed; and what expired metadata stops."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from spot_client.clock import TOLERANCE, Clock
from spot_client.errors import LocalFault, OutOfDate
from tests.spot_client.desk import TWO, Desk
from tests.spot_client.fetch.server import Asked
from tests.spot_client.installation import TOOL

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RELYING = [["check"], ["update"], ["install", TOOL], ["changes", TOOL], ["list", "--available"]]
NOT_RELYING = [["status"], ["verify"], ["history"], ["list"], ["rollback", TOOL], ["uninstall", TOOL, "--yes"]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "clock.json"


def clock(file: Path, here: datetime, there: datetime | None = None) -> Clock:
    """The clock of a run that begins `here`, when a mirror says that it is `there`."""
    return Clock(file, now=lambda: here, mirror_time=lambda: there)


def refused(error: type[OutOfDate | LocalFault], reason: str, attempt: Callable[[], None]) -> str:
    with pytest.raises(error) as failed:
        attempt()
    assert failed.value.reason == reason
    return str(failed.value)


def test_where_nothing_was_verified_yet_any_time_will_do(file: Path) -> None:
    one = clock(file, NOW)
    one.check()
    assert one.last() is None


def test_the_earlier_of_both_clocks_is_written_down_for_its_owner_only(file: Path) -> None:
    clock(file, NOW, NOW + HOUR).advance()
    assert clock(file, NOW).last() == NOW
    assert file.read_bytes() == b'{"format":1,"min_spot":"0.1","verified":"2026-03-01T12:30:00Z"}'
    assert file.stat().st_mode & 0o777 == 0o600
    clock(file, NOW + 2 * DAY + HOUR, NOW + 2 * DAY).advance()
    assert clock(file, NOW).last() == NOW + 2 * DAY


@pytest.mark.parametrize("there", [None, NOW, NOW + 399 * DAY, datetime(200, 1, 1, tzinfo=UTC)])
def test_one_clock_alone_is_not_believed(file: Path, there: datetime | None) -> None:
    clock(file, NOW + 400 * DAY, there).advance()
    assert not file.exists()


@given(moments=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6) | st.none()), max_size=20))
def test_it_never_goes_back(moments: list[tuple[int, int | None]], tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("clock") / "clock.json"
    best: datetime | None = None
    for here, there in moments:
        one = clock(file, NOW + timedelta(seconds=here), None if there is None else NOW + timedelta(seconds=there))
        one.advance()
        if there is not None and abs(there - here) < DAY.total_seconds():
            verified = NOW + timedelta(seconds=min(here, there))
            best = verified if best is None else max(best, verified)
        assert one.last() == best


def test_a_clock_that_is_behind_is_refused_with_both_times_and_the_way_out(file: Path) -> None:
    clock(file, NOW, NOW).advance()
    clock(file, NOW - TOLERANCE).check()
    said = refused(OutOfDate, "clock-behind", clock(file, NOW - TOLERANCE - timedelta(seconds=1)).check)
    assert "clock says 2026-03-01 11:29 UTC" in said
    assert "verified at 2026-03-01 12:30 UTC" in said
    assert "--reset-clock" in said


def test_what_was_verified_is_forgotten_if_the_mirror_agrees(file: Path) -> None:
    clock(file, NOW, NOW).advance()
    clock(file, NOW - 9 * DAY).reset(NOW - 9 * DAY + HOUR)
    assert not file.exists()
    clock(file, NOW - 9 * DAY).reset(NOW - 9 * DAY)  # twice is no harm


@pytest.mark.parametrize("there", [None, NOW, NOW - 18 * DAY])
def test_what_was_verified_is_not_forgotten_if_the_mirror_does_not_agree(file: Path, there: datetime | None) -> None:
    clock(file, NOW, NOW).advance()
    said = refused(OutOfDate, "clock-wrong", lambda: clock(file, NOW - 9 * DAY).reset(there))
    assert "2026-02-20 12:30 UTC" in said
    assert clock(file, NOW).last() == NOW


DAMAGED = [
    b"",
    b"{}",
    b"\xff",
    b"[" * 1000,
    b"x" * 10**6,
    b'{"format":1,"min_spot":"0.1","verified":"yesterday"}',
    b'{"format":1,"min_spot":"0.1","verified":"2026-13-01T12:30:00Z"}',
    b'{"format":2,"min_spot":"9.0","verified":"2026-03-01T12:30:00Z"}',
]


@pytest.mark.parametrize("raw", DAMAGED)
def test_a_damaged_file_is_refused_with_a_way_out(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    assert "--reset-clock" in refused(LocalFault, "bad-clock", clock(file, NOW).check)
    with pytest.raises(LocalFault):
        clock(file, NOW, NOW).advance()
    clock(file, NOW).reset(NOW)
    clock(file, NOW).check()


# The commands


@contextmanager
def it_is(desk: Desk, here: timedelta, there: timedelta | None = None) -> Iterator[None]:
    """On this machine and at the mirror it is so much later than in truth; the mirror says nothing of it if None."""

    def dated(asked: Asked) -> bytes:
        line, _, rest = desk.behave(asked).partition(b"\r\n")
        moment = datetime.now(UTC) - here + (there or timedelta())
        date = f"Date: {format_datetime(moment, usegmt=True)}\r\n" if there is not None else ""
        return line + b"\r\n" + date.encode() + rest

    desk.server.behave = dated
    with time_machine.travel(datetime.now(UTC) + here):
        yield


@pytest.fixture
def installed(enrolled: Desk) -> Desk:
    """Two versions, verified now."""
    with it_is(enrolled, timedelta(), timedelta()):
        enrolled.says("install", TOOL)
        enrolled.vendor.publish(TWO, "2.0")
        enrolled.says("update")
    assert (enrolled.root / ".spot/clock.json").exists()
    return enrolled


def error_of(desk: Desk, command: list[str], code: int) -> str:
    document = desk.reads(*command, code=code)
    one = document[0] if isinstance(document, list) else document
    return str(one["error"]["reason"])


@pytest.mark.parametrize("command", RELYING)
def test_what_relies_on_expiry_is_refused_while_the_clock_is_behind(installed: Desk, command: list[str]) -> None:
    with it_is(installed, -2 * HOUR, timedelta()):
        assert error_of(installed, command, 11) == "clock-behind"
    with it_is(installed, -2 * DAY, timedelta()):
        assert error_of(installed, [*command, "--reset-clock"], 11) == "clock-wrong"
        assert error_of(installed, command, 11) == "clock-behind"
    with it_is(installed, timedelta(), timedelta()):
        assert installed(*command)[0] == 0


@pytest.mark.parametrize("command", NOT_RELYING)
def test_what_does_not_rely_on_it_goes_on(installed: Desk, command: list[str]) -> None:
    with it_is(installed, -2 * DAY, timedelta()):
        assert installed(*command)[0] == 0


@pytest.mark.parametrize("command", RELYING)
def test_a_clock_that_was_ahead_when_it_was_verified_is_forgotten_on_request(
    installed: Desk, command: list[str]
) -> None:
    """Here and at the mirror the clock ran ahead, and both have been set right since."""
    with it_is(installed, 3 * DAY, 3 * DAY):
        installed.says("check")
    with it_is(installed, timedelta(), timedelta()):
        assert error_of(installed, command, 11) == "clock-behind"
        assert installed(*command, "--reset-clock")[0] == 0
        assert installed(*command)[0] == 0


def test_a_damaged_clock_file_stops_what_relies_on_expiry_until_it_is_reset(installed: Desk) -> None:
    (installed.root / ".spot/clock.json").write_bytes(b"{}")
    with it_is(installed, timedelta(), timedelta()):
        assert error_of(installed, ["update"], 8) == "bad-clock"
        assert installed("verify")[0] == 0
        installed.says("update", "--reset-clock")
        installed.says("update")


def test_after_a_long_time_without_a_network_it_runs_verifies_and_rolls_back_and_installs_nothing_new(
    installed: Desk,
) -> None:
    """The mirror has lapsed as well: nobody has signed there since."""
    desk = installed
    desk.vendor.repository.timestamp.expires = datetime.now(UTC).replace(microsecond=0) + 3 * DAY
    desk.vendor.publish({"run": b"three"}, "3.0")
    with it_is(desk, 10 * DAY, 10 * DAY):
        behave, desk.server.behave = desk.server.behave, lambda _: b""
        assert desk("status")[0] == 0
        assert desk("verify")[0] == 0
        assert desk("rollback", TOOL)[0] == 0
        desk.server.behave = behave
        for command in (["update"], ["install", TOOL, "--version", "2.0"]):
            code, _, err = desk(*command)
            assert code == 11
            assert "The role timestamp of the signed catalogue expired on " in err
            assert "this machine's clock says " in err
            assert "UTC, the mirror's " in err
        assert (desk.root / TOOL / "current/run").read_bytes() != b"three"
        assert desk.reads("status")["components"][0]["version"] == "1.0"
