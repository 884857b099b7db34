"""One request, from the certificate to the audit line: peer → route → decision → answer → bytes → line.

There is one handler and no router: `spot_client.wire.routes` reads the path as it stands on the request line, so a
request has one spelling, and what is not a route does not exist. The answer is written here, to its last byte, so that
the line tells what was really sent.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from ca.errors import IdentityError
from ca.identity import Role
from ca.peer import Peer, read_peer
from mirror.content import policy, problems
from mirror.content.answer import Answer, send
from mirror.content.audit import Audit, Line
from mirror.content.bodies import check_form, single
from mirror.content.customers import Customers
from mirror.content.files import Conditions, Files
from mirror.content.memory import Memory, State
from mirror.content.policy import Allow
from mirror.content.problems import Refused
from mirror.content.seen import Seen
from mirror.errors import StoreFault
from spot_client.wire import routes
from spot_client.wire.problem import MEDIA_TYPE, Reason
from spot_client.wire.routes import METHODS, Kind, Route

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_NOBODY: Final = Peer(None, ("bad-certificate",), 0, b"", _NEVER, _NEVER)
_MAX_METHOD: Final = 16  # characters of a method that an audit line repeats
_WITH_BODY: Final = frozenset({"POST", "PUT"})


class Parts(msgspec.Struct, frozen=True):
    """What the handler is made of. `clock`: UTC now; `random`: so many random bytes."""

    memory: Memory
    files: Files
    customers: Customers
    audit: Audit
    seen: Seen
    clock: Callable[[], datetime]
    random: Callable[[int], bytes]
    log: FilteringBoundLogger
    log_addresses: bool = False


class App:
    """The handler of the content listener, and what is needed to stop it gracefully."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._running = 0
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def drain(self) -> None:
        """From now on, end connections with their next answer; returns when no request is running."""
        self._draining = True
        while self._running:  # one more may have begun between the event and this task's turn
            await self._idle.wait()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request and write its audit line.

        Raises:
            ConnectionError: the caller is gone; aiohttp then drops the connection.
        """
        self._running += 1
        self._idle.clear()
        try:
            return await self._handle(request)
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    def refuse(self, request: web.BaseRequest, refused: Refused) -> web.Response:
        """Answer a request that could not be read, and write its audit line: of it, only who sent it is known."""
        now = self._parts.clock()
        line = self._new_line(request, now)
        _note_peer(line, _peer(request))
        answer = _refusal(refused, line, now)
        body = b"".join(answer.body)
        line.status, line.bytes, line.ms = answer.status, len(body), 0.0
        self._parts.audit.write(line)
        return web.Response(status=answer.status, body=body, headers={"Server": "spot-mirror", **answer.headers})

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        began, now = time.perf_counter(), self._parts.clock()
        line = self._new_line(request, now)

        def wrote(count: int) -> None:
            line.bytes += count

        try:
            answer = await self._answer(request, line, now)
            line.status = answer.status
            if self._draining:
                answer = msgspec.structs.replace(answer, closes=True)
            return await send(request, answer, wrote)
        except (ConnectionError, asyncio.CancelledError):
            line.detail = line.detail or "the connection ended before the answer was whole"
            raise
        finally:
            line.ms = round((time.perf_counter() - began) * 1000, 3)
            self._parts.audit.write(line)

    async def _answer(self, request: web.BaseRequest, line: Line, now: datetime) -> Answer:
        try:
            return await self._decide(request, line, now)
        except Refused as refused:
            return _refusal(refused, line, now)
        except StoreFault as error:
            self._parts.log.critical("the store does not answer", request=line.request, problem=str(error))
            return _refusal(Refused(Reason.UNAVAILABLE, error.reason), line, now)
        except Exception as error:
            self._parts.log.exception("a request failed", request=line.request)
            return _refusal(Refused(Reason.UNAVAILABLE, type(error).__name__), line, now)

    async def _decide(self, request: web.BaseRequest, line: Line, now: datetime) -> Answer:
        state = self._parts.memory.state
        peer, route = _peer(request), routes.parse(request.raw_path)
        _note_peer(line, peer)
        _note_route(line, route)
        check_form(request)
        decision = policy.decide(
            peer=peer,
            route=route,
            method=request.method,
            world=state.world,
            now=now,
            installation=single(request, "Spot-Installation"),
        )
        match decision:
            case policy.Deny(reason, detail):
                raise Refused(reason, detail, _allowed_methods(route) if reason is Reason.METHOD_NOT_ALLOWED else None)
            case Allow() as allowed:
                pass
        if request.body_exists and request.method not in _WITH_BODY:
            raise Refused(Reason.BAD_REQUEST, "a body where none belongs")
        if allowed.installation is not None:
            line.installation = allowed.installation
            self._parts.seen.note(allowed.installation, now)
        return await self._dispatch(allowed, request, state, now)

    async def _dispatch(self, allowed: Allow, request: web.BaseRequest, state: State, now: datetime) -> Answer:
        customers = self._parts.customers
        match allowed.route.kind:
            case Kind.LICENCES:
                return customers.licences(allowed, state)
            case Kind.INSTALLATIONS:
                return await customers.mint(allowed, request)
            case Kind.THIN_SNAPSHOT:
                return await customers.put_thin_snapshot(allowed, request, state, now)
            case _:
                return await self._parts.files.answer(allowed.route, state, _conditions(request), allowed.channels)

    def _new_line(self, request: web.BaseRequest, now: datetime) -> Line:
        return Line(
            time=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            request=self._parts.random(8).hex(),
            method=request.method[:_MAX_METHOD],
            address=request.remote if self._parts.log_addresses else None,
            bytes=0,
        )


def _peer(request: web.BaseRequest) -> Peer:
    """Who the connection's certificate names; nobody, if there is none or it cannot be read."""
    tls = request.get_extra_info("ssl_object")
    der = None if tls is None else tls.getpeercert(binary_form=True)
    try:
        return _NOBODY if der is None else _read_peer(der)
    except IdentityError:
        return _NOBODY


@lru_cache(maxsize=4096)
def _read_peer(der: bytes) -> Peer:
    return read_peer(der)


def _conditions(request: web.BaseRequest) -> Conditions:
    headers = request.headers
    tags = headers.getall("If-None-Match", ())  # a list: several headers are one (RFC 9110 §5.3)
    return Conditions(
        if_none_match=", ".join(tags) if tags else None,
        spec=single(request, "Range") if request.method == "GET" else None,
        if_range=single(request, "If-Range"),
    )


def _refusal(refused: Refused, line: Line, now: datetime) -> Answer:
    line.reason, line.detail = refused.reason.value, refused.detail or None
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", **refused.headers}
    body = problems.body(refused.reason, status=refused.status, request=line.request, now=now)
    return Answer(refused.status, headers, (body,), closes=problems.TABLE[refused.reason].closes)


def _allowed_methods(route: Route | None) -> dict[str, str]:
    return {} if route is None else {"Allow": ", ".join(sorted(METHODS[route.kind]))}


def _note_peer(line: Line, peer: Peer) -> None:
    line.serial = f"{peer.serial:x}"
    if peer.identity is not None:
        line.role, line.installation = peer.identity.role.value, peer.identity.installation
        if peer.identity.role is Role.CLIENT:
            line.customer = peer.identity.name
        else:
            line.name = peer.identity.name


def _note_route(line: Line, route: Route | None) -> None:
    if route is not None:
        line.route = route.kind.value
        line.product, line.component, line.file = route.product, route.component, route.file
        line.version, line.platform = route.version, route.platform
