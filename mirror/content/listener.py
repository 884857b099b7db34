"""The sockets of the content listener: accepted from, looked after, drained."""

import asyncio
import errno
import socket
import time
from collections.abc import Sequence
from typing import Final

from structlog.typing import FilteringBoundLogger

from mirror.content.connection import Connection, Site
from mirror.content.conversation import Terms
from mirror.content.gate import Gate
from mirror.content.tunnel import prepare
from mirror.tls import Context

_BACKLOG: Final = 1024
_AT_ONCE: Final = 16  # connections taken up in one turn, so that those there are get theirs
_LOOK_SECONDS: Final = 0.25
_LATE_SECONDS: Final = 0.5  # by which the loop may be late before it lets nobody more in
_PROBES: Final = 50
_RECHECKED_AT_ONCE: Final = 250  # some 2 ms
_POLL_SECONDS: Final = 0.02
_ARRIVING_SECONDS: Final = 1.0  # that a connection which is just being made gets for its request
_WAIT_SECONDS: Final = 0.5  # before it is tried again to accept, when there are no descriptors left
_FULL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener:
    """One application on any number of sockets."""

    def __init__(
        self, terms: Terms, context: Context, log: FilteringBoundLogger, balancers: Sequence[str] = ()
    ) -> None:
        """To be made where a loop runs.

        Args:
            terms: its limits are those of this worker.
            context: from `mirror.tls.listener_context`.
            balancers: networks that say with a PROXY header whose connection it is.
        """
        self._loop = asyncio.get_running_loop()
        self._app, self._log, self._counted = terms.app, log, terms.counted
        self._gate = Gate(terms.limits, balancers, terms.counted, self._loop.time, log)
        self._connections: set[Connection] = set()
        self._site = Site(self._loop, context, terms, self._gate, log, self._connections.discard)
        self._sockets: list[socket.socket] = []
        self._looking: asyncio.TimerHandle | None = None
        self._look_at = 0.0
        self._to_probe: list[Connection] = []
        self._to_recheck: list[Connection] = []
        self._measured = self._loop.time(), time.process_time()

    def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Accept from sockets that are bound. Raises OSError."""
        for bound in sockets:
            bound.setblocking(False)
            prepare(bound)
            bound.listen(_BACKLOG)
            self._sockets.append(bound)
            self._loop.add_reader(bound.fileno(), self._accept, bound)
        if self._looking is None:
            self._look_at = self._loop.time()
            self._look()

    def recheck(self) -> None:
        """Look anew at every request that is under way: what was decided about it may not hold any more."""
        waits = bool(self._to_recheck)
        self._to_recheck = [one for one in self._connections if one.is_busy]
        if not waits:
            self._recheck_some()

    def _recheck_some(self) -> None:
        for _ in range(min(_RECHECKED_AT_ONCE, len(self._to_recheck))):
            connection = self._to_recheck.pop()
            if connection in self._connections:
                connection.recheck()
        if self._to_recheck:
            self._loop.call_soon(self._recheck_some)

    async def drain(self, seconds: float) -> None:
        """Stop accepting, let running requests end for `seconds` at most, then cut what is left. May be cancelled."""
        self._stop_accepting()
        self._app.draining = True
        try:
            async with asyncio.timeout(seconds):
                # Until the last of them ends, an idle connection is answered once more: it need not notice.
                began = self._loop.time()
                while self._is_busy(self._loop.time() - began < _ARRIVING_SECONDS):  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_SECONDS)
                for connection in [*self._connections]:
                    connection.drain()
                while self._connections:  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            self._log.warning("cut what did not end in time", seconds=seconds)
        finally:
            await self.close()

    def _is_busy(self, waits_for_new: bool) -> bool:
        return any(one.is_busy or (waits_for_new and one.is_new) for one in self._connections)

    async def ended(self) -> None:
        """Returns once every request has its audit line, those of connections that were cut, too."""
        while self._app.working:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        await asyncio.sleep(_POLL_SECONDS)  # what waited for the last of them

    async def close(self) -> None:
        """Let go of everything at once."""
        self._stop_accepting()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        for connection in [*self._connections]:
            connection.end()

    def _stop_accepting(self) -> None:
        for bound in self._sockets:
            self._loop.remove_reader(bound.fileno())
            bound.close()
        self._sockets.clear()

    def _accept(self, bound: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                plain, name = bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(bound, error)
                return
            place = self._gate.let_in(name[0])
            if place is None:
                plain.close()
                continue
            plain.setblocking(False)
            try:
                self._connections.add(Connection(plain, place, self._site))
            except OSError:  # it is gone already
                place.left()
                plain.close()

    def _pause(self, bound: socket.socket, error: OSError) -> None:
        """Without descriptors, or a socket that listens, nothing can be accepted, and the loop would ask again and
        again."""
        if error.errno == errno.EINVAL:  # control listens there no more, and is about to say so
            self._loop.remove_reader(bound.fileno())
            return
        if error.errno not in _FULL:
            self._log.warning("cannot accept", problem=error.strerror)
            return
        self._counted.close("too-many")
        self._log.error("no descriptors left: connections wait", problem=error.strerror)
        self._loop.remove_reader(bound.fileno())
        self._loop.call_later(_WAIT_SECONDS, self._accept_again, bound)

    def _accept_again(self, bound: socket.socket) -> None:
        if bound in self._sockets:
            self._loop.add_reader(bound.fileno(), self._accept, bound)

    def _look(self) -> None:
        """Again and again: see who is overdue, who is gone, and how late the loop itself is."""
        now = self._loop.time()
        self._counted.lag = max(0.0, now - self._look_at)
        self._gate.is_late = self._counted.lag > _LATE_SECONDS
        self._look_at = now + _LOOK_SECONDS
        self._looking = self._loop.call_at(self._look_at, self._look)
        self._counted.connections = self._gate.connections.count
        self._counted.handshaking = self._gate.connections.handshaking
        for connection in [one for one in self._connections if one.deadline <= now]:
            connection.overdue(now)
        self._probe()
        if now - self._measured[0] >= 1:
            at, worked = self._measured
            self._measured = now, time.process_time()
            self._app.measured(min(1.0, (self._measured[1] - worked) / (now - at)))
            self.recheck()  # certificates and licences end without anything being changed

    def _probe(self) -> None:
        """A part of the connections at each look: all of them within some seconds."""
        if not self._to_probe:
            self._to_probe = [*self._connections]
        for _ in range(max(_PROBES, len(self._connections) // _PROBES)):
            if not self._to_probe:
                return
            connection = self._to_probe.pop()
            if connection in self._connections:
                connection.probe()
