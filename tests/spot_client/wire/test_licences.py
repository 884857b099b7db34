"""Days of a licence are days of the calendar."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_client.wire import document, licences
from spot_client.wire.errors import FormatError
from spot_client.wire.licences import LicenceLine, LicenceList


def read(first: str, last: str) -> LicenceLine:
    """The one line of a list, as it comes from a mirror."""
    raw = (
        '{"customer":"acme","format":1,"licences":[{"channels":["stable"],"installations":1,"product":"sdk",'
        f'"valid_from":"{first}","valid_until":"{last}"}}],"min_spot":"0.1"}}'
    )
    listed = document.decode(raw.encode(), LicenceList, max_bytes=licences.MAX_BYTES, what="Licences")
    return listed.licences[0]


@given(st.dates(), st.dates())
def test_every_day_is_read_as_it_was_written(first: date, last: date) -> None:
    line = read(first.isoformat(), last.isoformat())
    assert (date.fromisoformat(line.valid_from), date.fromisoformat(line.valid_until or "")) == (first, last)


@pytest.mark.parametrize(
    "day",
    [
        "2026-02-31",
        "2026-02-29",
        "2026-04-31",
        "2026-00-01",
        "2026-01-00",
        "2026-13-01",
        "2026-19-39",
        "0000-01-01",
        "20260101",
        "2026-W01-1",
        "2026-1-1",
        "2026-01-01T00:00:00Z",
        " 2026-01-01",
        "\uff12026-01-01",
    ],
)
def test_a_day_that_no_calendar_has_is_refused(day: str) -> None:
    for first, last in ((day, "2026-12-31"), ("2026-01-01", day)):
        with pytest.raises(FormatError) as error:
            read(first, last)
        assert error.value.reason == "wrong-shape"


@given(st.text("0123456789-", min_size=8, max_size=11))
def test_what_looks_like_a_day_is_one_or_is_refused(day: str) -> None:
    try:
        read(day, day)
    except FormatError:
        return
    assert date.fromisoformat(day).isoformat() == day
