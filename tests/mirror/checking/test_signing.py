"""mirror.checking.signing: whose keys lie where, and what waits, on mirrors that the real commands made."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mirror.checking.look import look
from mirror.checking.noted import Noted
from mirror.signing import marks
from mirror.signing.marks import HighWater
from spot_client.wire import document
from tests.mirror.cli.shell import Shell
from tests.mirror.cli.vendor import approve, ceremony, person
from tests.mirror.publishing.rig import folder_of

CODES = {"one-key", "keys-together", "no-high-water", "not-visible", "waits-long", "no-timer", "bad-staged", "bad-mode"}
CODES |= {"bad-mark", "behind-mark"}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    folder_of(tmp_path / "source", {"tool": b"#!/bin/sh\n"})
    return Shell(tmp_path, monkeypatch, capsys)


def told(shell: Shell, later: timedelta = timedelta(0)) -> set[tuple[str, str]]:
    """What concerns signing of all that is not good."""
    return {(severity, code) for severity, code, _ in _found(shell, later)}


def _found(shell: Shell, later: timedelta) -> Iterator[tuple[str, str, str]]:
    now = datetime.now(UTC) + later
    for one in look(shell.folder / "mirror.toml", now, Noted(), deep=False, progress=lambda _what, _done, _total: None):
        if one.severity != "ok" and one.code in CODES:
            yield one.severity, one.code, one.text


def test_a_mirror_for_development_is_told_what_it_is(shell: Shell) -> None:
    shell.done("init", "--development", "--realm", "build.example.com")
    assert told(shell) == {("advice", code) for code in ("one-key", "keys-together", "no-high-water")}


def test_a_mirror_of_people_in_order_has_nothing_to_be_told(shell: Shell) -> None:
    ceremony(shell)
    assert told(shell) == {("advice", "no-high-water")}
    config = shell.folder / "mirror.toml"
    config.write_text(config.read_text().replace("# high_water = ", "high_water = "))
    assert told(shell) == set()


def test_a_first_catalogue_that_waits_is_no_damage(shell: Shell) -> None:
    ceremony(shell, signed=False)
    assert told(shell) == {("advice", "no-high-water"), ("advice", "not-visible")}
    assert ("warning", "waits-long") in told(shell, timedelta(days=2))


def test_what_waits_for_a_second_person_for_more_than_a_day_is_told(shell: Shell) -> None:
    ceremony(shell)
    shell.done("publish", "sdk/tool", "1.0", "source", *person(shell, "alice"))
    assert ("warning", "waits-long") not in told(shell, timedelta(hours=23))
    late = [text for _, code, text in _found(shell, timedelta(hours=25)) if code == "waits-long"]
    assert [text.split()[1] for text in late] == ["sdk", "targets"]
    assert all("1 more signature" in text for text in late)
    approve(shell, "bob")
    shell.done("catalogue-timer", "--once")
    assert ("warning", "waits-long") not in told(shell, timedelta(hours=25))


def test_the_timers_keys_among_those_of_people_are_told(shell: Shell) -> None:
    ceremony(shell)
    config = shell.folder / "mirror.toml"
    config.write_text(config.read_text().replace('online_keys = "online-keys"', 'online_keys = "keys"'))
    assert ("advice", "keys-together") in told(shell)


def test_a_timers_key_that_others_may_read_is_told(shell: Shell) -> None:
    ceremony(shell)
    (shell.folder / "online-keys/snapshot.pem").chmod(0o640)
    assert ("problem", "bad-mode") in told(shell)


def test_a_damaged_file_of_what_waits_is_a_problem(shell: Shell) -> None:
    ceremony(shell)
    (shell.folder / "data/publishing/staged.json").write_text("{}")
    assert ("problem", "bad-staged") in told(shell)


def test_a_host_that_knows_no_signing_keys_is_not_told_of_them(shell: Shell) -> None:
    ceremony(shell)
    for name in ("keys", "online-keys"):
        (shell.folder / name).rename(shell.folder / f"elsewhere-{name}")
    assert told(shell) == set()


def test_a_damaged_mark_of_a_restore_is_a_problem_with_its_next_step(shell: Shell) -> None:
    ceremony(shell)
    (shell.folder / "data/publishing/floors.json").write_text("{}")
    (found,) = [text for _, code, text in _found(shell, timedelta(0)) if code == "bad-mark"]
    assert "restore --above" in found


def test_a_mark_of_another_catalogue_is_a_problem(shell: Shell) -> None:
    ceremony(shell)
    config = shell.folder / "mirror.toml"
    config.write_text(config.read_text().replace("# high_water = ", "high_water = ").replace("/mnt/elsewhere/", ""))
    (shell.folder / "high-water.json").write_bytes(document.encode(HighWater(roots={"1": "{}"})))
    (found,) = [text for _, code, text in _found(shell, timedelta(0)) if code == "bad-mark"]
    assert "another catalogue" in found


def test_a_catalogue_behind_the_mark_is_a_problem(shell: Shell) -> None:
    ceremony(shell)
    marks.write(shell.folder / "data/publishing/floors.json", HighWater(versions={"sdk": 7}))
    (found,) = [text for _, code, text in _found(shell, timedelta(0)) if code == "behind-mark"]
    assert "sdk: older than what clients may have seen" in found
