"""`spot-mirror licence grant`, `end` and `list`, as a person sees them."""

import json
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from mirror.errors import RecordsError
from mirror.records.protocol import Licence
from tests.mirror.cli.desk import NOW, Desk, cells, new_desk


@pytest.fixture
def acme(tmp_path: Path) -> Desk:
    desk = new_desk(tmp_path)
    desk.says("customer", "add", "acme")
    return desk


def licences(desk: Desk) -> list[Licence]:
    with desk.store() as records:
        return list(records.licences())


def test_a_licence_is_granted_for_stable_from_today_on_for_one_installation_unless_said_otherwise(acme: Desk) -> None:
    said = acme.says("licence", "grant", "acme", "sdk")
    assert said == "acme is licensed for sdk: channels stable, from 2026-03-01, until open, installations 1.\n"
    assert licences(acme) == [Licence("acme", "sdk", ("stable",), date(2026, 3, 1), None, 1)]


def test_a_licence_granted_again_is_replaced_and_what_changed_is_told(acme: Desk) -> None:
    acme.says("licence", "grant", "acme", "sdk", "--from", "2026-01-01")
    again = ("licence", "grant", "acme", "sdk", "--from", "2026-01-01", "--until", "2026-12-31", "--installations", "7")
    channels = ("--channel", "stable", "--channel", "beta", "--channel", "beta")
    assert acme.says(*again, *channels).splitlines()[1:] == [
        "Changed: channels stable -> beta stable, until open -> 2026-12-31, installations 1 -> 7."
    ]
    assert acme.says(*again, *channels).splitlines()[1:] == ["Nothing changed: it was granted like this before."]
    expected = Licence("acme", "sdk", ("beta", "stable"), date(2026, 1, 1), date(2026, 12, 31), 7)
    assert licences(acme) == [expected]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("globex", "sdk"), "no-customer"),
        (("acme", "SDK"), "bad-name"),
        (("acme", "timestamp"), "bad-name"),
        (("acme", "sdk", "--channel", "a b"), "bad-name"),
        (("acme", "sdk", "--until", "2026-02-28"), "bad-licence"),
        (("acme", "sdk", "--installations", "0"), "bad-licence"),
    ],
)
def test_a_licence_that_cannot_be_is_refused(acme: Desk, words: tuple[str, ...], reason: str) -> None:
    assert acme.refusal("licence", "grant", *words) == reason
    assert licences(acme) == []


def test_a_later_first_day_does_not_cut_off_a_licence_in_force_unless_it_is_to_be_replaced(acme: Desk) -> None:
    acme.says("licence", "grant", "acme", "sdk", "--from", "2026-01-01", "--until", "2026-03-31")
    later = ("licence", "grant", "acme", "sdk", "--from", "2026-04-01")
    result = acme.run(*later)
    assert isinstance(result.exception, RecordsError)
    assert result.exception.reason == "would-cut-off"
    assert "leave out --from" in str(result.exception)
    assert "--replace" in str(result.exception)
    assert [line.valid_from for line in licences(acme)] == [date(2026, 1, 1)]
    acme.says(*later, "--replace")
    assert [line.valid_from for line in licences(acme)] == [date(2026, 4, 1)]


def test_a_later_first_day_is_granted_where_nothing_in_force_is_cut_off(acme: Desk) -> None:
    acme.says("licence", "grant", "acme", "other")
    acme.says("licence", "grant", "acme", "sdk", "--from", "2026-01-01", "--until", "2026-02-28")
    for day in ("2026-03-02", "2026-03-05", "2026-03-01"):
        acme.says("licence", "grant", "acme", "sdk", "--from", day)
    assert [line.valid_from for line in licences(acme) if line.product == "sdk"] == [date(2026, 3, 1)]


@pytest.mark.parametrize("day", ["tomorrow", "2026-02-30", "01.03.2026"])
def test_a_day_that_is_none_is_a_mistake_of_the_command_line(acme: Desk, day: str) -> None:
    assert acme.run("licence", "grant", "acme", "sdk", "--until", day).exit_code == 2
    assert licences(acme) == []


def test_a_licence_ends_at_once_or_with_a_last_day_and_never_later_than_before(acme: Desk) -> None:
    for product in ("now", "soon", "over"):
        acme.says("licence", "grant", "acme", product, "--from", "2026-01-01")
    assert acme.says("licence", "end", "acme", "now") == "acme's licence for now: ended, last day 2026-02-28.\n"
    said = acme.says("licence", "end", "acme", "soon", "--last-day", "2026-03-01")
    assert said == "acme's licence for soon: in force, last day 2026-03-01.\n"
    acme.says("licence", "end", "acme", "over", "--last-day", "2026-01-31")
    assert "2026-01-31" in acme.says("licence", "end", "acme", "over")
    assert acme.refusal("licence", "end", "acme", "never") == "no-licence"
    assert acme.refusal("licence", "end", "globex", "now") == "no-customer"
    assert acme.refusal("licence", "end", "acme", "a\x1b[2J") == "bad-name"


def test_licences_are_listed_with_their_state_and_the_installations_that_use_them(acme: Desk) -> None:
    assert "licence grant CUSTOMER PRODUCT" in acme.says("licence", "list")
    acme.says("customer", "add", "globex")
    acme.says("licence", "grant", "globex", "sdk", "--from", "2026-03-02", "--until", "2026-03-03")
    acme.says("licence", "grant", "acme", "sdk", "--installations", "2")
    acme.says("licence", "grant", "acme", "science", "--from", "2026-01-01", "--until", "2026-02-28")
    with acme.store() as records:
        for number, name in enumerate(("7k2m9xq40gct31vz", "8k2m9xq40gct31vz", "9k2m9xq40gct31vz")):
            records.mint("acme", bytes([number]), partial(str, name), NOW)
            records.put_thin_snapshot(name, {"sdk/a": "1.0", "sdk/b": "1.0"}, NOW)
        records.put_thin_snapshot("9k2m9xq40gct31vz", {"science/numpy": "2.2.5"}, NOW)
    rows = [
        ["acme", "science", "ended", "2026-01-01", "2026-02-28", "1", "/", "1", "stable"],
        ["acme", "sdk", "in", "force", "2026-03-01", "open", "2", "/", "2", "stable"],
        ["globex", "sdk", "not", "yet", "2026-03-02", "2026-03-03", "0", "/", "1", "stable"],
    ]
    assert cells(acme.says("licence", "list")) == rows
    assert cells(acme.says("licence", "list", "--customer", "globex")) == rows[2:]
    assert acme.refusal("licence", "list", "--customer", "a\udcffb") == "bad-name"


def test_a_product_without_a_release_is_licensed_with_a_note_beside_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "mirror")
    (tmp_path / "passphrase").write_text("correct horse battery staple\n")
    (tmp_path / "passphrase").chmod(0o600)
    source = tmp_path / "source"
    source.mkdir()
    (source / "tool").write_bytes(b"1")
    secret = ("--passphrase-file", str(tmp_path / "passphrase"))
    desk.folder.mkdir()
    desk.says("init", "--development", "--realm", "build.example.com", *secret)
    desk.says("customer", "add", "acme")
    before = desk.run("licence", "grant", "acme", "sdk")
    assert (before.exit_code, len(licences(desk))) == (0, 1)
    assert "no release of sdk is published yet" in before.stderr
    desk.says("publish", "sdk/tool", "1.0", str(source), *secret)
    assert desk.run("licence", "grant", "acme", "sdk").stderr == ""
    assert "no release of skd is published yet" in desk.run("licence", "grant", "acme", "skd").stderr


def test_a_catalogue_that_cannot_be_read_keeps_nobody_from_granting(acme: Desk) -> None:
    result = acme.run("licence", "grant", "acme", "sdk")
    assert result.exit_code == 0
    assert result.stderr.startswith("Note: whether sdk has releases cannot be told")
    assert len(licences(acme)) == 1


def test_a_licence_that_more_installations_use_than_are_paid_for_is_marked(acme: Desk) -> None:
    acme.says("licence", "grant", "acme", "sdk", "--installations", "2")
    with acme.store() as records:
        for number, name in enumerate(("7k2m9xq40gct31vz", "8k2m9xq40gct31vz", "9k2m9xq40gct31vz")):
            records.mint("acme", bytes([number]), partial(str, name), NOW)
            records.put_thin_snapshot(name, {"sdk/a": "1.0"}, NOW)
    assert "  3 / 2 (1 too many)  stable" in acme.says("licence", "list")
    (line,) = json.loads(acme.says("licence", "list", "--json"))
    assert line == {
        "customer": "acme",
        "product": "sdk",
        "state": "in force",
        "channels": ["stable"],
        "from": "2026-03-01",
        "until": None,
        "installations": 2,
        "used": 3,
        "over_used": True,
    }


def test_no_licence_is_an_empty_list_for_programs(acme: Desk) -> None:
    assert acme.says("licence", "list", "--json") == "[]\n"


def test_a_licence_that_has_not_begun_is_removed_and_one_that_has_cannot_end_before_it_began(tmp_path: Path) -> None:
    desk = new_desk(tmp_path)
    desk.says("customer", "add", "acme")
    desk.says("licence", "grant", "acme", "sdk", "--from", "2026-04-01")
    assert "removed: it was to begin on 2026-04-01" in desk.says("licence", "end", "acme", "sdk")
    assert "There is no licence" in desk.says("licence", "list")
    desk.says("licence", "grant", "acme", "sdk", "--from", "2026-02-01")
    assert desk.refusal("licence", "end", "acme", "sdk", "--last-day", "2026-01-31") == "bad-licence"
    assert "in force" in desk.says("licence", "list")


def test_a_licence_that_began_today_is_removed_and_not_said_to_be_one_of_the_future(acme: Desk) -> None:
    acme.says("licence", "grant", "acme", "sdk")
    assert acme.says("licence", "end", "acme", "sdk") == "acme's licence for sdk is removed: it began today.\n"
    assert "There is no licence" in acme.says("licence", "list")
    assert acme.says("licence", "list", "--json") == "[]\n"
