"""How slow a mirror may be. Pure: who waits measures how long, and how many bytes came.

A timeout alone bounds each wait, not their sum: a mirror that gives a byte every 20 seconds would hold SPOT for ever.
So the waiting of an answer is cut into windows. The head has one, within which it is to be whole; of the body, every
window has to bring its share. Together with the largest size that every answer has, that is a total deadline of

    gap + window * (1 + size / (rate * window))    seconds of waiting

and a download that is slow, but not slower than that, goes on for hours: unless another mirror may be faster
(`spot_client.fetch.speeds`), and until the time for the whole run is over. Only waiting counts: what SPOT itself takes
to write to its disk is not held against the mirror, but for the whole run.
"""

import math
from collections.abc import Callable
from typing import Final

import msgspec

MAX_HEAD: Final = 2**18
"""Bytes of an answer before its body, interim answers included."""


class TooSlow(TimeoutError):
    """A window is over, and too little came in it."""


class Slower(TimeoutError):
    """A window is over, and another mirror may bring more."""


class TooLate(TimeoutError):
    """The time for the whole run is over."""


class TooMuch(OSError):
    """More bytes came than there can be."""


class BrokenOff(OSError):
    """The other side closed within what has to be whole."""


def _stay(_: float) -> bool:
    return False


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """What is borne of a mirror.

    gap: seconds without a byte, and for the whole head of an answer.
    window: seconds of waiting over which the rate of a body is taken.
    rate: bytes a second that a connection has to bring, over each window.
    judge: for a body that begins: takes what a window brought, in bytes a second; True: another mirror is to go on.
    left: seconds that are left for the whole run.
    """

    gap: float = 30
    window: float = 60
    rate: float = 256
    judge: Callable[[], Callable[[float], bool]] = lambda: _stay
    left: Callable[[], float] = lambda: math.inf

    @property
    def for_head(self) -> "Pace":
        """Of status line and headers: whole within `gap`, and within `MAX_HEAD`, however fast they come."""
        return Pace(self, window=self.gap, least=math.inf, most=MAX_HEAD)

    @property
    def for_body(self) -> "Pace":
        """Of all that follows."""
        window = max(self.window, self.gap)  # an idle gap is the business of `gap`
        return Pace(self, window=window, least=self.rate * window, is_left=self.judge())


class Pace:
    """One part of one answer, as it comes in.

    Args:
        window: seconds of waiting, over 0.
        least: bytes that each window has to bring.
        most: bytes that a window may bring.
        is_left: as `Patience.judge` gives it.
    """

    def __init__(
        self,
        patience: Patience,
        *,
        window: float,
        least: float,
        most: float = math.inf,
        is_left: Callable[[float], bool] = _stay,
    ) -> None:
        self._most = most
        self._patience = patience
        self._window = window
        self._least = least
        self._is_left = is_left
        self._waited = 0.0
        self._silent = 0.0
        self._came = 0

    @property
    def is_silent(self) -> bool:
        """Whether nothing came for as long as is borne."""
        return self._silent >= self._patience.gap

    @property
    def wait(self) -> float:
        """Seconds that the next bytes may be waited for before it is judged again, over 0."""
        return max(min(self._patience.gap - self._silent, self._window - self._waited, self._patience.left()), 0.001)

    def took(self, count: int, seconds: float) -> None:
        """So many bytes came after so many seconds of waiting.

        Raises `TooSlow` at the end of a window that brought too little; not if it brought nothing, which is a timeout.
        Raises `Slower` at that of one that brought less than another mirror might. Raises `TooMuch`, `TooLate`.
        """
        if self._patience.left() <= 0:
            raise TooLate
        self._silent = 0.0 if count else self._silent + seconds
        self._came += count
        if self._came > self._most:
            raise TooMuch(f"more than {self._most} bytes")
        self._waited += seconds
        if self._waited < self._window:
            return
        if 0 < self._came < self._least:
            raise TooSlow(f"{self._came} bytes in {self._waited:.0f} seconds")
        if self._came and self._is_left(self._came / self._waited):
            raise Slower(f"{self._came} bytes in {self._waited:.0f} seconds")
        self._came = 0
        self._waited = 0.0

    def ended(self) -> None:
        """The other side has closed. Raises `BrokenOff` within a head; not before its first byte: that is no answer."""
        if self._came and math.isinf(self._least):
            raise BrokenOff(f"only {self._came} bytes of its head came")
