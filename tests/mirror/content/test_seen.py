"""mirror.content.seen: what was noted is told once, with the newest moment of each installation."""

from datetime import UTC, datetime, timedelta

from mirror.content.seen import Seen

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_what_was_noted_is_told_once_and_only_the_newest_moment() -> None:
    seen, later = Seen(), NOW + timedelta(minutes=1)
    seen.note("0" * 16, NOW)
    seen.note("1" * 16, NOW)
    seen.note("0" * 16, later)
    assert seen.take() == {"0" * 16: later, "1" * 16: NOW}
    assert seen.take() == {}
