"""A second of UTC, with what is worked out once for all requests that come in it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus

import msgspec

_SECOND = timedelta(seconds=1)


class Moment(msgspec.Struct, frozen=True):
    """`begin`: its first moment, UTC; `end`: the first one behind it; `text`: RFC 3339, without the zone.

    `openings`: what answers begin with that are given in it, by status; `opening` fills it.
    """

    begin: datetime
    end: datetime
    text: str
    openings: dict[int, bytes]

    def opening(self, status: int) -> bytes:
        """The status line, and the headers that all answers have (RFC 9112 §4, RFC 9110 §6.6.1)."""
        opening = self.openings.get(status)
        if opening is None:
            date, phrase = format_datetime(self.begin, usegmt=True), HTTPStatus(status).phrase
            opening = f"HTTP/1.1 {status} {phrase}\r\nServer: spot-mirror\r\nDate: {date}\r\n".encode()
            self.openings[status] = opening
        return opening


def moment_of(now: datetime) -> Moment:
    """The second in which `now` lies. `now`: UTC."""
    begin = now.replace(microsecond=0).astimezone(UTC)
    return Moment(begin, begin + _SECOND, f"{begin:%Y-%m-%dT%H:%M:%S}", {})
