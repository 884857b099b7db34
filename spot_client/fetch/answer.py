"""What a mirror answered."""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """A whole answer: status, headers by lower-case name, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def date(self) -> datetime | None:
        """The mirror's clock when it answered, in UTC, if it said so in the one form to be sent (RFC 9110 §5.6.7)."""
        said = self.headers.get("date", "")
        try:
            moment = parsedate_to_datetime(said).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        return moment if format_datetime(moment, usegmt=True) == said else None
