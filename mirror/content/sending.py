"""An answer on its way: in slices, counted as they leave, with an eye on a caller that reads too slowly.

64 KiB a slice is what was fastest over TLS (DESIGN §7). A body that cannot be written to its end ends the connection,
so that nobody takes a part for the whole.
"""

from collections.abc import Iterator
from typing import Final

from mirror.content.answer import head
from mirror.content.app import App
from mirror.content.exchange import Exchange
from mirror.content.tunnel import Tunnel

SLICE: Final = 64 * 2**10
"""Most bytes that are encrypted at once."""
WINDOW_SECONDS: Final = 20.0
"""Over what time the pace of a reader is looked at."""
_TURN = 4  # slices of one answer before others get their turn


class Sending:
    """One answer of one connection. Calls raise `OSError` when the connection is broken."""

    __slots__ = (
        "_app",
        "_exchange",
        "_last",
        "_rate",
        "_slices",
        "_tunnel",
        "_waited",
        "closes",
        "lingers",
        "look_again",
    )

    def __init__(self, exchange: Exchange, tunnel: Tunnel, app: App, rate: int) -> None:
        """`rate`: the slowest pace of a reader, in bytes a second."""
        self._exchange, self._tunnel, self._app, self._rate = exchange, tunnel, app, rate
        self._last = False
        self._waited = 0  # bytes that the caller had got when the window began
        answer, request = exchange.answer, exchange.request
        self.closes = answer.closes or app.draining or request is None
        self.closes |= request is not None and not (request.keep_alive and request.body.whole)
        """Whether the connection ends with this answer."""
        self.lingers = self.closes and (request is None or request.keep_alive or not request.body.whole)
        """Whether the caller may not expect that, and still be sending."""
        self.look_again = 0.0
        """When `is_slow` can be asked again, by the loop's time."""
        self._slices = _slices(exchange)

    def begin(self, now: float) -> bool:
        """Send the head and what fits; whether that was all. `now`: the loop's time."""
        self.look_again, self._waited = now + WINDOW_SECONDS, self._tunnel.handed
        exchange, answer = self._exchange, self._exchange.answer
        opening = head(answer, exchange.request, exchange.now, closes=self.closes)
        if answer.length > SLICE and exchange.sends_body:
            self._tunnel.write(opening)
            return self.go_on()
        if exchange.sends_body:
            opening = b"".join((opening, *answer.body))
            exchange.sent = answer.length
        self._tunnel.write(opening)
        self._ends()
        if self.closes:
            self._tunnel.last()  # in one go with the answer
        return self._tunnel.flush()

    def go_on(self) -> bool:
        """Send more, now that there is room; whether that was all."""
        for _ in range(_TURN):
            if not self._tunnel.flush():
                return False
            if self._last:
                return True
            piece = next(self._slices)
            self._tunnel.write(piece)
            self._exchange.sent += len(piece)
            if self._exchange.sent == self._exchange.answer.length:
                self._ends()
        return self._tunnel.flush() and self._last

    def is_slow(self, now: float) -> bool:
        """Whether the caller took less than it must, since this was asked last; its own network's buffers count."""
        got = self._got()
        slow = got - self._waited < self._rate * WINDOW_SECONDS
        self._waited, self.look_again = got, now + WINDOW_SECONDS
        return slow

    def _got(self) -> int:
        return self._tunnel.handed - self._tunnel.on_the_way()

    def _ends(self) -> None:
        """The audit line is written before the last bytes leave: no whole answer is without one, whoever dies."""
        self._last = True
        self._app.ended(self._exchange)


def _slices(exchange: Exchange) -> Iterator[memoryview]:
    for piece in exchange.answer.body:
        view = memoryview(piece)
        for start in range(0, len(view), SLICE):
            yield view[start : start + SLICE]
