"""Who may come in: what a connection may cost before it has proved a certificate, and how often that fails.

A balancer of ours says first whose connection it passes on (PROXY protocol, version 2); nobody else is believed. The
address of a peer that showed no certificate of ours is logged, that of others is not.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

from structlog.typing import FilteringBoundLogger

from ca.identity import Role
from ca.peer import Peer
from mirror.content import proxied
from mirror.content.limits import Connections, counted_as, per_second
from mirror.content.problems import Refused
from mirror.counters import Counted
from mirror.limits import Limits
from spot_client.wire.problem import Reason

_LINES_A_SECOND: Final = 10
_BACK_SECONDS: Final = 10
_OUTCOMES: Final = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no-certificate",
    "CERTIFICATE_VERIFY_FAILED": "unknown-ca",
    "HTTP_REQUEST": "not-tls",
    "HTTPS_PROXY_REQUEST": "not-tls",
    "WRONG_VERSION_NUMBER": "not-tls",
    "UNSUPPORTED_PROTOCOL": "old-version",
    "NO_SHARED_CIPHER": "weak-cipher",
    "NO_SUITABLE_KEY_SHARE": "weak-cipher",
    "NO_SHARED_SIGNATURE_ALGORITHMS": "weak-cipher",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "weak-cipher",
    "long-handshake": "long-handshake",
}


class Gate:
    """Of one listener. `connections`: those it has let in."""

    def __init__(
        self,
        limits: Limits,
        balancers: Sequence[str],
        counted: Counted,
        clock: Callable[[], float],
        log: FilteringBoundLogger,
    ) -> None:
        """`balancers`: networks that speak for others; `clock`: seconds of a clock that never jumps."""
        self.connections, self.counted, self._clock, self._log = Connections(limits), counted, clock, log
        networks = [ip_network(network, strict=False) for network in balancers]
        self._is_balancer = lru_cache(maxsize=1024)(
            lambda address: bool(networks) and any(ip_address(address) in network for network in networks)
        )
        self._second, self._lines = -1, 0
        self._handshakes = per_second(limits.handshake_rate)
        self.is_late = False
        """Whether the loop does not keep up: then only who is in is served."""

    def let_in(self, address: str) -> "Place | None":
        """A connection came from a textual address: its place, or None if it is to be closed at once."""
        address = address.partition("%")[0]
        if self._is_balancer(address):
            return Place(self, address, announced=False)
        place = Place(self, address, announced=True)
        return place if place.admit() else None

    def admit(self, address: str) -> str | None:
        """None if there is room for one more of this address, which is then counted; else why there is none."""
        if self.is_late and self.connections.handshaking:
            return "overload"
        name, now = counted_as(address), self._clock()
        if self._handshakes.wait(name, now):
            return "handshake-rate"
        why = self.connections.admit(address)
        if why is None:
            self._handshakes.take(name, now)
        return why

    def failed(self, error: Exception, address: str) -> None:
        """A handshake failed: count and log it."""
        reason = getattr(error, "reason", None) or type(error).__name__
        outcome = _OUTCOMES.get(str(reason), "other")
        if isinstance(error, proxied.BadHeader):
            outcome = "bad-proxy-header"
        elif isinstance(error, (TimeoutError, ConnectionAbortedError)):
            outcome = reason = str(error)
        self.counted.handshake(outcome)
        second = int(self._clock())
        if second != self._second:
            if self._lines > _LINES_A_SECOND:
                self._log.warning("more handshakes failed", count=self._lines - _LINES_A_SECOND)
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines <= _LINES_A_SECOND:
            self._log.warning("handshake failed", outcome=outcome, reason=str(reason), address=address)


class Place:
    """One connection's place among the others. `address`: the caller's, as a balancer says it."""

    __slots__ = ("_admitted", "_announced", "_customer", "_gate", "_header", "_is_first", "address")

    def __init__(self, gate: Gate, address: str, *, announced: bool) -> None:
        self._gate, self.address, self._announced = gate, address, announced
        self._admitted = False
        self._customer: str | None = None
        self._header, self._is_first = b"", announced

    def admit(self) -> bool:
        """Whether there is room for one more of this address."""
        why = self._gate.admit(self.address)
        if why is not None:
            self._gate.counted.close(why)
            return False
        self._admitted = True
        return True

    def unwrap(self, raw: bytes) -> bytes | None:
        """The part of what came that is TLS: all of it, or what stands behind a balancer's header; None: not yet.

        Raises:
            BadHeader: that is not such a header; or it is one, of somebody who is no balancer.
            ConnectionAbortedError: there is no room for the caller.
        """
        if self._announced:
            if self._is_first:
                proxied.refuse_header(raw)
                self._is_first = False
            return raw
        self._header += raw
        found = proxied.read_header(self._header)
        if found is None:
            return None
        self._announced = True
        self.address = found.address or self.address
        if not self.admit():
            raise ConnectionAbortedError("no room")
        rest, self._header = self._header[found.consumed :], b""
        return rest

    def proved(self, peer: Peer) -> Refused | None:
        """The handshake is done: None, or what every request of the connection is to be answered."""
        identity = peer.identity
        if identity is None:
            return None
        name = identity.name if identity.role is Role.CLIENT else identity.uri
        why = self._gate.connections.proved(self.address, name)
        if why is not None:
            self._gate.counted.close(why)
            return Refused(Reason.TOO_MANY_REQUESTS, why, {"Retry-After": str(_BACK_SECONDS)}, closes=True)
        self._customer = name
        return None

    def left(self) -> None:
        """The connection is over."""
        if self._admitted:
            self._gate.connections.left(self.address, self._customer)
            self._admitted = False
