"""One connection, from the first byte to the last: PROXY header, handshake, conversation, farewell.

Every state has a deadline, which the listener looks at (`overdue`); there are no timers of single connections.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from mirror.content.caller import caller_of
from mirror.content.conversation import (
    BODY,
    CLOSED,
    CLOSING,
    DECIDING,
    HEAD,
    IDLE,
    NEVER,
    SENDING,
    SHAKING,
    Conversation,
    State,
    Terms,
)
from mirror.content.gate import Gate, Place
from mirror.content.proxied import BadHeader
from mirror.content.tunnel import LongHandshake, TlsBroken, Tunnel
from mirror.tls import Context

CLOSE_SECONDS: Final = 5.0
"""How long a connection that is being closed has for its last bytes, and the caller for its part of the farewell."""
_MAX_IGNORED: Final = 64 * 2**20  # bytes of a body that nobody asked for which are read, so that the answer is not lost


class Site(msgspec.Struct, frozen=True):
    """What all connections of a listener share. `ended` is called when one is over."""

    loop: asyncio.AbstractEventLoop
    context: Context
    terms: Terms
    gate: Gate
    log: FilteringBoundLogger
    ended: Callable[["Connection"], None]


class Connection:
    """Lives by the loop's calls; `overdue`, `drain` and `abort` are the listener's, the rest the conversation's."""

    __slots__ = (
        "_conversation",
        "_fd",
        "_ignored",
        "_listening",
        "_place",
        "_site",
        "_tunnel",
        "_writing",
        "deadline",
        "state",
    )

    def __init__(self, plain: socket.socket, place: Place, site: Site) -> None:
        """`plain`: accepted, not blocking; `place`: what the gate gave for it. Raises OSError."""
        self._place, self._site, self._fd = place, site, plain.fileno()
        self._tunnel = Tunnel(plain, site.context, site.terms.limits.handshake_bytes)
        self._conversation: Conversation | None = None
        self._listening = self._writing = False
        self._ignored = 0
        self.state, self.deadline = SHAKING, site.loop.time() + site.terms.limits.handshake_seconds
        self.listen(to_it=True)

    @property
    def address(self) -> str:
        """The caller's."""
        return self._place.address

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return self.state in {HEAD, DECIDING, BODY, SENDING}

    @property
    def is_new(self) -> bool:
        """Whether it has not asked for anything: its handshake or its first request is on the way."""
        return self.state is SHAKING or (self._conversation is not None and self._conversation.is_new)

    def overdue(self, now: float) -> None:
        """The deadline has passed. `now`: the loop's time."""
        if self.state is SHAKING:
            self._site.gate.failed(TimeoutError("timeout"), self.address)
            self.state = CLOSING
            self.end()
        elif self.state is IDLE or self.state is HEAD:
            self._site.terms.counted.close("idle" if self.state is IDLE else "slow-header")
            self.safely(self.farewell)
        elif self._conversation is not None and (self.state is BODY or self.state is SENDING):
            self._conversation.overdue(now)
        else:
            self.end()

    def probe(self) -> None:
        """End it if the peer has reset it: see `_readable`."""
        self.safely(self._probe)

    def _probe(self) -> None:
        if self._tunnel.is_dead():
            self.end()

    def drain(self) -> None:
        """No more requests."""
        if not self.is_busy:
            self.safely(self.farewell)

    def now(self) -> float:
        """The loop's time."""
        return self._site.loop.time()

    def enter(self, state: State, seconds: float) -> None:
        """Be in a state for so many seconds at most; once closed, it stays so."""
        if self.state is CLOSED:
            return
        self.state, self.deadline = state, self._site.loop.time() + seconds

    def listen(self, *, to_it: bool) -> None:
        """Whether what the caller sends is read, or left where it is."""
        if to_it and self.state is not CLOSED and not self._listening:
            self._site.loop.add_reader(self._fd, self.safely, self._readable)
        elif self._listening and not to_it:
            self._site.loop.remove_reader(self._fd)
        self._listening = to_it

    def when_writable(self, call: Callable[[], None] | None) -> None:
        """Call this whenever there is room for more; None: no more."""
        if call is not None:
            self._site.loop.add_writer(self._fd, self.safely, call)
        elif self._writing:
            self._site.loop.remove_writer(self._fd)
        self._writing = call is not None

    def soon(self, call: Callable[[], None]) -> None:
        """Call this in a turn of its own."""
        self._site.loop.call_soon(self.safely, call)

    def safely(self, call: Callable[[], None]) -> None:
        """Every call of the loop comes this way: a broken connection ends, and a mistake of ours ends that one only."""
        try:
            call()
        except OSError:
            self.end()
        except Exception:
            self._site.log.exception("a connection failed")
            self.end()

    def recheck(self) -> None:
        """What was decided about the request under way may not hold any more."""
        if self._conversation is not None:
            self.safely(self._conversation.recheck)

    def cut(self) -> None:
        """Close it now, with what the kernel has of it and did not send."""
        self._tunnel.reset()
        self.end()

    def farewell(self) -> None:
        """Close it so that the last bytes arrive: what the caller still sends is read and thrown away."""
        if self.state is SHAKING:
            self._site.gate.failed(ConnectionAbortedError("broken-off"), self.address)
        self.enter(CLOSING, CLOSE_SECONDS)
        self._tunnel.farewell()
        self.listen(to_it=True)

    def end(self) -> None:
        """Close it now."""
        if self.state is CLOSED:
            return
        if self.state is SHAKING:
            self._site.gate.failed(ConnectionAbortedError("broken-off"), self.address)
        self.state, self.deadline = CLOSED, NEVER
        self.listen(to_it=False)
        self.when_writable(None)
        self._tunnel.close()
        self._place.left()
        self._site.ended(self)
        conversation, self._conversation = self._conversation, None  # they hold each other
        if conversation is not None:
            conversation.broken()

    def _readable(self) -> None:
        if self.state is DECIDING or self.state is SENDING:
            self.listen(to_it=False)
            return
        raw = self._tunnel.receive()
        if raw is not None:
            self._came(raw)
        if raw and self.state is SHAKING:
            # The loop tells once of a reset behind bytes, and never again: without a second look, a connection that is
            # dead would hold its place until its deadline, at no cost to whoever made it.
            raw = self._tunnel.receive()
            if raw is not None:
                self._came(raw)

    def _came(self, raw: bytes) -> None:
        if self.state is CLOSING:
            self._ignored += len(raw)
            if not raw or self._ignored > _MAX_IGNORED:
                self.end()
        elif self._conversation is None:
            self._shake(raw)
        elif raw:
            self._tunnel.take(raw)
            self._conversation.came()
        else:
            self._conversation.at_its_end()

    def _shake(self, raw: bytes) -> None:
        site = self._site
        if not raw:
            self.end()
            return
        try:
            rest = self._place.unwrap(raw)
            if rest is None:
                return
            self._tunnel.take(rest)
            if not self._tunnel.shake():
                return
        except (BadHeader, LongHandshake, TlsBroken) as error:
            site.gate.failed(error, self.address)
            self.state = CLOSING
            self.farewell()
            return
        site.terms.counted.handshake("ok")
        caller = caller_of(self._tunnel.certificate())
        self._conversation = Conversation(self, self._tunnel, caller, site.terms)
        self._conversation.begin(self._place.proved(caller.peer))
