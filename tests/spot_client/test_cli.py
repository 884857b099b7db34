"""The command line, against a real server on loopback: what it prints, what it exits with, and never a traceback."""

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from ca.bundle import encode
from ca.profiles import SERVER
from ca.tls import server_context
from spot_client import __version__
from spot_client.cli import cli, main
from spot_client.config import Paths
from spot_client.state import Store
from spot_client.wire import thin_snapshot
from tests.ca.house import HOSTS, REALM
from tests.spot_client.desk import ONE, TWO, Desk
from tests.spot_client.fetch.server import problem, reply
from tests.spot_client.installation import TOOL, read_tree
from tests.spot_client.vendor import DAY, MINTED, Vendor

SHORT = "7K2M-9XQ4-"


# Help


def commands(group: click.Group = cli, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*above, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*above, name))


@pytest.mark.parametrize(("words", "command"), [pytest.param(*one, id=" ".join(one[0])) for one in commands()])
def test_every_command_and_option_has_a_help_text(words: tuple[str, ...], command: click.Command) -> None:
    shown = CliRunner().invoke(cli, [*words, "--help"])
    assert shown.exit_code == 0
    assert len((command.help or "").splitlines()[0]) > 20
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert all(option.help for option in options)


def test_no_summary_of_a_command_is_cut_off() -> None:
    for words, command in commands():
        assert not command.get_short_help_str(45).endswith("..."), words


def test_the_help_lists_the_commands_and_the_exit_codes() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    names = "enrol status check changes history list install update rollback uninstall verify cache thin-snapshot"
    for name in names.split():
        assert f"\n  {name} " in shown
    for code in (0, *range(2, 14), 130):
        assert f"\n  {code:4}  " in shown
    assert CliRunner().invoke(cli, ["--version"]).output == f"spot, version {__version__}\n"


# The main job


def test_the_main_job(enrolled: Desk) -> None:
    desk = enrolled
    assert f"{TOOL} not installed: install 1.0 (bug, " in desk.says("check", TOOL)
    assert desk.says("install", TOOL).endswith(f"{TOOL} is now 1.0.\n")
    desk.vendor.publish(TWO, "2.0", restart=True)
    assert "1.0: update to 2.0 (bug, " in (told := desk.says("check"))
    assert "restart needed" in told
    assert desk.says("update").endswith(f"{TOOL} is now 2.0.\n")
    assert read_tree(desk.root / TOOL / "current") == TWO
    assert desk.says("rollback", TOOL).endswith(f"{TOOL} is now 1.0.\n")
    assert read_tree(desk.root / TOOL / "current") == ONE
    assert desk.says("install", TOOL, "--version", "2.0").endswith(f"{TOOL} is now 2.0.\n")
    assert desk.says("rollback", TOOL, "--to", "1.0").endswith(f"{TOOL} is now 1.0.\n")


def test_enrolment_tells_the_short_form_and_can_be_repeated(desk: Desk) -> None:
    for _ in range(2):
        told = desk.says("enrol", str(desk.folder / "acme.bundle"))
        assert f"Enrolled for acme ({REALM})" in told
        assert SHORT in told
    minted = [asked for asked in desk.server.asked if asked.path == "/installations"]
    assert [asked.method for asked in minted] == ["POST", "POST"]
    assert len({asked.headers["idempotency-key"] for asked in minted}) == 1


def test_status_needs_no_network_and_says_all(enrolled: Desk) -> None:
    desk = enrolled
    assert "Nothing is installed." in desk.says("status")
    desk.says("install", TOOL)
    desk.server.close()
    told = desk.says("status")
    pinned = desk.house.server.certificate.not_valid_after_utc
    for line in (
        f"Root:          {desk.root}",
        f"Customer:      acme ({REALM})",
        f"Mirror:        https://127.0.0.1:{desk.server.port} (pins good until {pinned:%Y-%m-%d})",
        "Mirrors from:  the bundle",
        "Channel:       stable",
        "Thin snapshot: the mirror has the newest",
        f"{TOOL} 1.0 (any), kept: none",
        f"  {desk.root / TOOL / 'current'}",
    ):
        assert f"{line}\n" in told
    assert SHORT in told
    assert MINTED in told


def test_check_shows_the_notes_of_a_release_without_obeying_them(enrolled: Desk) -> None:
    desk = enrolled
    desk.vendor.publish({"tool": b"three"}, "3.0", notes="Mends it.\n\x1b[2JNow.")
    assert "\n  Mends it.\n   [2JNow.\n" in desk.says("check", TOOL)


def test_show_prints_exactly_what_would_be_sent_and_sends_nothing(enrolled: Desk) -> None:
    desk = enrolled
    desk.says("install", TOOL)
    desk.reports.clear()
    shown = desk.says("thin-snapshot", "--show")
    assert desk.reports == []
    assert desk.says("thin-snapshot") == "The mirror has the thin snapshot.\n"
    assert [shown.encode()] == desk.reports
    assert shown == '{"components":{"sdk/tool":"1.0"},"format":1,"min_spot":"0.1"}'


def test_an_exit_code_tells_nothing_to_do_from_done(enrolled: Desk) -> None:
    desk = enrolled
    for command in ("check", "update"):
        assert desk(command, "--exit-code")[0] == 10
        assert desk(command)[0] == 0
    assert desk("check", TOOL, "--exit-code")[0] == 0
    assert desk("install", TOOL, "--exit-code")[0] == 0
    for command in ("check", "install", "update"):
        code, out, _ = desk(command, TOOL, "--exit-code")
        assert code == 10
        assert "1.0 is the newest on offer" in out
        assert desk(command, TOOL)[0] == 0


def test_what_stops_one_component_does_not_stop_the_others(enrolled: Desk) -> None:
    desk = enrolled
    desk.vendor.publish({"x": b"1"}, "1.0", "sdk/other")
    desk.says("install", TOOL)
    desk.says("install", "sdk/other")
    desk.vendor.publish(TWO, "2.0")
    desk.vendor.put_index("sdk/other", b"garbage")
    code, out, err = desk("update")
    assert code == 3
    assert f"{TOOL} is now 2.0." in out
    assert err.startswith("spot: sdk/other: ")
    assert err.count("\n") == 1


# What goes wrong


def test_a_command_line_that_is_wrong_exits_with_2(desk: Desk) -> None:
    for arguments in (["install"], ["nonsense"], ["check", "--nonsense"]):
        code, _, err = desk(*arguments)
        assert code == 2
        assert "Usage: " in err


@pytest.mark.parametrize("command", [["check"], ["install", TOOL], ["update"], ["rollback", TOOL], ["status"]])
def test_before_enrolment_everything_exits_with_9_and_says_what_to_do(desk: Desk, command: list[str]) -> None:
    code, said = desk.fails(*command)
    assert code == 9
    assert "spot enrol BUNDLE" in said


def spoil(name: str) -> Callable[[Desk], object]:
    return lambda desk: (desk.root / ".spot" / name).write_bytes(b"garbage")


def another_server(desk: Desk) -> None:
    files = desk.house.leaf(HOSTS, SERVER).files(desk.folder, "another")
    desk.server._context = server_context(**files, issuing_cas=[desk.house.issuing.certificate])


def expire(desk: Desk) -> None:
    desk.vendor.repository.timestamp.expires = datetime.now(UTC).replace(microsecond=0) - DAY
    desk.vendor.repository.sign()
    desk.vendor.lay_out()


def refuse(status: str, reason: str) -> Callable[[Desk], object]:
    return lambda desk: setattr(desk, "refusal", ("/", problem(status, reason, "It says no.")))


def make_folder(desk: Desk) -> None:
    (desk.root / ".spot" / "state.json").mkdir()


FAILURES: dict[str, tuple[Callable[[Desk], object], int, str]] = {
    "another server": (another_server, 3, "not the one your vendor pinned"),
    "a catalogue of another vendor": (lambda desk: desk.vendor.files.update(Vendor().files), 3, "not what your vendor"),
    "a mirror that is down": (lambda desk: desk.server.close(), 4, "cannot be reached"),
    "a mirror that is starting": (refuse("503 Service Unavailable", "unavailable"), 4, "It says no."),
    "no licence": (refuse("403 Forbidden", "not-licensed"), 5, "Ask your vendor"),
    "a revoked certificate": (refuse("403 Forbidden", "revoked"), 12, "new bundle"),
    "an unknown key in spot.toml": (
        lambda desk: (desk.root / "spot.toml").write_text('chanel = "beta"'),
        6,
        "spot.toml cannot be used",
    ),
    "a catalogue that has lapsed": (expire, 11, "Check the clock"),
    "damaged credentials": (spoil("client.pem"), 9, "credentials of this installation cannot be used"),
    "no credentials": (lambda desk: (desk.root / ".spot" / "client.pem").unlink(), 9, "cannot be used"),
    "a damaged identity": (spoil("identity.json"), 8, "identity.json"),
    "a damaged state": (spoil("state.json"), 8, "Restore it from a backup"),
    "a damaged journal": (spoil("journal.json"), 8, "journal.json"),
    "a damaged root of trust": (spoil("root.json"), 3, "not what your vendor signed"),
    "no root of trust": (lambda desk: (desk.root / ".spot" / "root.json").unlink(), 9, "enrol again"),
    "a folder where a file should be": (make_folder, 8, "This machine refused: Is a directory"),
}


@pytest.mark.parametrize("what", FAILURES)
def test_every_failure_has_its_exit_code_and_one_clear_line(enrolled: Desk, what: str) -> None:
    happen, code, said = FAILURES[what]
    happen(enrolled)
    told = enrolled.fails("install", TOOL)
    assert told[0] == code
    assert said in told[1]
    assert not (enrolled.root / TOOL).exists()


def test_a_second_spot_exits_with_7(enrolled: Desk) -> None:
    with Store(Paths(enrolled.root)).lock():
        code, said = enrolled.fails("update")
    assert code == 7
    assert "is at work" in said


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["install", "sdk"], 6),
        (["install", TOOL, "--version", "nonsense"], 6),
        (["install", TOOL, "--version", "9.9"], 6),
        (["install", "sdk/nosuch"], 5),
        (["rollback", TOOL], 6),
    ],
)
def test_what_cannot_be_asked_for_is_refused(enrolled: Desk, arguments: list[str], code: int) -> None:
    assert enrolled.fails(*arguments)[0] == code


def test_a_bundle_that_cannot_be_used_exits_with_6_and_changes_nothing(desk: Desk) -> None:
    (desk.folder / "bad").write_bytes(encode(msgspec.structs.replace(desk.bundle(), customer="globex")))
    for name in ("bad", "nowhere"):
        assert desk.fails("enrol", str(desk.folder / name))[0] == 6
    assert not (desk.root / ".spot" / "identity.json").exists()


def test_a_file_that_is_no_bundle_is_told_in_plain_words(desk: Desk) -> None:
    """Not in those of a parser."""
    (desk.folder / "photo").write_bytes(b"\x89PNG\r\n")
    code, said = desk.fails("enrol", str(desk.folder / "photo"))
    assert code == 6
    assert said.endswith("is not a bundle, or not a whole one: copy it again, or get a new one from your vendor.\n")


def test_a_thin_snapshot_that_cannot_be_said_is_a_refusal_too(enrolled: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    enrolled.says("install", TOOL)
    monkeypatch.setattr(thin_snapshot, "MAX_BYTES", 10)
    for arguments in (["thin-snapshot"], ["thin-snapshot", "--show"]):
        code, said = enrolled.fails(*arguments)
        assert code == 6
        assert "more than 10" in said


def test_a_thin_snapshot_that_was_owed_goes_out_with_the_next_check(enrolled: Desk) -> None:
    desk = enrolled
    desk.refusal = ("/installations/", problem("503 Service Unavailable", "unavailable"))
    code, out, err = desk("install", TOOL)
    assert code == 0
    assert f"{TOOL} is now 1.0." in out
    assert "will be sent later" in err
    assert "Thin snapshot: to be sent: sdk/tool 1.0\n" in desk.says("status")
    desk.refusal = ("nothing", b"")
    desk.says("check")
    assert desk.reports == [b'{"components":{"sdk/tool":"1.0"},"format":1,"min_spot":"0.1"}']
    assert "the mirror has the newest" in desk.says("status")


def test_thin_snapshots_that_come_too_often_hold_no_update_up(enrolled: Desk) -> None:
    desk = enrolled
    desk.refusal = ("/installations/", reply("429 Too Many Requests", Retry_After="3600"))
    begun = time.monotonic()
    code, out, err = desk("install", TOOL)
    assert (code, f"{TOOL} is now 1.0." in out) == (0, True)
    assert err.count("will be sent later") == 1
    assert time.monotonic() - begun < 30
    desk.refusal = ("nothing", b"")
    desk.says("update")
    assert desk.reports == [b'{"components":{"sdk/tool":"1.0"},"format":1,"min_spot":"0.1"}']


def test_a_mirror_that_asks_for_more_patience_than_a_run_has_ends_it_in_plain_words(enrolled: Desk) -> None:
    enrolled.refusal = ("/catalogue/", reply("429 Too Many Requests", Retry_After="600"))
    code, said = enrolled.fails("check", TOOL)
    assert code == 4
    assert "It asks to be left alone for 600 seconds; a later run goes on." in said


def test_a_timer_may_be_spread_and_nothing_is_asked_before(enrolled: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[tuple[float, int]] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: slept.append((seconds, len(enrolled.server.asked))))
    before = len(enrolled.server.asked)
    for command in ("update", "check"):
        for _ in range(20):
            assert enrolled(command, "--spread", "3600", "--quiet")[0] == 0
    assert slept[0][1] == before
    assert all(0 <= seconds <= 3600 for seconds, _ in slept)
    assert len({seconds for seconds, _ in slept}) == 40
    assert "not in the range" in enrolled("update", "--spread", "86401")[2]


def test_without_a_root_there_is_a_folder_for_this_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["spot", "status"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 9
    assert str(tmp_path / "spot") in capsys.readouterr().err
