"""How fast the mirrors are beside one another: which is left for another. Pure: the clock is passed in.

`min_rate` says what is borne of the only mirror there is, so that thin lines work; a hostile one can stay just above it
and hold SPOT for as long as that allows. So where a mirror is slow, and another may be twice as fast, that one is asked
to go on. Over a thin line it is no faster, and SPOT stays with either. Whoever was left is borne for a while if it is
asked again, since then no other did better; and what was measured counts for as long.
"""

import math
from collections.abc import Callable, Collection
from typing import Final

ENOUGH: Final = 2**16
"""Bytes a second, all downloads together, with which no other mirror is looked for."""

BORNE: Final = 20 * 60.0
"""Seconds for which a mirror is borne that was left, and a measure counts: 5 MB over 64 kbit/s come in fewer."""

_TWICE = 2


class Speeds:
    """What was measured of the mirrors of one run; several threads may measure.

    Args:
        mirrors: their names.
        enough: bytes a second of one connection with which it is never left.
        clock: seconds, from any beginning.
    """

    def __init__(self, mirrors: Collection[str], *, enough: float, clock: Callable[[], float]) -> None:
        self._enough = enough
        self._clock = clock
        self._measured = dict.fromkeys(mirrors, (math.inf, -math.inf))
        self._left = dict.fromkeys(mirrors, -math.inf)

    def of(self, mirror: str) -> Callable[[float], bool]:
        """For an answer that begins now: takes a rate in bytes a second, and says whether to leave the mirror."""
        borne = self._left[mirror] + BORNE

        def is_left(rate: float) -> bool:
            now = self._clock()
            self._measured[mirror] = rate, now
            if rate >= self._enough or now < borne or self._best_beside(mirror, now) <= _TWICE * rate:
                return False
            self._left[mirror] = now
            return True

        return is_left

    def _best_beside(self, mirror: str, now: float) -> float:
        """The rate of the fastest other mirror: without end, if that is not known."""
        others = (measured for name, measured in self._measured.items() if name != mirror)
        return max((rate if now < since + BORNE else math.inf for rate, since in others), default=0.0)
