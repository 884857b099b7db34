"""`spot-mirror thin-snapshots`, as support sees it."""

import json
import re
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from spot_client.wire.installation import short_form
from tests.mirror.cli.desk import NOW, Desk, new_desk

DAY = timedelta(days=1)
OURS, THEIRS, SILENT = "7k2m9xq40gct31vz", "7k3m9xq40gct31vz", "8k2m9xq40gct31vz"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A fleet of three: acme's with a history, one of globex, and one that has sent nothing yet."""
    desk = new_desk(tmp_path)
    desk.says("customer", "add", "acme", "globex")
    with desk.store() as records:
        for customer, name in (("acme", OURS), ("globex", THEIRS), ("globex", SILENT)):
            records.mint(customer, name.encode(), partial(str, name), NOW - 9 * DAY)
        records.put_thin_snapshot(OURS, {"sdk/botocore": "1.40.0", "sdk/docs": "1.0"}, NOW - 8 * DAY)
        records.put_thin_snapshot(OURS, {"sdk/botocore": "1.40.0", "sdk/docs": "1.0"}, NOW - 6 * DAY)
        records.put_thin_snapshot(OURS, {"sdk/botocore": "1.40.1", "science/numpy": "2.2.5"}, NOW - 2 * DAY)
        records.put_thin_snapshot(THEIRS, {"sdk/botocore": "1.40.0"}, NOW - timedelta(hours=3))
        records.seen({OURS: NOW - timedelta(seconds=90)})
    return desk


def changes(desk: Desk, *words: str) -> list[list[str]]:
    """The rows that `diff` prints, without the three lines above them."""
    return [line.split() for line in desk.says("thin-snapshots", "diff", *words).splitlines()[3:]]


def test_an_empty_mirror_says_how_installations_come_about(tmp_path: Path) -> None:
    assert "spot enrol" in new_desk(tmp_path).says("thin-snapshots", "list")


def test_the_list_shows_both_clocks_with_ages_and_the_versions(desk: Desk) -> None:
    lines = desk.says("thin-snapshots", "list").splitlines()
    assert [re.split(r" {2,}", line) for line in lines] == [
        ["INSTALLATION", "ID", "CUSTOMER", "LAST SEEN", "VERSIONS AS OF", "COMPONENTS"],
        [
            "7K2M-9XQ4-AE",
            OURS,
            "acme",
            "2026-03-01 11:58:30Z (1 minute ago)",
            "2026-02-27 12:00:00Z (2 days ago)",
            "science/numpy=2.2.5 sdk/botocore=1.40.1",
        ],
        [
            short_form(THEIRS),
            THEIRS,
            "globex",
            "2026-03-01 09:00:00Z (3 hours ago)",
            "2026-03-01 09:00:00Z (3 hours ago)",
            "sdk/botocore=1.40.0",
        ],
        [short_form(SILENT), SILENT, "globex", "2026-02-20 12:00:00Z (9 days ago)", "never"],
    ]


def test_the_list_can_be_that_of_one_customer(desk: Desk) -> None:
    listed = desk.says("thin-snapshots", "list", "--customer", "globex")
    assert OURS not in listed
    assert THEIRS in listed
    assert SILENT in listed
    assert desk.refusal("thin-snapshots", "list", "--customer", "../acme") == "bad-name"


def test_a_customer_without_installation_is_told_from_one_who_is_not_there(desk: Desk) -> None:
    desk.says("customer", "add", "initech")
    assert desk.says("thin-snapshots", "list", "--customer", "initech").startswith("initech has no installation yet")
    assert desk.refusal("thin-snapshots", "list", "--customer", "acne") == "no-customer"


@pytest.mark.parametrize(
    "name", [OURS, OURS[:3], OURS.upper(), "7K2M-9XQ4-AE", "7k2m 9xq4 ae", "7k2m9xq4ae", OURS[:10]]
)
def test_an_installation_is_named_by_its_id_the_beginning_of_it_or_its_short_form(desk: Desk, name: str) -> None:
    assert desk.says("thin-snapshots", "show", name).startswith(f"7K2M-9XQ4-AE of acme, id {OURS}\n")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("7K2M-9XQ4-AF", "check-characters"),
        ("7K2M-9QX4-AE", "check-characters"),
        ("7k2m9xq4af", "check-characters"),
        ("our server", "bad-short-form"),
        ("", "bad-short-form"),
        ("%", "bad-short-form"),
        ("7\udcff", "bad-short-form"),
        (OURS + "0", "bad-short-form"),
        ("7k", "ambiguous"),
        ("9", "no-installation"),
        (short_form("0000000000000000"), "no-installation"),
    ],
)
def test_an_installation_that_cannot_be_meant_is_refused(desk: Desk, name: str, reason: str) -> None:
    assert desk.refusal("thin-snapshots", "show", name) == reason


def test_show_tells_the_newest_versions_and_with_history_all(desk: Desk) -> None:
    newest = desk.says("thin-snapshots", "show", OURS)
    assert newest.splitlines()[1:] == [
        "enrolled        2026-02-20 12:00:00Z (9 days ago)",
        "last seen       2026-03-01 11:58:30Z (1 minute ago)",
        "versions as of  2026-02-27 12:00:00Z (2 days ago)",
        "",
        "From 2026-02-27 12:00:00Z to 2026-02-27 12:00:00Z",
        "COMPONENT      VERSION",
        "science/numpy  2.2.5",
        "sdk/botocore   1.40.1",
    ]
    history = desk.says("thin-snapshots", "show", OURS, "--history")
    assert history.startswith(newest)
    assert history.removeprefix(newest).splitlines() == [
        "",
        "From 2026-02-21 12:00:00Z to 2026-02-23 12:00:00Z",
        "COMPONENT     VERSION",
        "sdk/botocore  1.40.0",
        "sdk/docs      1.0",
    ]


def test_an_installation_that_has_sent_nothing_is_shown_as_such(desk: Desk) -> None:
    assert desk.says("thin-snapshots", "show", SILENT).splitlines()[-1] == "versions as of  never"


LAST_CHANGE = [
    ["added", "science/numpy", "-", "2.2.5"],
    ["up", "sdk/botocore", "1.40.0", "1.40.1"],
    ["removed", "sdk/docs", "1.0", "-"],
]


@pytest.mark.parametrize(
    "words",
    [
        (OURS,),
        (OURS, "--since", "2026-02-22"),
        (OURS, "--since", "2026-02-27T11:59:59Z"),
        (OURS, "--since", "2026-02-21 12:00:00Z", "--until", "2026-02-27T12:00"),
    ],
    ids=["last-change", "since-a-day", "since-a-second", "between"],
)
def test_diff_compares_two_points_of_an_installations_history(desk: Desk, words: tuple[str, ...]) -> None:
    assert changes(desk, *words) == LAST_CHANGE


def test_diff_compares_the_newest_versions_of_two_installations(desk: Desk) -> None:
    said = desk.says("thin-snapshots", "diff", OURS, THEIRS)
    assert said.splitlines()[:2] == [
        "From 7K2M-9XQ4-AE of acme, versions from 2026-02-27 12:00:00Z to 2026-02-27 12:00:00Z",
        f"to   {short_form(THEIRS)} of globex, versions from 2026-03-01 09:00:00Z to 2026-03-01 09:00:00Z",
    ]
    assert changes(desk, OURS, THEIRS) == [
        ["removed", "science/numpy", "2.2.5", "-"],
        ["down", "sdk/botocore", "1.40.1", "1.40.0"],
    ]


def test_diff_says_so_if_the_versions_are_the_same(desk: Desk) -> None:
    assert desk.says("thin-snapshots", "diff", OURS, OURS).endswith("\nThe versions are the same.\n")


@pytest.mark.parametrize(
    "words",
    [
        (SILENT,),
        (THEIRS,),
        (OURS, SILENT),
        (SILENT, OURS),
        (OURS, "--since", "2026-02-21"),
        (SILENT, "--since", "2026-02-21"),
    ],
)
def test_diff_refuses_to_compare_with_versions_it_does_not_know(desk: Desk, words: tuple[str, ...]) -> None:
    assert desk.refusal("thin-snapshots", "diff", *words) == "no-thin-snapshot"


@pytest.mark.parametrize(
    "words",
    [
        (OURS, THEIRS, "--since", "2026-02-22"),
        (OURS, "--until", "2026-02-22"),
        (OURS, "--since", "2026-02-22", "--until", "2026-02-21"),
        (OURS, "--since", "yesterday"),
    ],
)
def test_diff_refuses_points_in_time_that_make_no_sense(desk: Desk, words: tuple[str, ...]) -> None:
    assert desk.run("thin-snapshots", "diff", *words).exit_code == 2


def test_the_list_for_programs(desk: Desk) -> None:
    ours, theirs, silent = json.loads(desk.says("thin-snapshots", "list", "--json"))
    assert ours == {
        "installation": OURS,
        "short_form": "7K2M-9XQ4-AE",
        "customer": "acme",
        "enrolled": "2026-02-20T12:00:00Z",
        "last_seen": "2026-03-01T11:58:30Z",
        "versions_as_of": "2026-02-27T12:00:00Z",
        "components": {"science/numpy": "2.2.5", "sdk/botocore": "1.40.1"},
    }
    assert theirs["components"] == {"sdk/botocore": "1.40.0"}
    assert (silent["installation"], silent["versions_as_of"], silent["components"]) == (SILENT, None, None)


def test_an_empty_fleet_is_an_empty_list_for_programs(desk: Desk) -> None:
    desk.says("customer", "add", "initech")
    assert desk.says("thin-snapshots", "list", "--customer", "initech", "--json") == "[]\n"


def test_one_installation_for_programs(desk: Desk) -> None:
    told = json.loads(desk.says("thin-snapshots", "show", OURS, "--history", "--json"))
    assert (told["installation"], told["customer"]) == (OURS, "acme")
    assert told["thin_snapshots"] == [
        {
            "from": "2026-02-27T12:00:00Z",
            "to": "2026-02-27T12:00:00Z",
            "components": {"science/numpy": "2.2.5", "sdk/botocore": "1.40.1"},
        },
        {
            "from": "2026-02-21T12:00:00Z",
            "to": "2026-02-23T12:00:00Z",
            "components": {"sdk/botocore": "1.40.0", "sdk/docs": "1.0"},
        },
    ]
    newest = json.loads(desk.says("thin-snapshots", "show", OURS, "--json"))
    assert newest == {**told, "thin_snapshots": told["thin_snapshots"][:1]}
    assert json.loads(desk.says("thin-snapshots", "show", SILENT, "--json"))["thin_snapshots"] == []


def test_a_comparison_for_programs(desk: Desk) -> None:
    told = json.loads(desk.says("thin-snapshots", "diff", OURS, "--json"))
    assert told["from"] == {
        "installation": OURS,
        "short_form": "7K2M-9XQ4-AE",
        "customer": "acme",
        "from": "2026-02-21T12:00:00Z",
        "to": "2026-02-23T12:00:00Z",
    }
    assert told["to"]["from"] == "2026-02-27T12:00:00Z"
    assert told["changes"] == [
        {"component": "science/numpy", "change": "added", "from": None, "to": "2.2.5"},
        {"component": "sdk/botocore", "change": "up", "from": "1.40.0", "to": "1.40.1"},
        {"component": "sdk/docs", "change": "removed", "from": "1.0", "to": None},
    ]
    same = json.loads(desk.says("thin-snapshots", "diff", THEIRS, THEIRS, "--json"))
    assert same["changes"] == []
