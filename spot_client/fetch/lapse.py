"""What it means that metadata has expired, for people: who held it back, or which clock is wrong. Pure."""

from datetime import datetime, timedelta
from typing import Final

from spot_client.errors import OutOfDate

CLOCK_DOUBT: Final = timedelta(days=1)
"""Two clocks that differ by less are said to agree: no metadata lives for so short a time."""

MINUTE: Final = "%Y-%m-%d %H:%M UTC"
"""How a moment is told."""


def lapsed(role: str, *, since: datetime | None, here: datetime, there: datetime | None) -> OutOfDate:
    """Why the catalogue cannot be used.

    Args:
        since: when the role's metadata expired, if that is known.
        here, there: this machine's clock, and the mirror's, if it said. All in UTC.

    Returns:
        reason `clock-wrong` if the two differ, else `expired-metadata`.
    """
    if there is not None and abs(there - here) >= CLOCK_DOUBT:
        return OutOfDate(
            "clock-wrong",
            f"This machine's clock says {here:{MINUTE}}, the mirror's {there:{MINUTE}}: by the first, the signed "
            f"catalogue has expired (its role {role}). Set the clock right; what is installed goes on running.",
        )
    when = f" on {since:{MINUTE}}" if since else ""
    also = f", the mirror's {there:{MINUTE}}" if there else ""
    return OutOfDate(
        "expired-metadata",
        f"The role {role} of the signed catalogue expired{when}: this machine's clock says {here:{MINUTE}}{also}. "
        "Check the clock; if it is right, tell your vendor. What is installed goes on running.",
    )
