"""`spot-mirror customer`, as a person sees it."""

import json
import os
import pty
import sqlite3
import subprocess
import sysconfig
from contextlib import closing
from pathlib import Path

import pytest

from mirror.cli import main
from tests.mirror.cli.desk import NOW, Desk, cells, new_desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return new_desk(tmp_path)


@pytest.fixture
def acme(desk: Desk) -> Desk:
    desk.says("customer", "add", "acme")
    return desk


def test_customers_are_added_and_listed_with_what_they_have(desk: Desk) -> None:
    assert "customer add NAME" in desk.says("customer", "list")
    assert "licence grant globex PRODUCT" in desk.says("customer", "add", "globex", "acme")
    desk.says("licence", "grant", "acme", "sdk")
    desk.says("licence", "grant", "acme", "tools", "--from", "2026-03-02")
    with desk.store() as records:
        records.mint("globex", b"", lambda: "7k2m9xq40gct31vz", NOW)
    assert desk.says("customer", "list").splitlines() == [
        "CUSTOMER  ADDED                 LICENSED FOR  INSTALLATIONS  SUSPENDED",
        "acme      2026-03-01 12:00:00Z  sdk           0",
        "globex    2026-03-01 12:00:00Z  nothing       1",
    ]


def test_a_customer_who_is_there_or_no_id_stops_the_adding(acme: Desk) -> None:
    assert acme.refusal("customer", "add", "globex", "acme", "initech") == "customer-exists"
    assert acme.refusal("customer", "add", "Initech") == "bad-name"
    assert [row[0] for row in cells(acme.says("customer", "list"))] == ["acme", "globex"]


def test_a_suspended_customer_is_shown_with_the_reason_until_it_is_resumed(acme: Desk) -> None:
    acme.says("licence", "grant", "acme", "sdk")
    assert "customer resume acme" in acme.says("customer", "suspend", "acme", "--reason", " invoice 17 is unpaid ")
    (line,) = acme.says("customer", "list").splitlines()[1:]
    assert line.endswith("  sdk           0              2026-03-01 12:00:00Z (just now) invoice 17 is unpaid")
    assert acme.says("customer", "resume", "acme") == (
        "acme is served again; it was suspended since 2026-03-01 12:00:00Z (invoice 17 is unpaid).\n"
    )
    assert len(acme.says("customer", "list").splitlines()[1].split()) == 5


def test_suspending_and_resuming_twice_says_that_nothing_changed(acme: Desk) -> None:
    assert "was not suspended; nothing was changed" in acme.says("customer", "resume", "acme")
    acme.says("customer", "suspend", "acme", "--reason", "unpaid")
    for again in ((), ("--reason", "unpaid")):
        said = acme.says("customer", "suspend", "acme", *again)
        assert said == "acme is suspended already, since 2026-03-01 12:00:00Z (unpaid); nothing was changed.\n"
    assert "the reason was changed to: left" in acme.says("customer", "suspend", "acme", "--reason", "left")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("suspend", "globex"), "no-customer"),
        (("resume", "globex"), "no-customer"),
        (("remove", "globex", "--yes"), "no-customer"),
        (("suspend", "a\x1b[2J"), "bad-name"),
        (("remove", "a\x1b[2J", "--yes"), "bad-name"),
        (("suspend", "acme", "--reason", "a\x1b[2J"), "bad-reason"),
        (("suspend", "acme", "--reason", "x" * 201), "bad-reason"),
    ],
)
def test_what_cannot_be_suspended_resumed_or_removed_is_refused(acme: Desk, words: list[str], reason: str) -> None:
    assert acme.refusal("customer", *words) == reason
    assert [row[0] for row in cells(acme.says("customer", "list"))] == ["acme"]


@pytest.fixture
def leaving(acme: Desk) -> Desk:
    """acme with a licence, an installation and two thin snapshots."""
    acme.says("licence", "grant", "acme", "sdk")
    with acme.store() as records:
        minted = records.mint("acme", b"", lambda: "7k2m9xq40gct31vz", NOW)
        for version in ("1.0", "2.0"):
            records.put_thin_snapshot(minted.id, {"sdk/botocore": version}, NOW)
    return acme


GOES = "1 licence (sdk), 1 installation, 2 thin snapshots"


def test_a_licensed_customer_has_to_be_suspended_before_it_is_removed(leaving: Desk) -> None:
    for options in ((), ("--yes",), ("--dry-run",)):
        assert leaving.refusal("customer", "remove", "acme", *options) == "in-force"
    leaving.says("customer", "suspend", "acme")
    dry = leaving.says("customer", "remove", "acme", "--dry-run")
    assert dry == f"This goes for ever with acme: {GOES}.\nNothing was removed: this was a dry run.\n"
    assert len(cells(leaving.says("customer", "list"))) == 1
    gone = leaving.says("customer", "remove", "acme", "--yes").splitlines()
    assert gone[1] == f"Removed acme: {GOES}."
    assert "spot-ca list --name acme" in gone[2]
    assert "spot-ca revoke" in gone[2]
    assert leaving.says("customer", "list").startswith("There is no customer yet")


def test_where_nobody_can_be_asked_only_yes_removes(leaving: Desk) -> None:
    leaving.says("customer", "suspend", "acme")
    result = leaving.run("customer", "remove", "acme")
    assert (result.exit_code, "--yes" in result.stderr) == (2, True)
    assert len(cells(leaving.says("customer", "list"))) == 1


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 0), ("n\n", 3, 1), ("\n", 3, 1)])
def test_on_a_terminal_a_person_is_asked(leaving: Desk, answer: str, code: int, left: int) -> None:
    leaving.says("customer", "suspend", "acme")
    ours, theirs = pty.openpty()
    program = Path(sysconfig.get_path("scripts")) / "spot-mirror"
    command = [str(program), "customer", "remove", "acme", "--config", str(leaving.folder / "mirror.toml")]
    os.write(ours, answer.encode())
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=30, check=False)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == code, done.stderr
    assert "Remove acme for ever? [y/N]" in done.stderr
    assert ("Nothing was removed" in done.stderr) == bool(code)
    with leaving.store() as records:
        assert len(records.customers()) == left


def test_customers_for_programs(leaving: Desk) -> None:
    leaving.says("customer", "add", "globex")
    leaving.says("customer", "suspend", "globex", "--reason", "ünpaid")
    acme, globex = json.loads(leaving.says("customer", "list", "--json"))
    assert acme == {
        "customer": "acme",
        "added": "2026-03-01T12:00:00Z",
        "licensed_for": ["sdk"],
        "installations": 1,
        "suspended": None,
    }
    assert globex["suspended"] == {"since": "2026-03-01T12:00:00Z", "reason": "ünpaid"}
    assert (globex["licensed_for"], globex["installations"]) == ([], 0)


def test_no_customer_is_an_empty_list_for_programs(desk: Desk) -> None:
    assert desk.says("customer", "list", "--json") == "[]\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["customer", "add", "acme"], 3),
        (["licence", "list", "--customer", "ACME"], 3),
        (["customer", "list", "--config", "missing.toml"], 5),
    ],
)
def test_a_failure_is_one_sentence_and_an_exit_code(
    acme: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], code: int
) -> None:
    monkeypatch.chdir(acme.folder)
    monkeypatch.setattr("sys.argv", ["spot-mirror", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    said = capsys.readouterr()
    assert caught.value.code == code
    assert said.out == ""
    assert said.err.startswith("spot-mirror: ")
    assert len(said.err.splitlines()) == 1


def test_damaged_records_are_told_from_all_else_by_their_exit_code(
    acme: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (acme.folder / "data" / "records.sqlite").write_bytes(b"x" * 4096)
    monkeypatch.chdir(acme.folder)
    monkeypatch.setattr("sys.argv", ["spot-mirror", "customer", "list"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 6
    assert "restore it from a backup" in capsys.readouterr().err


def test_what_a_removed_customer_had_is_in_no_byte_of_the_records_and_what_others_have_stays(leaving: Desk) -> None:
    with leaving.store() as records:
        records.add_customer("globex", NOW)
        theirs = records.mint("globex", b"", lambda: "8k2m9xq40gct31vz", NOW).id
        records.put_thin_snapshot("7k2m9xq40gct31vz", {"sdk/only-acme-has-this": "1.0"}, NOW)
        records.put_thin_snapshot(theirs, {"sdk/botocore": "2.0"}, NOW)
    file = leaving.folder / "data" / "records.sqlite"
    assert b"only-acme-has-this" in file.read_bytes()
    leaving.says("customer", "suspend", "acme")
    leaving.says("customer", "remove", "acme", "--yes")
    assert b"only-acme-has-this" not in file.read_bytes()
    assert b"7k2m9xq40gct31vz" not in file.read_bytes()
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT count(*) FROM content").fetchone() == (1,)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    with leaving.store() as records:
        assert [line.components for line in records.thin_snapshots(theirs)] == [{"sdk/botocore": "2.0"}]
