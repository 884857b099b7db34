"""When a mirror is asked again that has no time now. Pure: randomness is passed in, as numbers from 0 to 1.

After an outage all installations come at once. A mirror that cannot serve them all tells some how long to wait
(`429` or `503` with `Retry-After`), or closes a connection before it has cost anything. Whoever then came back at the
moment that it was told, or after a pause of its own that others make, too, would meet the same crowd. So every pause is
spread, and never shorter than what was told.
"""

import re
from collections.abc import Mapping
from typing import Final

MAX_TOLD: Final = 3600
"""Most seconds that a mirror is obeyed: a run does not wait so long, but who calls often is held to it."""

MAX_WAIT: Final = 120.0
"""Most seconds that a run waits because it was told to; if it is to wait for longer, the next run goes on."""

ATTEMPTS: Final = 3
ATTEMPTS_BUSY: Final = 5
"""How often a mirror is asked that does not answer, and one that says, or seems, to have too much to do."""

_STATUSES = frozenset({429, 503})
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_SPREAD = 0.5  # of what was told


def told(status: int, headers: Mapping[str, str]) -> int | None:
    """For how many seconds an answer asks not to be asked again (RFC 9110 §10.2.3), at most `MAX_TOLD`.

    None if it does not, or not in whole seconds: a date would be one of the mirror's clock.
    """
    return seconds(headers.get("Retry-After", ""), MAX_TOLD) if status in _STATUSES else None


def seconds(said: str, most: int) -> int | None:
    """The value of a `Retry-After`, at most `most` seconds; None if it says none."""
    return min(int(said), most) if _SECONDS.fullmatch(said) else None


def obeyed(seconds: float, spread: float) -> float:
    """How long to wait who was told to wait so long: no less, and at most half as long again."""
    return seconds * (1 + _SPREAD * spread)


def pause(attempt: int, spread: float) -> float:
    """Seconds before the next attempt, told nothing. `attempt`: how many there were, from 1 on."""
    shortest = 0.5 * 2.0 ** min(attempt - 1, 4)
    return float(shortest + spread * max(1.0, shortest))
