"""How `spot` speaks: --json, --quiet, --verbose, --log-file; before the command's name or after it."""

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from spot_client.cli import logs
from spot_client.wire.manifest import Kind
from tests.spot_client.desk import TWO, Desk
from tests.spot_client.fetch.server import problem
from tests.spot_client.installation import TOOL
from tests.spot_client.vendor import MINTED

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \d+ (DEBUG|INFO|WARNING|ERROR) \S")


# --json


def test_every_document_has_its_shape(enrolled: Desk) -> None:
    desk = enrolled
    offer = desk.reads("check", TOOL)
    assert offer[0] | {"fetch_bytes": 0} == {
        "component": TOOL,
        "installed": None,
        "action": "install",
        "release": {
            "version": "1.0",
            "platform": "any",
            "severity": "bug",
            "published": "2026-01-01T00:00:00Z",
            "restart": False,
            "requires": {},
            "notes": "",
        },
        "why": None,
        "detail": None,
        "stopped": None,
        "fetch_bytes": 0,
        "waiting": [],
    }
    assert offer[0]["fetch_bytes"] > 0
    installed: dict[str, Any] = {
        "component": TOOL,
        "action": "install",
        "old": None,
        "new": "1.0",
        "detail": None,
        "stopped": None,
        "notices": [],
    }
    assert desk.reads("install", TOOL) == installed
    newest = "1.0 is the newest on offer"
    nothing = {**installed, "action": "none", "old": "1.0", "new": "1.0", "detail": newest}
    assert desk.reads("install", TOOL) == nothing
    assert desk.reads("update") == [nothing]
    held = desk.reads("check")[0]
    assert (held["action"], held["why"], held["release"], held["fetch_bytes"]) == ("none", "current", None, 0)
    desk.vendor.publish(TWO, "2.0", notes="Says 2.\n")
    assert [(one["version"], one["notes"]) for one in desk.reads("changes", TOOL)] == [("2.0", "Says 2.\n")]
    assert desk.reads("update") == [{**installed, "action": "update", "old": "1.0", "new": "2.0"}]
    path = str(desk.root / TOOL / "current")
    component = {"component": TOOL, "version": "2.0", "platform": "any", "kept": ["1.0"], "path": path}
    assert desk.reads("list") == [{**component, "stopped": None}]
    assert desk.reads("rollback", TOOL) == {**installed, "action": "rollback", "old": "2.0", "new": "1.0"}
    desk.says("update")
    assert desk.reads("install", TOOL, "--version", "1.0")["action"] == "rollback"
    cache = desk.reads("cache", "show")
    assert cache["bytes"] == cache["content_bytes"] + cache["block_bytes"] > 0
    assert cache["path"] == str(desk.root / ".spot/cache")
    assert desk.reads("cache", "clear") == {"freed_bytes": cache["bytes"], "dry_run": False}


def test_what_is_said_of_configuration_is_a_notice_too(enrolled: Desk) -> None:
    desk = enrolled
    config, state = {"etc/app.ini": Kind.CONFIG}, {"var/db": Kind.STATE}
    desk.vendor.publish({"etc/app.ini": b"1\n", "var/db": b""}, "1.1", kinds=config | state)
    desk.vendor.publish({"etc/app.ini": b"2\n", "var/db": b""}, "1.2", kinds=config | state)
    desk.says("install", TOOL, "--version", "1.1")
    (desk.root / TOOL / "current/etc/app.ini").write_bytes(b"mine\n")
    (done,) = desk.reads("update")
    assert (done["new"], len(done["notices"])) == ("1.2", 1)
    assert "etc/app.ini" in done["notices"][0]
    code, out, err = desk("rollback", TOOL, "--json")
    assert code == 0
    assert [f"spot: {notice}" for notice in json.loads(out)["notices"]] == err.splitlines()
    desk.refusal = ("/installations/", problem("503 Service Unavailable", "unavailable"))
    gone = desk.reads("uninstall", TOOL)
    assert any("thin snapshot could not be sent" in notice for notice in gone["notices"])


def test_the_status_document_says_all_that_the_lines_say(enrolled: Desk) -> None:
    desk = enrolled
    found = desk.reads("status")
    assert found["components"] == []
    assert found["last_check"] is None
    desk.says("install", TOOL)
    found = desk.reads("status")
    assert (found["customer"], found["installation"], found["channel"]) == ("acme", MINTED, "stable")
    assert found["thin_snapshot"] == {"owed": False, "components": {TOOL: "1.0"}}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["last_check"])
    assert f"good until {found['certificate_until']}\n" in desk.says("status")
    assert [one["version"] for one in found["components"]] == ["1.0"]


@pytest.mark.parametrize(
    "command", [["list"], ["check"], ["update"], ["history"], ["verify"], ["list", "--available"], ["changes", TOOL]]
)
def test_an_empty_list_is_one(enrolled: Desk, command: list[str]) -> None:
    enrolled.says("check", TOOL)  # so that the cheapest of them have what they need
    enrolled.vendor.withdraw("1.0")
    if command[0] == "list" and len(command) > 1:
        enrolled.licences = enrolled.licences.replace(b'"sdk"', b'"other"')
    assert enrolled.reads(*command) == []
    told = enrolled.says(*command)
    assert told.count("\n") == 1


def test_a_failure_is_a_document_too_and_still_a_sentence(enrolled: Desk) -> None:
    for command in (["install", "sdk/nosuch"], ["rollback", TOOL], ["changes", TOOL, "--from", "x y"]):
        code, out, err = enrolled(*command, "--json")
        error = json.loads(out)["error"]
        assert set(error) == {"reason", "message", "exit_code"}
        assert error["exit_code"] == code > 0
        assert err == f"spot: {error['message']}\n"


def test_a_component_that_fails_among_others_stands_in_the_list(enrolled: Desk) -> None:
    desk = enrolled
    desk.vendor.publish({"x": b"1"}, "1.0", "sdk/other")
    for component in (TOOL, "sdk/other"):
        desk.says("install", component)
    desk.vendor.publish(TWO, "2.0")
    desk.vendor.put_index("sdk/other", b"garbage")
    found = desk.reads("update", code=3)
    assert [one["component"] for one in found] == ["sdk/other", TOOL]
    assert found[0]["error"]["reason"] == "bad-frame"
    assert found[1]["new"] == "2.0"


def test_what_stops_everything_ends_the_list(enrolled: Desk) -> None:
    desk = enrolled
    desk.vendor.publish({"x": b"1"}, "1.0", "sdk/other")
    for component in (TOOL, "sdk/other"):
        desk.says("install", component)
    desk.refusal = ("/catalogue/timestamp", problem("503 Service Unavailable", "unavailable"))
    found = desk.reads("update", code=4)
    assert [one["component"] for one in found] == ["sdk/other"]
    assert found[0]["error"]["exit_code"] == 4


def test_only_a_wrong_command_line_has_no_document(enrolled: Desk) -> None:
    code, out, err = enrolled("list", "--json", "--nonsense")
    assert (code, out) == (2, "")
    assert "Usage: " in err


# --quiet and --verbose


@pytest.mark.parametrize("place", ["before", "after"])
def test_quiet_leaves_results_and_errors(enrolled: Desk, place: str) -> None:
    desk = enrolled

    def quietly(*command: str) -> tuple[int, str, str]:
        return desk("--quiet", *command) if place == "before" else desk(*command, "-q")

    assert quietly("install", TOOL) == (0, f"{TOOL} is now 1.0.\n", "")
    assert quietly("update") == (0, "", "")
    assert quietly("history", "sdk/other") == (0, "", "")
    assert quietly("list")[1].startswith("COMPONENT")
    code, out, err = quietly("install", "sdk/nosuch")
    assert (code, out) == (5, "")
    assert err.startswith("spot: ")


@pytest.mark.parametrize("place", ["before", "after"])
def test_verbose_says_what_is_fetched_and_from_where_on_standard_error(enrolled: Desk, place: str) -> None:
    desk = enrolled
    command = ["install", TOOL]
    _, out, err = desk("--verbose", *command) if place == "before" else desk(*command, "--verbose")
    mirror = f"https://127.0.0.1:{desk.server.port}"
    assert f"GET {mirror}/catalogue/timestamp.json: 200, " in err
    assert f"GET {mirror}/releases/sdk/tool/1.0/any/pack: bytes 0 to " in err
    assert "GET" not in out
    _, _, err = desk("check", "-v")
    assert "sdk/tool/index.json.zst: unchanged, kept here" in err
    assert "GET" not in desk.says("check"), "a later run speaks as it is asked to"


# --log-file


def records(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    assert all(LINE.match(line) for line in lines), lines
    return [line.split(" ", 2)[2] for line in lines]


def test_a_log_holds_what_people_see_and_what_was_fetched_and_is_appended_to(enrolled: Desk) -> None:
    desk = enrolled
    log = desk.folder / "spot.log"
    desk.says("--log-file", str(log), "install", TOOL)
    first = records(log)
    assert f"INFO {TOOL} is now 1.0." in first
    assert any(line.startswith("DEBUG GET https://127.0.0.1:") for line in first)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    desk("install", "sdk/nosuch", "--log-file", str(log), "--quiet")
    second = records(log)
    assert second[: len(first)] == first
    assert second[-1].startswith("ERROR There is no sdk/nosuch for you")
    assert second[-1].endswith("(not-licensed, exit code 5)")


def test_spot_toml_and_the_environment_name_a_log_too_and_the_command_line_wins(
    enrolled: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = enrolled
    (desk.root / "spot.toml").write_text('log_file = "own.log"')
    desk.says("list")
    assert len(records(desk.root / "own.log")) == 2
    monkeypatch.setenv("SPOT_LOG_FILE", str(desk.folder / "environment.log"))
    desk.says("list")
    desk.says("list", "--log-file", str(desk.folder / "option.log"))
    assert [len(records(path)) for path in (desk.folder / "environment.log", desk.folder / "option.log")] == [2, 2]
    assert len(records(desk.root / "own.log")) == 2


def test_a_log_and_its_predecessor_stay_small(enrolled: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2 * logs.MAX_BYTES < 10 * 10**6
    monkeypatch.setattr(logs, "MAX_BYTES", 2000)
    log = enrolled.folder / "spot.log"
    for _ in range(8):
        enrolled.says("check", TOOL, "--log-file", str(log))
    files = sorted(enrolled.folder.glob("spot.log*"))
    assert [path.name for path in files] == ["spot.log", "spot.log.1"]
    assert all(0 < path.stat().st_size <= 2000 for path in files)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert all(records(path) for path in files)


def test_no_line_of_a_log_can_be_forged(enrolled: Desk) -> None:
    desk = enrolled
    log = desk.folder / "spot.log"
    desk.vendor.publish({"x": b"1"}, "3.0", notes="Mends it.\n2026-01-01T00:00:00Z 1 ERROR lies\n\x1b[2J\r\u2028x")
    desk.says("check", TOOL, "--log-file", str(log))
    assert not any(line.startswith("ERROR") for line in records(log))
    assert "\x1b" not in log.read_text()


@pytest.mark.parametrize("what", ["a folder", "no folder", "a pipe", "a full disk"])
def test_a_log_that_cannot_be_written_is_one_warning(enrolled: Desk, what: str) -> None:
    log = enrolled.folder / "log"
    if what == "a folder":
        log.mkdir()
    elif what == "no folder":
        log = log / "spot.log"
    elif what == "a pipe":
        os.mkfifo(log)
    else:
        log = Path("/dev/full")
    code, out, err = enrolled("install", TOOL, "--log-file", str(log))
    assert code == 0
    assert f"{TOOL} is now 1.0." in out
    assert err.count("\n") == 1
    assert err.startswith(f"spot: The log {log} cannot be written (")


def test_nothing_secret_gets_into_a_log(desk: Desk) -> None:
    log = desk.folder / "spot.log"
    for command in (["enrol", str(desk.folder / "acme.bundle")], ["install", TOOL], ["status"], ["thin-snapshot"]):
        desk.says(*command, "--log-file", str(log), "--quiet")
    text = log.read_text()
    key = (desk.root / ".spot/client.pem").read_text().splitlines()[1]
    assert key not in text
    assert "PRIVATE" not in text
    assert "CERTIFICATE" not in text
