"""One request, from the certificate to the audit line: peer → route → decision → answer → line.

There is one handler and no router: `spot_client.wire.routes` reads the path as it stands on the request line, so a
request has one spelling, and what is not a route does not exist. What needs no waiting is answered without: there is a
task for a request only if it reads a body, a store or a disk.
"""

import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from structlog.typing import FilteringBoundLogger

from ca.errors import IdentityError
from ca.identity import Role
from ca.peer import Peer, read_peer
from mirror.content import policy, problems
from mirror.content.answer import Answer
from mirror.content.audit import Audit, Line
from mirror.content.bodies import check_form
from mirror.content.customers import Customers
from mirror.content.exchange import Exchange
from mirror.content.files import Conditions, Files
from mirror.content.head import Request
from mirror.content.limits import Rates, retry_after
from mirror.content.memory import Memory, State
from mirror.content.policy import Allow
from mirror.content.problems import Refused
from mirror.content.seen import Seen
from mirror.counters import Counted
from mirror.errors import StoreFault
from spot_client.wire import routes
from spot_client.wire.problem import MEDIA_TYPE, Reason
from spot_client.wire.routes import METHODS, Kind, Route

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_MAX_METHOD: Final = 16  # characters of a method that an audit line repeats
_WITH_BODY: Final = frozenset({"POST", "PUT"})
_BROKEN: Final = "the connection ended before the answer was whole"

_MAX_KEPT: Final = 512  # characters of a path whose route is remembered

_remembered = lru_cache(maxsize=8192)(routes.parse)


def _parse(path: str) -> Route | None:
    return _remembered(path) if len(path) <= _MAX_KEPT else routes.parse(path)


class Caller(msgspec.Struct, frozen=True):
    """Whom a connection's certificate names, and how audit lines say that; worked out once a connection."""

    peer: Peer
    serial: str
    role: str | None
    customer: str | None
    name: str | None
    installation: str | None


class Parts(msgspec.Struct, frozen=True):
    """What the handler is made of. `clock`: UTC now; `ids`: a new id of a request; `chance`: a number from 0 to 1."""

    memory: Memory
    files: Files
    customers: Customers
    audit: Audit
    seen: Seen
    counted: Counted
    rates: Rates
    clock: Callable[[], datetime]
    ids: Callable[[], str]
    chance: Callable[[], float]
    log: FilteringBoundLogger
    log_addresses: bool = False


class App:
    """The handler of the content listener. `draining`: connections end with their next answer."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.draining = False
        self.working = 0
        """Requests that wait for a body, a store or a disk."""

    def caller(self, der: bytes | None) -> Caller:
        """Whom a connection's certificate names; nobody, if there is none or it cannot be read."""
        try:
            return _NOBODY if der is None else _read_caller(der)
        except IdentityError:
            return _NOBODY

    def measured(self, busy: float) -> None:
        """Once a second: which part of its time the worker was at work, 0 to 1."""
        self._parts.rates.measured(busy, time.monotonic())

    def begin(self, request: Request, caller: Caller, address: str) -> Exchange:
        """Decide about a request. It has its `answer` now, or gets it by `work`, which the caller runs."""
        exchange = self._exchange(request, caller, address)
        try:
            answer = self._decide(exchange, caller.peer)
        except Exception as error:  # noqa: BLE001
            exchange.answer = self._failed(exchange, error)
        else:
            if isinstance(answer, Answer):
                exchange.answer = answer
            else:
                exchange.work = self._work(exchange, answer)
        return exchange

    def refuse(self, refused: Refused, caller: Caller, address: str) -> Exchange:
        """A request that could not be read: of it, only who sent it is known."""
        exchange = self._exchange(None, caller, address)
        exchange.answer = self._failed(exchange, refused)
        return exchange

    def ended(self, exchange: Exchange) -> None:
        """The last bytes of an answer are about to leave: write its audit line, count it."""
        line, answer = exchange.line, exchange.answer
        seconds = time.perf_counter() - exchange.began
        line.status, line.bytes, line.ms = answer.status, exchange.sent, round(seconds * 1000, 3)
        exchange.is_over = True
        answer.let_go()
        self._parts.audit.write(line)
        counted = self._parts.counted
        counted.sent += exchange.sent
        if exchange.request is not None:
            counted.received += exchange.request.body.received
        counted.request(line.route or "-", line.status, line.reason or "-", seconds)

    def broken(self, exchange: Exchange) -> None:
        """The connection is over. If the answer had not left, its line says so: a second one, if it was thought to."""
        exchange.line.detail = exchange.line.detail or _BROKEN
        if exchange.task is not None and not exchange.task.done():
            exchange.task.add_done_callback(lambda _: self.ended(exchange))
        else:
            self.ended(exchange)

    def _exchange(self, request: Request | None, caller: Caller, address: str) -> Exchange:
        now = self._parts.clock()
        line = Line(
            time=f"{_to_the_second(now.replace(microsecond=0))}.{now.microsecond // 1000:03}Z",
            request=self._parts.ids(),
            method=request.method[:_MAX_METHOD] if request is not None else "",
            address=address if self._parts.log_addresses else None,
            bytes=0,
            serial=caller.serial,
            role=caller.role,
            customer=caller.customer,
            name=caller.name,
            installation=caller.installation,
        )
        return Exchange(request, line, now, time.perf_counter())

    async def _work(self, exchange: Exchange, coming: Coroutine[Any, Any, Answer]) -> None:
        self.working += 1
        try:
            exchange.answer = await coming
        except Exception as error:  # noqa: BLE001
            exchange.answer = self._failed(exchange, error)
        finally:
            self.working -= 1

    def _failed(self, exchange: Exchange, error: Exception) -> Answer:
        line, log = exchange.line, self._parts.log
        match error:
            case Refused():
                return _refusal(error, line, exchange.now)
            case StoreFault():
                log.critical("the store does not answer", request=line.request, problem=str(error))
                return _refusal(Refused(Reason.UNAVAILABLE, error.reason), line, exchange.now)
            case _:
                log.error("a request failed", request=line.request, exc_info=error)
                return _refusal(Refused(Reason.UNAVAILABLE, type(error).__name__), line, exchange.now)

    def _decide(self, exchange: Exchange, peer: Peer) -> Answer | Coroutine[Any, Any, Answer]:
        request, line, now = exchange.asked, exchange.line, exchange.now
        state = self._parts.memory.state
        route = _parse(request.target)
        _note_route(line, route)
        check_form(request)
        self._check_rate(peer, state.world.realm)
        decision = policy.decide(
            peer=peer,
            route=route,
            method=request.method,
            world=state.world,
            now=now,
            installation=request.single("spot-installation"),
        )
        match decision:
            case policy.Deny(reason, detail):
                raise Refused(reason, detail, _allowed_methods(route) if reason is Reason.METHOD_NOT_ALLOWED else None)
            case Allow() as allowed:
                pass
        if request.has_body and request.method not in _WITH_BODY:
            raise Refused(Reason.BAD_REQUEST, "a body where none belongs")
        if allowed.installation is not None:
            rates, name = self._parts.rates, allowed.identity.name
            self._check_wait(rates.take_of(allowed.installation, name, time.monotonic()))
            line.installation = allowed.installation
            self._parts.seen.note(allowed.installation, now)
        return self._dispatch(allowed, request, state, now)

    def _check_rate(self, peer: Peer, realm: str) -> None:
        """Also what will be denied counts: whoever holds a certificate of ours could ask for that without an end."""
        identity = peer.identity
        if identity is not None and identity.role is Role.CLIENT and identity.realm == realm and not peer.problems:
            self._check_wait(self._parts.rates.take(identity.name, time.monotonic()))

    def _check_wait(self, wait: float) -> None:
        if wait:
            seconds = retry_after(wait, self._parts.chance())
            raise Refused(Reason.TOO_MANY_REQUESTS, "", {"Retry-After": str(seconds)})

    def _dispatch(
        self, allowed: Allow, request: Request, state: State, now: datetime
    ) -> Answer | Coroutine[Any, Any, Answer]:
        customers = self._parts.customers
        match allowed.route.kind:
            case Kind.LICENCES:
                return customers.licences(allowed, state)
            case Kind.INSTALLATIONS:
                return customers.mint(allowed, request)
            case Kind.THIN_SNAPSHOT:
                return customers.put_thin_snapshot(allowed, request, state, now)
            case _:
                return self._parts.files.answer(allowed.route, state, _conditions(request), allowed.channels)


@lru_cache(maxsize=8)
def _to_the_second(now: datetime) -> str:
    return f"{now:%Y-%m-%dT%H:%M:%S}"


@lru_cache(maxsize=4096)
def _read_caller(der: bytes) -> Caller:
    return _caller(read_peer(der))


def _caller(peer: Peer) -> Caller:
    identity, serial = peer.identity, f"{peer.serial:x}"
    if identity is None:
        return Caller(peer, serial, None, None, None, None)
    is_client = identity.role is Role.CLIENT
    customer, name = (identity.name, None) if is_client else (None, identity.name)
    return Caller(peer, serial, identity.role.value, customer, name, identity.installation)


_NOBODY: Final = _caller(Peer(None, ("bad-certificate",), 0, b"", _NEVER, _NEVER))


def _conditions(request: Request) -> Conditions:
    return Conditions(
        if_none_match=request.headers.get("if-none-match"),
        spec=request.single("range") if request.method == "GET" else None,
        if_range=request.single("if-range"),
    )


def _refusal(refused: Refused, line: Line, now: datetime) -> Answer:
    line.reason, line.detail = refused.reason.value, refused.detail or None
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", **refused.headers}
    body = problems.body(refused.reason, status=refused.status, request=line.request, now=now)
    return Answer(refused.status, headers, (body,), closes=refused.closes)


def _allowed_methods(route: Route | None) -> dict[str, str]:
    return {} if route is None else {"Allow": ", ".join(sorted(METHODS[route.kind]))}


def _note_route(line: Line, route: Route | None) -> None:
    if route is not None:
        line.route = route.kind.value
        line.product, line.component, line.file = route.product, route.component, route.file
        line.version, line.platform = route.version, route.platform
