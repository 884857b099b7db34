"""Tables, moments and ages."""

from datetime import UTC, datetime, timedelta

import pytest

from mirror.cli.output import printable, table, utc, utc_and_age

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_column_is_as_wide_as_its_widest_cell_and_no_line_ends_in_blanks() -> None:
    assert table(("A", "LONG HEAD"), [("longer", "x"), ("y", "")]).splitlines() == [
        "A       LONG HEAD",
        "longer  x",
        "y",
    ]


def test_a_moment_is_printed_in_utc_to_the_second() -> None:
    assert utc(NOW) == "2026-03-01 12:00:00Z"


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (0, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3599, "59 minutes ago"),
        (3600, "1 hour ago"),
        (86_399, "23 hours ago"),
        (2 * 86_400, "2 days ago"),
        (400 * 86_400, "400 days ago"),
        (-1, "in the future"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(seconds: int, age: str) -> None:
    assert utc_and_age(NOW - timedelta(seconds=seconds), NOW).endswith(f"Z ({age})")


def test_what_never_was_is_never() -> None:
    assert utc_and_age(None, NOW) == "never"


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    assert printable("it\x1b[8m breaks\nsigned by everybody") == "it?[8m breaks?signed by everybody"
    assert printable("Füße “ok”") == "Füße “ok”"
