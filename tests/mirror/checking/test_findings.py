"""mirror.checking.findings: what each thing that was looked at comes to."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from ca.finding import Finding
from mirror.checking.findings import (
    Disk,
    judge_clock,
    judge_disk,
    judge_lapses,
    judge_modes,
    judge_timer,
    judge_waits,
)
from mirror.expiry import Lapse

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
GIB = 2**30


def brief(finding: Finding) -> tuple[str, str]:
    return finding.severity, finding.code


@pytest.mark.parametrize(
    ("left", "comes_to"),
    [
        (11 * DAY, ("ok", "good")),
        (10 * DAY, ("ok", "good")),
        (9 * DAY, ("warning", "expires-soon")),
        (timedelta(seconds=1), ("warning", "expires-soon")),
        (timedelta(0), ("problem", "expired")),
        (-DAY, ("problem", "expired")),
    ],
)
def test_what_lapses_is_a_warning_in_time_and_a_problem_after(left: timedelta, comes_to: tuple[str, str]) -> None:
    (found,) = judge_lapses([Lapse("A list", NOW + left - 30 * DAY, NOW + left, "Do this.")], NOW)
    assert brief(found) == comes_to
    assert found.next == ("" if found.severity == "ok" else "Do this.")


@pytest.mark.parametrize(
    ("modes", "wrong"),
    [
        ({"key": (0o600, 0o600), "data": (0o700, 0o700)}, []),
        ({"key": (0o400, 0o600), "data": (0o500, 0o700)}, []),
        ({"key": (0o640, 0o600), "data": (0o700, 0o700)}, ["key"]),
        ({"key": (0o604, 0o600), "data": (0o711, 0o700)}, ["key", "data"]),
        ({"key": (0o620, 0o600)}, ["key"]),
        ({"key": (0o4600, 0o600)}, []),
    ],
)
def test_what_others_have_rights_to_is_named_with_the_command_that_mends_it(
    modes: Mapping[str, tuple[int, int]], wrong: list[str]
) -> None:
    found = list(judge_modes(modes))
    assert [brief(one) for one in found] == ([("problem", "bad-mode")] * len(wrong) or [("ok", "good")])
    for path, one in zip(wrong, found, strict=bool(wrong)):
        assert f"chmod {modes[path][1]:o} {path}." in one.next


@pytest.mark.parametrize(
    ("disk", "comes_to"),
    [
        (Disk(6 * GIB, 100 * GIB, 10, 10), [("ok", "good")]),
        (Disk(4 * GIB, 100 * GIB, 10, 10), [("warning", "low-space")]),
        (Disk(11 * GIB, 4000 * GIB, 10, 10), [("ok", "good")]),
        (Disk(9 * GIB, 4000 * GIB, 10, 10), [("warning", "low-space")]),
        (Disk(200 * 2**20, GIB, 10, 10), [("warning", "low-space")]),
        (Disk(300 * 2**20, GIB, 10, 10), [("ok", "good")]),
        (Disk(60 * 2**20, GIB, 10, 10), [("problem", "no-space")]),
        (Disk(0, 0, 10, 10), [("problem", "no-space")]),
        (Disk(6 * GIB, 100 * GIB, 9, 1000), [("ok", "good"), ("warning", "low-space")]),
        (Disk(6 * GIB, 100 * GIB, 0, 0), [("ok", "good")]),
    ],
)
def test_a_disk_that_runs_full_is_told_before_it_is(disk: Disk, comes_to: list[tuple[str, str]]) -> None:
    assert [brief(one) for one in judge_disk("/data", disk)] == comes_to


@pytest.mark.parametrize(
    ("ahead", "comes_to"),
    [
        (-DAY, ("ok", "good")),
        (timedelta(minutes=5), ("ok", "good")),
        (timedelta(minutes=6), ("warning", "clock-behind")),
    ],
)
def test_what_is_of_later_than_now_tells_of_a_wrong_clock(ahead: timedelta, comes_to: tuple[str, str]) -> None:
    found = judge_clock([("A list", NOW + ahead), ("A file", NOW - 9 * DAY)], NOW)
    assert brief(found) == comes_to
    assert ("A list" in found.what) is (found.severity != "ok")


def test_a_mirror_without_anything_dated_has_a_good_clock() -> None:
    assert brief(judge_clock([], NOW)) == ("ok", "good")


@pytest.mark.parametrize(
    ("age", "missing", "comes_to"),
    [
        (DAY, 1, ("ok", "good")),
        (DAY + timedelta(minutes=1), 1, ("warning", "waits-long")),
        (DAY + timedelta(minutes=1), 0, ("warning", "waits-long")),
    ],
)
def test_what_waits_for_more_than_a_day_is_told(age: timedelta, missing: int, comes_to: tuple[str, str]) -> None:
    (found,) = judge_waits({"sdk": (NOW - age, missing)}, NOW)
    assert brief(found) == comes_to
    if found.severity != "ok":
        assert ("approve" in found.next) is (missing == 1)
        assert ("catalogue-timer" in found.next) is (missing == 0)


def test_a_timer_that_missed_a_turn_is_told_after_two() -> None:
    every = timedelta(hours=6)
    assert brief(judge_timer(NOW - 2 * every, every, NOW)) == ("ok", "good")
    late = judge_timer(NOW - 2 * every - timedelta(minutes=1), every, NOW)
    assert brief(late) == ("warning", "no-timer")
    assert "every 6 hours" in late.what
