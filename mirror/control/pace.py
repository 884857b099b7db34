"""How often an installation may store a thin snapshot: one in so many seconds, and some may be saved up. Pure.

Counted where all workers meet, so that the number holds whatever worker is asked. Of each installation one number is
kept (the generic cell rate algorithm), and only while it binds.
"""

from collections import OrderedDict
from typing import Final

SAVED: Final = 8
"""How many may be saved up. SPOT sends two for each change, so that is four changes in a row."""


class Pace:
    """Moments are seconds of a clock that never goes back."""

    def __init__(self, seconds: int) -> None:
        """`seconds`: one in so many; 0: as many as you like."""
        self._seconds = seconds
        self._full: OrderedDict[str, float] = OrderedDict()  # when so many will be saved up again as may be

    def take(self, installation: str, now: float) -> float:
        """Count one: 0 if it may be, else the seconds to wait until it may; that one is not counted."""
        self._forget(now)
        full = max(self._full.get(installation, now), now) + self._seconds
        wait = full - now - SAVED * self._seconds
        if wait > 0:
            return wait
        if self._seconds:
            self._full[installation] = full
            self._full.move_to_end(installation)
        return 0

    def give_back(self, installation: str) -> None:
        """What was counted last came to nothing."""
        if installation in self._full:
            self._full[installation] -= self._seconds

    def __len__(self) -> int:
        """How many installations are remembered."""
        return len(self._full)

    def _forget(self, now: float) -> None:
        """Two at a time, so that more go than come. Who was counted longest ago is not always full first: it waits."""
        for _ in range(2):
            oldest = next(iter(self._full), None)
            if oldest is None or self._full[oldest] > now:
                return
            del self._full[oldest]
