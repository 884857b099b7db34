"""One request, from the certificate to the audit line: peer → route → decision → answer → line.

There is one handler and no router: `spot_client.wire.routes` reads the path as it stands on the request line, so a
request has one spelling, and what is not a route does not exist. What needs no waiting is answered without: there is a
task for a request only if it reads a body, a store or a disk.
"""

import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from structlog.typing import FilteringBoundLogger

from mirror.content import policy, problems
from mirror.content.answer import Answer
from mirror.content.audit import Audit, line_of
from mirror.content.bodies import check_form
from mirror.content.caller import Caller
from mirror.content.certificates import Certificates
from mirror.content.customers import Customers
from mirror.content.exchange import Exchange
from mirror.content.files import Files, check_channels
from mirror.content.head import Request
from mirror.content.limits import Rates, retry_after
from mirror.content.memory import Memory, State
from mirror.content.moment import Moment, moment_of
from mirror.content.policy import Allow
from mirror.content.problems import Refused
from mirror.content.representation import Conditions
from mirror.content.seen import Seen
from mirror.counters import Counted
from mirror.errors import StoreFault
from spot_client.wire import routes
from spot_client.wire.problem import MEDIA_TYPE, Reason
from spot_client.wire.routes import METHODS, Kind, Route

_WITH_BODY: Final = frozenset({"POST", "PUT"})
_BROKEN: Final = "the connection ended before the answer was whole"

_MAX_KEPT: Final = 512  # characters of a path whose route is remembered

_remembered = lru_cache(maxsize=8192)(routes.parse)


def _parse(path: str) -> Route | None:
    return _remembered(path) if len(path) <= _MAX_KEPT else routes.parse(path)


class Parts(msgspec.Struct, frozen=True):
    """What the handler is made of. `clock`: UTC now; `ids`: a new id of a request; `chance`: a number from 0 to 1."""

    memory: Memory
    files: Files
    customers: Customers
    certificates: Certificates
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
        self._moment = moment_of(parts.clock())
        self.draining = False
        self.working = 0
        """Requests that wait for a body, a store or a disk."""

    def measured(self, busy: float) -> None:
        """Once a second: which part of its time the worker was at work, 0 to 1."""
        self._parts.rates.measured(busy, time.monotonic())

    def begin(self, request: Request, caller: Caller, address: str) -> Exchange:
        """Decide about a request. It has its `answer` now, or gets it by `work`, which the caller runs."""
        exchange = self._exchange(request, caller, address)
        try:
            answer = self._decide(exchange, caller)
        except Exception as error:  # noqa: BLE001
            exchange.answer = self._failed(exchange, error)
        else:
            if isinstance(answer, Answer):
                exchange.answer = answer
            else:
                exchange.work = self._work(exchange, answer)
        return exchange

    def recheck(self, exchange: Exchange) -> Refused | None:
        """Whether a request that was let in would be refused by now, whatever became of it meanwhile."""
        route = exchange.route
        if exchange.reason is not None or exchange.request is None or route is None:  # it is refused already
            return None
        parts, state = self._parts, self._parts.memory.state
        standing = exchange.caller.judged(state.world, self._moment_of(parts.clock()))
        request = exchange.request
        allowed = policy.ask(standing, state.world, route, request.method, request.single("spot-installation"))
        if isinstance(allowed, policy.Deny):
            return Refused(allowed.reason, allowed.detail)
        try:
            check_channels(route, state, allowed.channels)
        except Refused as refused:
            return refused
        return None

    def refuse(self, refused: Refused, caller: Caller, address: str) -> Exchange:
        """A request that could not be read: of it, only who sent it is known."""
        exchange = self._exchange(None, caller, address)
        exchange.answer = self._failed(exchange, refused)
        return exchange

    def ended(self, exchange: Exchange) -> None:
        """The last bytes of an answer are about to leave: write its audit line, count it."""
        answer, route, counted = exchange.answer, exchange.route, self._parts.counted
        seconds = time.monotonic() - exchange.began
        answer.let_go()
        self._parts.audit.write(line_of(exchange, seconds))
        if exchange.counted:  # this is a second line, for a connection that broke after the first
            return
        exchange.counted = True
        counted.sent += exchange.sent
        if exchange.request is not None:
            counted.received += exchange.request.body.received
        counted.request(route.kind.value if route is not None else "-", answer.status, exchange.reason or "-", seconds)

    def broken(self, exchange: Exchange) -> None:
        """The connection is over. If the answer had not left, its line says so: a second one, if it was thought to."""
        exchange.detail = exchange.detail or _BROKEN
        if exchange.task is not None and not exchange.task.done():
            exchange.task.add_done_callback(lambda _: self.ended(exchange))
        else:
            self.ended(exchange)

    def _exchange(self, request: Request | None, caller: Caller, address: str) -> Exchange:
        parts = self._parts
        now = parts.clock()
        moment = self._moment_of(now)
        told = address if parts.log_addresses else None
        return Exchange(request, caller, parts.ids(), moment, now, time.monotonic(), told)

    def _moment_of(self, now: datetime) -> Moment:
        moment = self._moment
        if not moment.begin <= now < moment.end:
            moment = self._moment = moment_of(now)
        return moment

    async def _work(self, exchange: Exchange, coming: Coroutine[Any, Any, Answer]) -> None:
        self.working += 1
        try:
            exchange.answer = await coming
        except Exception as error:  # noqa: BLE001
            exchange.answer = self._failed(exchange, error)
        finally:
            self.working -= 1

    def _failed(self, exchange: Exchange, error: Exception) -> Answer:
        log = self._parts.log
        match error:
            case Refused():
                return _refusal(error, exchange)
            case StoreFault():
                log.critical("the store does not answer", request=exchange.id, problem=str(error))
                return _refusal(Refused(Reason.UNAVAILABLE, error.reason), exchange)
            case _:
                log.error("a request failed", request=exchange.id, exc_info=error)
                return _refusal(Refused(Reason.UNAVAILABLE, type(error).__name__), exchange)

    def _decide(self, exchange: Exchange, caller: Caller) -> Answer | Coroutine[Any, Any, Answer]:
        request, rates, state = exchange.asked, self._parts.rates, self._parts.memory.state
        route = exchange.route = _parse(request.target)
        check_form(request)
        standing = caller.judged(state.world, exchange.moment)
        if caller.counted_as is not None:
            self._check_wait(rates.take(caller.counted_as, exchange.began))
        allowed = policy.ask(standing, state.world, route, request.method, request.single("spot-installation"))
        if isinstance(allowed, policy.Deny):
            wrong_method = allowed.reason is Reason.METHOD_NOT_ALLOWED
            raise Refused(allowed.reason, allowed.detail, _allowed_methods(route) if wrong_method else None)
        if request.has_body and request.method not in _WITH_BODY:
            raise Refused(Reason.BAD_REQUEST, "a body where none belongs")
        if allowed.installation is not None:
            self._check_wait(rates.take_of(allowed.installation, allowed.identity.name, exchange.began))
            exchange.installation = allowed.installation
            self._parts.seen.note(allowed.installation, exchange.now)
        return self._dispatch(allowed, exchange, state)

    def _check_still(self, exchange: Exchange) -> None:
        refused = self.recheck(exchange)
        if refused is not None:
            raise refused

    def _check_wait(self, wait: float) -> None:
        if wait:
            seconds = retry_after(wait, self._parts.chance())
            raise Refused(Reason.TOO_MANY_REQUESTS, "", {"Retry-After": str(seconds)})

    def _dispatch(self, allowed: Allow, exchange: Exchange, state: State) -> Answer | Coroutine[Any, Any, Answer]:
        customers, request = self._parts.customers, exchange.asked
        match allowed.route.kind:
            case Kind.LICENCES:
                return customers.licences(allowed, state)
            case Kind.INSTALLATIONS:
                return customers.mint(allowed, request, lambda: self._check_still(exchange))
            case Kind.THIN_SNAPSHOT:
                return customers.put_thin_snapshot(
                    allowed, request, state, exchange.now, lambda: self._check_still(exchange)
                )
            case Kind.ENROL | Kind.REENROL:
                return self._parts.certificates.ask(
                    allowed,
                    request,
                    exchange.caller.certificate,
                    state.world,
                    lambda: self._check_still(exchange),
                )
            case _:
                return self._parts.files.answer(allowed.route, state, _conditions(request), allowed.channels)


def _conditions(request: Request) -> Conditions:
    return Conditions(
        if_none_match=request.headers.get("if-none-match"),
        spec=request.single("range") if request.method == "GET" else None,
        if_range=request.single("if-range"),
    )


def _refusal(refused: Refused, exchange: Exchange) -> Answer:
    exchange.reason, exchange.detail = refused.reason.value, refused.detail or None
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", **refused.headers}
    body = problems.body(refused.reason, status=refused.status, request=exchange.id, now=exchange.now)
    return Answer(refused.status, headers, (body,), closes=refused.closes)


def _allowed_methods(route: Route | None) -> dict[str, str]:
    return {} if route is None else {"Allow": ", ".join(sorted(METHODS[route.kind]))}
