"""What a customer may fetch, as the mirror tells the customer's own SPOT (`GET /licences`). Pure."""

from datetime import date
from typing import Annotated, Final

import msgspec

from spot_client.wire import document

MAX_BYTES: Final = 256 * 2**10

Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[01][0-9]-[0-3][0-9]\Z")]
"""A day in UTC. A licence holds from the beginning of its first to the end of its last day."""


class LicenceLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One licence: product, channels, first and last day (None: open), and the number of installations paid for.

    Raises:
        ValueError: a day that no calendar has; `document.decode` makes a `FormatError` (`wrong-shape`) of it.
    """

    product: str
    channels: tuple[str, ...]
    valid_from: Day
    valid_until: Day | None
    installations: int

    def __post_init__(self) -> None:
        for day in (self.valid_from, self.valid_until):
            if day is not None:
                date.fromisoformat(day)


class LicenceList(document.Document, frozen=True):
    """The caller's own licences, sorted by product."""

    customer: str
    licences: tuple[LicenceLine, ...]
