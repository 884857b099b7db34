"""`spot-mirror thin-snapshots export`: rows for other programs, of a fleet of any size."""

import csv
import io
import json
import sqlite3
import stat
import tracemalloc
from contextlib import closing
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.identity import ID_PATTERN
from mirror.records.sqlite import FILE_NAME
from spot_client.wire import installation, names
from spot_client.wire.errors import BadName
from spot_client.wire.installation import short_form
from tests.mirror.cli.desk import NOW, Desk, new_desk

DAY = timedelta(days=1)
OURS, BARE, SILENT = "7k2m9xq40gct31vz", "8k2m9xq40gct31vz", "9k2m9xq40gct31vz"
HEAD = ["customer", "installation", "short_form", "enrolled", "last_seen", "component", "version", "from", "to"]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """acme with a history, globex with an installation that has nothing any more and one that has sent nothing."""
    desk = new_desk(tmp_path)
    desk.says("customer", "add", "acme", "globex")
    with desk.store() as records:
        for customer, name in (("globex", SILENT), ("acme", OURS), ("globex", BARE)):
            records.mint(customer, name.encode(), partial(str, name), NOW - 9 * DAY)
        records.put_thin_snapshot(OURS, {"sdk/docs": "1.0", "sdk/botocore": "1.40.0"}, NOW - 8 * DAY)
        records.put_thin_snapshot(OURS, {"sdk/botocore": "1.40.1"}, NOW - 2 * DAY)
        records.put_thin_snapshot(OURS, {"sdk/botocore": "1.40.1"}, NOW - DAY)
        records.put_thin_snapshot(BARE, {}, NOW)
    return desk


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_a_row_for_every_component_of_every_installation(desk: Desk) -> None:
    enrolled, now = "2026-02-20T12:00:00Z", "2026-03-01T12:00:00Z"
    ours = ["acme", OURS, "7K2M-9XQ4-AE", enrolled, "2026-02-28T12:00:00Z"]
    assert rows(desk.says("thin-snapshots", "export")) == [
        HEAD,
        [*ours, "sdk/botocore", "1.40.1", "2026-02-27T12:00:00Z", "2026-02-28T12:00:00Z"],
        ["globex", BARE, short_form(BARE), enrolled, now, "", "", now, now],
        ["globex", SILENT, short_form(SILENT), enrolled, enrolled, "", "", "", ""],
    ]


def test_with_history_also_those_it_had_newest_first(desk: Desk) -> None:
    found = [row[5:7] for row in rows(desk.says("thin-snapshots", "export", "--history", "--customer", "acme"))]
    assert found[1:] == [["sdk/botocore", "1.40.1"], ["sdk/botocore", "1.40.0"], ["sdk/docs", "1.0"]]


@pytest.mark.parametrize("options", [(), ("--history",), ("--customer", "globex")])
def test_json_holds_the_same_with_null_for_what_is_not_there(desk: Desk, options: tuple[str, ...]) -> None:
    head, *body = rows(desk.says("thin-snapshots", "export", *options))
    told = json.loads(desk.says("thin-snapshots", "export", "--format", "json", *options))
    assert [list(one) for one in told] == [head] * len(body)
    assert [["" if value is None else value for value in one.values()] for one in told] == body
    assert not any(value == "" for one in told for value in one.values())


@pytest.mark.parametrize(("form", "empty"), [("json", "[]\n"), ("csv", ",".join(HEAD) + "\r\n")])
def test_an_empty_fleet_is_an_empty_document(tmp_path: Path, form: str, empty: str) -> None:
    assert new_desk(tmp_path).run("thin-snapshots", "export", "--format", form).stdout_bytes == empty.encode()


def test_a_customer_who_is_not_there_is_told(desk: Desk) -> None:
    assert desk.refusal("thin-snapshots", "export", "--customer", "acne") == "no-customer"
    assert desk.refusal("thin-snapshots", "export", "--customer", "../acme") == "bad-name"


def test_a_file_is_written_whole_for_its_owner_only_and_in_place_of_an_older_one(desk: Desk, tmp_path: Path) -> None:
    out = tmp_path / "fleet.csv"
    out.write_text("older")
    (tmp_path / ".fleet.csv.part").write_text("of a killed run")
    result = desk.run("thin-snapshots", "export", "--out", str(out))
    assert (result.stdout, result.stderr) == ("", f"Wrote 3 rows to {out}.\n")
    assert out.read_bytes() == desk.run("thin-snapshots", "export").stdout_bytes
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert not (tmp_path / ".fleet.csv.part").exists()


def test_what_fails_leaves_the_older_file_and_nothing_beside_it(desk: Desk, tmp_path: Path) -> None:
    out = tmp_path / "fleet.csv"
    out.write_text("older")
    assert desk.refusal("thin-snapshots", "export", "--customer", "acne", "--out", str(out)) == "no-customer"
    assert isinstance(desk.run("thin-snapshots", "export", "--out", str(tmp_path / "no/fleet.csv")).exception, OSError)
    assert desk.refusal("thin-snapshots", "export", "--out", str(tmp_path / "data")) == "not-a-file"
    assert out.read_text() == "older"
    assert {path.name for path in tmp_path.iterdir()} == {"data", "fleet.csv", "mirror.toml"}


@given(st.text(max_size=12) | st.from_regex(r"[=+@\t\r|'-]?[0-9a-z.!+]{1,12}", fullmatch=True))
def test_no_name_or_version_that_is_stored_is_a_formula_to_a_spreadsheet(text: str) -> None:
    stored = [text] if ID_PATTERN.fullmatch(text) else []
    try:
        names.check_version(text)
        stored.append(text)
    except BadName:
        pass
    assert all(value[0].isalnum() and value[0].isascii() for value in stored)


@pytest.mark.slow
def test_a_fleet_ten_times_as_large_takes_no_more_memory(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        folder = tmp_path / str(count)
        folder.mkdir()
        desk = fleet(new_desk(folder), count)
        tracemalloc.start()
        desk.says("thin-snapshots", "export", "--out", str(folder / "fleet.csv"))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (folder / "fleet.csv").read_bytes().count(b"\r\n") == 1 + 2 * count
        return size

    peak(1)  # what is loaded once
    assert peak(10_000) < 1.5 * peak(1_000)


def fleet(desk: Desk, count: int) -> Desk:
    """So many installations of one customer, each with two components; in one transaction, past the store's calls."""
    desk.says("customer", "add", "acme")
    ids = [installation.mint(sha256(str(number).encode()).digest()[: installation.ID_BYTES]) for number in range(count)]
    with closing(sqlite3.connect(desk.folder / "data" / FILE_NAME)) as db, db:
        db.execute("INSERT INTO content VALUES (1, x'00', ?)", (json.dumps({"sdk/a": "1.0", "sdk/b": "1.0"}),))
        db.executemany(
            "INSERT INTO installation (id, customer, request, enrolled, last_seen) VALUES (?, 1, ?, 0, 0)",
            [(name, name.encode()) for name in ids],
        )
        db.execute("INSERT INTO line (installation, content, first, last) SELECT key, 1, 0, 0 FROM installation")
    return desk
