"""`spot-mirror licence apply` and `export`: licences as a file that people keep and change."""

import json
import os
import stat
from pathlib import Path

import pytest

from tests.mirror.cli.desk import Desk, cells, new_desk

WANTED = """\
[customer.acme.sdk]
channels = ["stable"]
from = 2026-01-01
until = 2026-12-31
installations = 10

[customer.globex]
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = new_desk(tmp_path)
    desk.says("customer", "add", "acme")
    desk.says("licence", "grant", "acme", "sdk", "--from", "2026-01-01", "--installations", "5")
    desk.says("licence", "grant", "acme", "tools", "--from", "2026-01-01")
    return desk


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "licences.toml"
    path.write_text(WANTED)
    return str(path)


def licences(desk: Desk) -> list[list[str]]:
    return [row[:7] for row in cells(desk.says("licence", "list"))]


BEFORE = [
    ["acme", "sdk", "in", "force", "2026-01-01", "open", "0"],
    ["acme", "tools", "in", "force", "2026-01-01", "open", "0"],
]
TABLE = [
    "STEP          CUSTOMER  PRODUCT  TERMS",
    "change        acme      sdk      until open -> 2026-12-31, installations 5 -> 10",
    "not-wanted    acme      tools    channels stable, from 2026-01-01, until open, installations 1",
    "add-customer  globex",
]


def test_a_dry_run_shows_the_difference_and_changes_nothing(desk: Desk, file: str) -> None:
    assert desk.says("licence", "apply", file, "--dry-run").splitlines() == [
        *TABLE,
        "2 changes would be made: this was a dry run; 0 licences as the file says.",
        "1 not in the file: with --prune, it ends.",
    ]
    assert licences(desk) == BEFORE
    assert len(cells(desk.says("customer", "list"))) == 1


def test_what_is_applied_is_shown_and_a_second_time_nothing_changes(desk: Desk, file: str) -> None:
    said = desk.says("licence", "apply", file).splitlines()
    assert said[: len(TABLE)] == TABLE
    assert said[len(TABLE)] == "2 changes made; 0 licences as the file says."
    assert [row[:6] for row in licences(desk)] == [
        ["acme", "sdk", "in", "force", "2026-01-01", "2026-12-31"],
        ["acme", "tools", "in", "force", "2026-01-01", "open"],
    ]
    assert [row[0] for row in cells(desk.says("customer", "list"))] == ["acme", "globex"]
    again = desk.says("licence", "apply", file)
    assert "0 changes made; 1 licence as the file says." in again
    assert desk.says("licence", "apply", file, "--prune").splitlines()[1] == (
        "end   acme      tools    until open -> 2026-02-28"
    )
    assert desk.says("licence", "apply", file, "--prune") == "Nothing changes: 1 licence as the file says.\n"


def test_a_licence_in_force_is_not_cut_off_unless_it_is_to_be_replaced(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "later.toml"
    path.write_text(WANTED.replace("from = 2026-01-01", "from = 2026-04-01"))
    for options in ((), ("--dry-run",)):
        assert desk.refusal("licence", "apply", str(path), *options) == "would-cut-off"
    assert licences(desk) == BEFORE
    assert len(cells(desk.says("customer", "list"))) == 1
    desk.says("licence", "apply", str(path), "--replace")
    assert licences(desk)[0][2:5] == ["not", "yet", "2026-04-01"]


def test_the_difference_for_programs(desk: Desk, file: str) -> None:
    told = json.loads(desk.says("licence", "apply", file, "--dry-run", "--json"))
    terms = {"channels": ["stable"], "from": "2026-01-01", "until": None, "installations": 5}
    tools = {**terms, "installations": 1}
    assert told == {
        "dry_run": True,
        "unchanged": 0,
        "steps": [
            {
                "step": "change",
                "customer": "acme",
                "product": "sdk",
                "old": terms,
                "new": {**terms, "until": "2026-12-31", "installations": 10},
            },
            {"step": "not-wanted", "customer": "acme", "product": "tools", "old": tools, "new": tools},
            {"step": "add-customer", "customer": "globex", "product": None, "old": None, "new": None},
        ],
    }


def test_products_without_a_release_are_noted_once_they_are_granted(desk: Desk, file: str) -> None:
    assert "Note: whether sdk has releases" in desk.run("licence", "apply", file).stderr
    assert desk.run("licence", "apply", file).stderr == ""


def test_what_is_exported_can_be_applied_and_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.says("customer", "add", "globex")
    desk.says("licence", "grant", "acme", "more", "--channel", "beta", "--channel", "stable", "--until", "2027-01-01")
    desk.says("licence", "end", "acme", "tools")
    out = tmp_path / "out.toml"
    result = desk.run("licence", "export", "--out", str(out))
    assert (result.stdout, result.stderr) == ("", f"Wrote 2 licences of 2 customers to {out}.\n")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_text() == desk.says("licence", "export")
    assert "tools" not in out.read_text()
    assert desk.says("licence", "apply", str(out), "--prune") == "Nothing changes: 2 licences as the file says.\n"
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    other = new_desk(fresh)
    other.says("licence", "apply", str(out))
    assert other.says("licence", "export") == out.read_text()


def test_the_export_can_be_that_of_one_customer(desk: Desk) -> None:
    desk.says("customer", "add", "globex")
    assert "acme" not in desk.says("licence", "export", "--customer", "globex")
    assert desk.refusal("licence", "export", "--customer", "acne") == "no-customer"


def test_an_empty_mirror_exports_a_file_that_can_be_applied(tmp_path: Path) -> None:
    desk = new_desk(tmp_path)
    (tmp_path / "none.toml").write_text(desk.says("licence", "export"))
    assert desk.says("licence", "apply", str(tmp_path / "none.toml")).startswith("Nothing changes")


def test_a_file_that_cannot_be_read_is_named(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[customer.acme.sdk]\n")
    assert desk.refusal("licence", "apply", str(tmp_path / "bad.toml")) == "bad-file"
    for path in (tmp_path / "missing.toml", tmp_path):
        exception = desk.run("licence", "apply", str(path)).exception
        assert isinstance(exception, OSError)
        assert exception.filename == str(path)
    assert licences(desk) == BEFORE


def test_a_file_without_end_is_not_read_to_its_end_and_a_pipe_not_waited_for(desk: Desk) -> None:
    with (desk.folder / "huge.toml").open("wb") as file:
        file.truncate(2**40)
    assert desk.refusal("licence", "apply", str(desk.folder / "huge.toml")) == "too-large"
    assert desk.refusal("licence", "apply", "/dev/zero") == "not-a-file"
    os.mkfifo(desk.folder / "pipe")
    assert desk.refusal("licence", "apply", str(desk.folder / "pipe")) == "not-a-file"
