"""docs/reference/reasons.md has every reason, status, exit code and finding of the code, and no other."""

from typing import Final

import pytest

import ca.cli
import ca.errors
import mirror.cli
import mirror.errors
import spot_client.errors
from mirror.content.problems import TABLE
from spot_client.decide.choose import Why
from tests.docs.pages import DOCS, rows, sections
from tests.docs.reasons import findings, reasons

SECTIONS: Final = {one.title: one.text for one in sections((DOCS / "reference" / "reasons.md").read_text())}
ROOMS: Final = {
    "spot_client": "What SPOT says",
    "wire": "Names and formats",
    "mirror": "Why the mirror's commands refuse",
    "ca": "Why the CA refuses",
}
CHECKS: Final = {"ca": "What spot-ca check finds", "mirror": "What spot-mirror check finds"}


def told(heading: str, *, columns: int) -> dict[str, list[str]]:
    """The rows of the section's table of so many columns, by their first cell."""
    return {first: rest for first, *rest in rows(SECTIONS[heading]) if len(rest) == columns - 1}


def exit_code(room: str, reason: str, name: str) -> int | None:
    """The exit code that a class leads to; None for one that a caller chooses."""
    kind = getattr({"ca": ca, "mirror": mirror, "spot_client": spot_client}[room].errors, name, None)
    kind = kind or getattr(ca.errors, name, None)
    if kind is None:
        return None
    if room == "spot_client":
        return int(kind.exit_code)
    return int((ca if room == "ca" else mirror).cli._exit_code(kind(reason, "")))


def test_every_refusal_of_the_mirror_is_explained_with_its_status() -> None:
    found = told("Refusals of the mirror", columns=4)
    assert {reason: int(status) for reason, (status, *_) in found.items()} == {
        reason.value: line.status for reason, line in TABLE.items()
    }


@pytest.mark.parametrize(("room", "heading"), ROOMS.items())
def test_every_reason_is_explained(room: str, heading: str) -> None:
    assert set(told(heading, columns=3 if room == "wire" else 4)) == set(reasons()[room])


@pytest.mark.parametrize("room", sorted(set(ROOMS) - {"wire"}))
def test_every_reason_names_the_exit_codes_that_it_leads_to(room: str) -> None:
    lines = told(ROOMS[room], columns=4)
    for reason, names in reasons()[room].items():
        codes = {exit_code(room, reason, name) for name in names} - {None}
        assert codes <= {int(code) for code in lines[reason][0].split(", ")}, reason


def test_everything_that_keeps_a_component_where_it_is_is_explained() -> None:
    assert set(told(ROOMS["spot_client"], columns=3)) == {why.value for why in Why} - {Why.CURRENT.value}


@pytest.mark.parametrize(("room", "heading"), CHECKS.items())
def test_everything_that_check_finds_is_explained(room: str, heading: str) -> None:
    found = {code: set(severities.split(", ")) for code, (severities, _) in told(heading, columns=3).items()}
    assert found == {**findings()[room], "good": {"ok"}}
