"""Requests of one connection, one after the other: read, decided, answered.

A caller that sends requests ahead waits: while an answer is under way nothing is read from it, and between two of its
requests others get their turn.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, Protocol

import msgspec

from mirror.content.app import App
from mirror.content.caller import Caller
from mirror.content.exchange import Exchange
from mirror.content.head import Reader
from mirror.content.problems import Refused
from mirror.content.sending import Sending, send
from mirror.content.tunnel import Tunnel
from mirror.counters import Counted
from mirror.limits import Limits
from spot_client.wire.problem import Reason

BODY_GRACE: Final = 5.0
"""Seconds of a body that may be slower than `body_rate`."""
NEVER: Final = float("inf")
_AT_ONCE: Final = 8  # requests of one caller that are taken up before others get their turn


class State(Enum):
    """What a connection is doing."""

    SHAKING = auto()
    IDLE = auto()
    HEAD = auto()
    DECIDING = auto()
    BODY = auto()
    SENDING = auto()
    CLOSING = auto()
    CLOSED = auto()


# To ask an enumeration for a member costs as much as a call, and a request asks a dozen times.
SHAKING, IDLE, HEAD, DECIDING, BODY, SENDING, CLOSING, CLOSED = State


class Link(Protocol):
    """The connection, as a conversation needs it.

    `now`: the loop's time; `enter` sets a deadline, in seconds from now; `cut` ends it with what is under way.
    """

    state: State
    deadline: float

    @property
    def address(self) -> str: ...  # noqa: D102

    def now(self) -> float: ...  # noqa: D102
    def enter(self, state: State, seconds: float) -> None: ...  # noqa: D102
    def listen(self, *, to_it: bool) -> None: ...  # noqa: D102
    def when_writable(self, call: Callable[[], None] | None) -> None: ...  # noqa: D102
    def soon(self, call: Callable[[], None]) -> None: ...  # noqa: D102
    def safely(self, call: Callable[[], None]) -> None: ...  # noqa: D102
    def farewell(self) -> None: ...  # noqa: D102
    def end(self) -> None: ...  # noqa: D102
    def cut(self) -> None: ...  # noqa: D102


class Terms(msgspec.Struct, frozen=True):
    """What all conversations of a listener share."""

    app: App
    limits: Limits
    counted: Counted


class Conversation:
    """What is said over one connection whose handshake is done. Calls raise `OSError` when it is broken."""

    __slots__ = (
        "_began",
        "_caller",
        "_exchange",
        "_goes_on",
        "_link",
        "_reader",
        "_sending",
        "_terms",
        "_tunnel",
        "is_new",
    )

    def __init__(self, link: Link, tunnel: Tunnel, caller: Caller, terms: Terms) -> None:
        self._link, self._tunnel, self._caller, self._terms = link, tunnel, caller, terms
        self._reader = Reader(terms.limits.header_bytes, self._wants_body)
        self._exchange: Exchange | None = None
        self._sending: Sending | None = None
        self._began = 0.0  # the body
        self._goes_on = False
        self.is_new = True
        """Whether nothing was asked for yet."""

    def begin(self, refused: Refused | None) -> None:
        """Wait for the first request. `refused`: what it is answered, whatever it is."""
        self._reader.fault = refused
        self._rest()
        if self._tunnel.waiting:
            self.came()

    def came(self) -> None:
        """Bytes came: decrypt them and take up requests, until there are none or one is under way."""
        link, reader = self._link, self._reader
        while link.state is BODY or ((link.state is IDLE or link.state is HEAD) and not reader.requests):
            if not reader.go_on():
                data = self._tunnel.read()
                if data is None:
                    break
                if not data:
                    self.at_its_end()
                    return
                if reader.fault is None:
                    reader.feed(data)
            if self._exchange is not None and self._exchange.asked.body.whole:
                link.enter(DECIDING, NEVER)
            self._next()
            if link.state is CLOSED or not (reader.waiting or self._tunnel.waiting):  # in vain costs an exception
                break
        if reader.begun and link.state is IDLE:
            link.enter(HEAD, self._terms.limits.header_seconds)

    def at_its_end(self) -> None:
        """The caller says no more."""
        if self._link.state is BODY and self._exchange is not None:
            self._link.listen(to_it=False)
            self._exchange.asked.body.cut(Refused(Reason.BAD_REQUEST, "the body was cut off"))
        elif self._reader.waiting:  # that it asked before is answered first
            self._link.listen(to_it=False)
        else:
            self._link.end()

    def overdue(self, now: float) -> None:
        """The deadline of a request, its body or its answer has passed. `now`: the loop's time."""
        if self._link.state is BODY:
            self._slow_body(now)
        elif self._sending is None or not self._sending.is_slow(now):
            self._link.deadline = NEVER if self._sending is None else self._sending.look_again
        else:
            self._terms.counted.close("slow-reader")
            self._link.end()

    def recheck(self) -> None:
        """What was decided may not hold any more: then a body is not waited for, and an answer not sent to its end."""
        link, exchange = self._link, self._exchange
        if exchange is None or (link.state is not BODY and link.state is not SENDING):
            return
        refused = self._terms.app.recheck(exchange)
        if refused is None:
            return
        if link.state is BODY:
            link.enter(DECIDING, NEVER)
            exchange.asked.body.cut(refused)
            return
        exchange.reason, exchange.detail = refused.reason.value, f"cut: {refused.detail}"
        self._terms.counted.close("not-any-more")
        link.cut()

    def broken(self) -> None:
        """The connection is over."""
        self._reader.close()
        if self._exchange is not None:
            if self._exchange.request is not None:  # who waits for its body waits no more
                self._exchange.request.body.cut(Refused(Reason.BAD_REQUEST, "the connection ended"))
            self._terms.app.broken(self._exchange)

    def _next(self) -> None:
        """Take up the next request, if none is under way."""
        link, reader, app = self._link, self._reader, self._terms.app
        for _ in range(_AT_ONCE):
            if link.state is not IDLE and link.state is not HEAD:
                return
            if reader.requests:
                exchange = app.begin(reader.requests.popleft(), self._caller, link.address)
            elif reader.fault is not None:
                exchange = app.refuse(reader.fault, self._caller, link.address)
            else:
                return
            self._exchange, self.is_new = exchange, False
            if exchange.work is None:
                self._answer(exchange)
            else:
                link.state, link.deadline = DECIDING, NEVER
                exchange.task = asyncio.get_running_loop().create_task(exchange.work)
                exchange.task.add_done_callback(self._worked)

    def _worked(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and self._link.state is not CLOSED:
            self._link.safely(self._answer_now)

    def _wants_body(self) -> None:
        """Somebody waits for the body of the request under way."""
        self._began = asyncio.get_running_loop().time()
        self._link.enter(BODY, min(BODY_GRACE, self._terms.limits.body_seconds))
        self._link.soon(self._ask_for_body)

    def _ask_for_body(self) -> None:
        if self._link.state is not BODY or self._exchange is None:
            return
        if self._exchange.asked.headers.get("expect", "").lower() == "100-continue":  # RFC 9110 §10.1.1
            self._tunnel.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._tunnel.flush()
        self._link.listen(to_it=True)
        if self._tunnel.waiting or self._reader.waiting:
            self.came()

    def _slow_body(self, now: float) -> None:
        if self._exchange is None:
            return
        body, passed = self._exchange.asked.body, now - self._began
        if passed < self._terms.limits.body_seconds and body.received >= self._terms.limits.body_rate * (
            passed - BODY_GRACE
        ):
            self._link.deadline = min(now + 1.0, self._began + self._terms.limits.body_seconds)
            return
        self._terms.counted.close("slow-body")
        self._link.enter(DECIDING, NEVER)
        body.cut(Refused(Reason.BAD_REQUEST, f"the body took longer than {passed:.0f} s", status=408))

    def _answer_now(self) -> None:
        if self._exchange is not None:
            self._answer(self._exchange)

    def _answer(self, exchange: Exchange) -> None:
        link, terms = self._link, self._terms
        sending = send(exchange, self._tunnel, terms.app, terms.limits.answer_rate, link.now())
        if sending is None:
            self._answered(exchange)
        else:
            self._sending = sending
            link.state, link.deadline = SENDING, sending.look_again
            link.when_writable(self._go_on_sending)

    def _go_on_sending(self) -> None:
        if self._sending is not None and self._exchange is not None and self._sending.go_on():
            self._link.when_writable(None)
            self._answered(self._exchange)

    def _answered(self, exchange: Exchange) -> None:
        self._sending = self._exchange = None
        if exchange.closes:
            if exchange.lingers:
                self._link.farewell()
            else:  # who asked for the end sends nothing more, and has read all before its own farewell
                self._link.end()
            return
        self._rest()
        if self._reader.waiting or self._tunnel.waiting:
            # Nothing more is taken from a caller that is ahead: what it may hold here is bounded.
            self._link.listen(to_it=False)
            if not self._goes_on:
                self._goes_on = True
                self._link.soon(self._go_on)

    def _go_on(self) -> None:
        self._goes_on = False
        if self._link.state in (IDLE, HEAD):
            self._next()
            self.came()
            if self._link.state in (IDLE, HEAD) and not self._goes_on:
                self._link.listen(to_it=True)

    def _rest(self) -> None:
        """Between two requests."""
        self._link.enter(IDLE, self._terms.limits.idle_seconds)
        self._link.listen(to_it=True)
