"""mirror.content.moment: a second, and how answers and audit lines write it."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from hypothesis import given
from hypothesis import strategies as st

from mirror.content.moment import moment_of

moments = st.datetimes(datetime(1970, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments)
def test_it_is_the_second_in_which_a_moment_lies(now: datetime) -> None:
    moment = moment_of(now)
    assert moment.begin <= now < moment.end
    assert moment.end - moment.begin == timedelta(seconds=1)
    assert moment.begin.microsecond == 0
    assert datetime.fromisoformat(f"{moment.text}Z") == moment.begin


@given(moments, st.sampled_from([200, 204, 206, 304, 403, 429, 503]))
def test_answers_begin_with_its_date(now: datetime, status: int) -> None:
    moment = moment_of(now)
    opening = moment.opening(status)
    lines = opening.decode().split("\r\n")
    assert lines[0].startswith(f"HTTP/1.1 {status} ")
    assert lines[1] == "Server: spot-mirror"
    assert parsedate_to_datetime(lines[2].removeprefix("Date: ")) == moment.begin
    assert lines[3:] == [""]
    assert moment.opening(status) is opening


def test_another_zone_is_written_as_utc() -> None:
    there = datetime(2026, 6, 15, 14, 30, 1, 5, timezone(timedelta(hours=2)))
    assert moment_of(there).text == "2026-06-15T12:30:01"
