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
    """One answer that did not leave at once. Calls raise `OSError` when the connection is broken."""

    __slots__ = ("_app", "_exchange", "_last", "_rate", "_slices", "_tunnel", "_waited", "look_again")

    def __init__(self, exchange: Exchange, tunnel: Tunnel, app: App, rate: int, *, last: bool) -> None:
        """`rate`: the slowest pace of a reader, in bytes a second; `last`: all of it was written, and counted."""
        self._exchange, self._tunnel, self._app, self._rate, self._last = exchange, tunnel, app, rate, last
        self._waited = 0  # bytes that the caller had got when the window began
        self.look_again = 0.0
        """When `is_slow` can be asked again, by the loop's time."""
        self._slices = _slices(exchange)

    def begin(self, now: float, handed: int) -> None:
        """Look at its pace from now on. `now`: the loop's time; `handed`: what the kernel had taken before it."""
        self.look_again, self._waited = now + WINDOW_SECONDS, handed

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
                self._last = True
                self._app.ended(self._exchange)
        return self._tunnel.flush() and self._last

    def is_slow(self, now: float) -> bool:
        """Whether the caller took less than it must, since this was asked last; its own network's buffers count."""
        got = self._got()
        slow = got - self._waited < self._rate * WINDOW_SECONDS
        self._waited, self.look_again = got, now + WINDOW_SECONDS
        return slow

    def _got(self) -> int:
        return self._tunnel.handed - self._tunnel.on_the_way()


def send(exchange: Exchange, tunnel: Tunnel, app: App, rate: int, now: float) -> Sending | None:
    """Send an answer's head and what fits; None: that was all. Sets whether the connection ends with it.

    The audit line is written before the last bytes leave: no whole answer is without one, whoever dies. `now`: the
    loop's time; `rate`: as `Sending` has it.
    """
    answer, request, handed = exchange.answer, exchange.request, tunnel.handed
    polite = request is not None and request.keep_alive and request.body.whole
    exchange.closes = answer.closes or app.draining or not polite
    exchange.lingers = exchange.closes and (request is None or request.keep_alive or not request.body.whole)
    opening = head(answer, request, exchange.moment, closes=exchange.closes)
    sends_body = exchange.sends_body
    length = answer.length if sends_body else 0
    last = length <= SLICE
    if last:
        tunnel.write(b"".join((*opening, *answer.body) if sends_body else opening))
        exchange.sent = length
        app.ended(exchange)
        if exchange.closes:
            tunnel.last()  # in one go with the answer
        if tunnel.flush():
            return None
    else:
        tunnel.write(b"".join(opening))
    sending = Sending(exchange, tunnel, app, rate, last=last)
    sending.begin(now, handed)
    return None if sending.go_on() else sending


def _slices(exchange: Exchange) -> Iterator[memoryview]:
    for piece in exchange.answer.body:
        view = memoryview(piece)
        for start in range(0, len(view), SLICE):
            yield view[start : start + SLICE]
