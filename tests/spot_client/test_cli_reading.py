"""What `spot` tells of releases, of this installation and of its cache."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from spot_client.wire.index import Severity
from tests.spot_client.desk import ONE, TWO, Desk
from tests.spot_client.installation import TOOL, read_tree


@pytest.fixture
def installed(enrolled: Desk) -> Desk:
    enrolled.says("install", TOOL)
    return enrolled


# list


def test_the_list_needs_no_network_and_says_what_is_kept(installed: Desk) -> None:
    desk = installed
    desk.vendor.publish(TWO, "2.0")
    desk.says("update")
    desk.server.close()
    assert [line.split() for line in desk.says("list").splitlines()] == [
        ["COMPONENT", "VERSION", "PLATFORM", "KEPT"],
        [TOOL, "2.0", "any", "1.0"],
    ]


def test_an_empty_list_says_what_to_do(enrolled: Desk) -> None:
    assert enrolled.says("list") == "Nothing is installed. 'spot list --available' shows what could be.\n"


# changes


def test_changes_are_told_oldest_first_with_their_notes(installed: Desk) -> None:
    desk = installed
    desk.vendor.publish({"x": b"1"}, "1.1", notes="Mends it.\nAll of it.", severity=Severity.SECURITY)
    desk.vendor.publish({"x": b"2"}, "1.2", channels=("beta",))
    desk.vendor.publish(TWO, "2.0", restart=True)
    assert desk.says("changes", TOOL) == (
        "1.1 (security, 2026-01-01)\n  Mends it.\n  All of it.\n2.0 (bug, 2026-01-01, restart needed)\n"
    )
    assert desk.says("changes", TOOL, "--to", "1.5").startswith("1.1 (security")
    assert desk.says("changes", TOOL, "--from", "1.1") == "2.0 (bug, 2026-01-01, restart needed)\n"
    assert desk.says("changes", TOOL, "--from", "0", "--to", "1.0") == "1.0 (bug, 2026-01-01)\n"
    assert desk.says("changes", TOOL, "--from", "2.0") == f"{TOOL}: nothing on offer is newer than 2.0.\n"


def test_changes_of_what_is_not_installed_are_all_of_them(enrolled: Desk) -> None:
    enrolled.vendor.publish(TWO, "2.0")
    assert enrolled.says("changes", TOOL).count("\n") == 2


def test_a_terminal_does_not_obey_notes(installed: Desk) -> None:
    installed.vendor.publish(TWO, "2.0", notes="One.\n\x1b[2J\r\x07Two.\u202etxt")
    assert installed.says("changes", TOOL) == "2.0 (bug, 2026-01-01)\n  One.\n   [2J\n   Two. txt\n"


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_a_version_that_is_none_is_refused_before_anything_is_asked(installed: Desk, option: str) -> None:
    installed.server.close()
    code, said = installed.fails("changes", TOOL, option, "new")
    assert code == 6
    assert "write a version like 1.40.1" in said


# history


def test_the_history_tells_what_was_changed_newest_first(installed: Desk) -> None:
    desk = installed
    desk.vendor.publish(TWO, "2.0")
    desk.says("update")
    desk.says("rollback", TOOL)
    told = [line.split()[1:] for line in desk.says("history").splitlines()]
    assert told == [
        ["COMPONENT", "ACTION", "FROM", "TO", "OUTCOME"],
        [TOOL, "rollback", "2.0", "1.0", "done"],
        [TOOL, "update", "1.0", "2.0", "done"],
        [TOOL, "install", "-", "1.0", "done"],
    ]
    assert [one["action"] for one in desk.reads("history", TOOL, "--limit", "2")] == ["rollback", "update"]
    assert desk.reads("history", "sdk/other") == []
    assert desk("history", "--limit", "0")[0] == 2


# status


def test_the_history_of_what_was_never_here_says_so(installed: Desk) -> None:
    assert installed.says("history", "nope") == "Nothing of nope was changed here: 'spot history' shows what was.\n"
    assert installed.reads("history", "nope") == []


@pytest.mark.parametrize(
    "command", [["history"], ["cache", "show"], ["cache", "clear"], ["cache", "clear", "--dry-run"]]
)
def test_a_root_that_is_not_there_is_told_and_not_made(desk: Desk, command: list[str]) -> None:
    code, said = desk.fails(*command)
    assert code == 9
    assert "is not enrolled" in said
    assert not desk.root.exists()


def test_the_last_check_is_one_that_found_a_good_catalogue(enrolled: Desk) -> None:
    desk = enrolled
    assert "Last check:    never\n" in desk.says("status")
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1), tick=False):
        moment = datetime.now(UTC)
        desk.says("check", TOOL)
    desk.server.close()
    assert desk("check", TOOL)[0] == 4
    assert f"Last check:    {moment:%Y-%m-%dT%H:%M:%SZ}\n" in desk.says("status")


def test_a_certificate_that_lapses_soon_is_warned_of_and_one_that_has_lapsed(enrolled: Desk) -> None:
    certificate = enrolled.house.client.certificate
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    for moment, said in (
        (certificate.not_valid_after_utc - life / 4, "is good only until"),
        (certificate.not_valid_after_utc + life, "expired on"),
    ):
        with time_machine.travel(moment, tick=False):
            code, out, err = enrolled("status")
        assert code == 0
        assert "Certificate:   good until" in out
        assert said in err
        assert "new bundle" in err


def test_credentials_that_cannot_be_read_do_not_stop_the_status(enrolled: Desk) -> None:
    (enrolled.root / ".spot/client.pem").write_bytes(b"garbage")
    assert "Certificate:   cannot be read: enrol again\n" in enrolled.says("status")
    assert enrolled.reads("status")["certificate_until"] is None


# verify


def test_what_is_whole_is_told_so(installed: Desk) -> None:
    installed.server.close()
    assert installed.says("verify") == f"{TOOL} 1.0: whole\n"
    assert installed.reads("verify", TOOL)[0]["whole"] is True


def test_damage_is_told_exits_with_13_and_can_be_repaired(installed: Desk) -> None:
    desk = installed
    spoiled = desk.root / TOOL / "current/run"
    spoiled.chmod(0o644)
    spoiled.write_bytes(b"spoiled")
    code, out, err = desk("verify")
    assert code == 13
    assert out == f"{TOOL} 1.0: DAMAGED (1 found)\n  damaged: run\n"
    assert "spot verify --repair" in err
    assert desk.reads("verify", code=13)[0]["damaged"] == ["run"]
    code, out, err = desk("verify", "--repair")
    assert code == 0
    assert f"{TOOL} 1.0: damaged, and repaired (1 found)\n" in out
    assert read_tree(desk.root / TOOL / "current") == ONE
    assert desk.says("verify") == f"{TOOL} 1.0: whole\n"


def test_files_that_were_added_are_told_and_are_no_damage_whatever_they_are_called(installed: Desk) -> None:
    folder = installed.root / TOOL / "current"
    (folder / os.fsdecode(b"\xff\x1b[2J")).touch()
    for number in range(30):
        (folder / f"added-{number:02}").touch()
    told = installed.says("verify")
    assert told.startswith(f"{TOOL} 1.0: whole\n")
    assert "  not of the release: added-00\n" in told
    assert "  not of the release: 11 more\n" in told
    assert "\x1b" not in told
    assert len(installed.reads("verify")[0]["added"]) == 31


# uninstall


def test_an_uninstalled_component_is_gone_and_its_thin_snapshot_says_so(installed: Desk) -> None:
    desk = installed
    assert desk.says("uninstall", TOOL).splitlines()[-1] == f"{TOOL} 1.0 is uninstalled."
    assert not (desk.root / TOOL).exists()
    assert desk.reports[-1] == b'{"components":{},"format":1,"min_spot":"0.1"}'
    assert desk.reads("list") == []
    assert desk.fails("uninstall", TOOL)[0] == 6


def test_what_another_component_requires_stays_unless_forced(installed: Desk) -> None:
    desk = installed
    desk.vendor.publish({"x": b"1"}, "1.0", "sdk/other", requires={TOOL: ">=1"})
    desk.says("install", "sdk/other")
    code, said = desk.fails("uninstall", TOOL)
    assert code == 6
    assert "sdk/other" in said
    assert desk.reads("uninstall", TOOL, "--force") == {
        "component": TOOL,
        "action": "uninstall",
        "old": "1.0",
        "new": None,
        "kept": [],
        "notices": [],
    }


# cache


def test_the_cache_is_shown_and_cleared_and_nothing_installed_suffers(installed: Desk) -> None:
    desk = installed
    told = desk.says("cache", "show")
    assert told == (f"{desk.root / '.spot/cache'}\n  2 contents of files, 300 B\n  0 blocks on their way in, 0 B\n")
    assert desk.says("cache", "clear", "--dry-run") == "300 B would be freed.\n"
    assert desk.says("cache", "show") == told
    assert desk.says("cache", "clear") == "300 B were freed.\n"
    assert desk.says("cache", "clear") == "0 B were freed.\n"
    assert read_tree(desk.root / TOOL / "current") == ONE
    desk.vendor.publish(TWO, "2.0")
    desk.says("update")
    desk.says("rollback", TOOL)
    assert read_tree(desk.root / TOOL / "current") == ONE


def test_a_file_in_the_caches_place_is_one_sentence(installed: Desk) -> None:
    desk = installed
    desk.says("cache", "clear")
    for path in sorted((desk.root / ".spot/cache").rglob("*"), reverse=True):
        path.rmdir()
    (desk.root / ".spot/cache").rmdir()
    Path(desk.root / ".spot/cache").write_text("x")
    desk.vendor.publish(TWO, "2.0")
    assert desk("cache", "show")[0] in {0, 8}
    assert desk.fails("update")[0] == 8
    assert read_tree(desk.root / TOOL / "current") == ONE
