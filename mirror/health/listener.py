"""The sockets of the health listener, with limits of their own. Plain HTTP: for this machine, or a network inside.

A connection carries one request and lives ten seconds at most, whatever its caller does, and there are few at a time;
so a caller can cost next to nothing, and hold up nobody for long.
"""

from collections.abc import Callable
from typing import Final

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from mirror import brief
from mirror.brief import Bounds, Listening, Place
from mirror.health.answers import Answer, Asked, answer
from mirror.health.status import Status

BOUNDS: Final = Bounds(connections=64, life_seconds=10.0)


async def start(
    listen: str,
    token: Callable[[], bytes | None],
    status: Callable[[], Status],
    metrics: Callable[[], bytes],
    log: FilteringBoundLogger,
) -> Listening:
    """Listen on `HOST:PORT`. `token`, `status` and `metrics` are called at each request, in the event loop: they may
    not wait.

    Raises:
        ServeError: reason `port-in-use`, `no-permission`, `no-such-address` or `cannot-listen`.
    """

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        asked = Asked(request.method, request.path, request.headers.get("Authorization"))
        try:
            return _response(answer(asked, token=token(), status=status, metrics=metrics))
        except Exception:
            log.exception("no answer to a question about health", path=request.path)
            return _response(Answer(500, b"internal error\n"))

    return await brief.listen(Place(listen, "health.listen"), handle, _broken, BOUNDS)


def _broken(status: int) -> web.Response:
    return _response(Answer(status, b"bad request\n" if status < 500 else b"internal error\n"))


def _response(said: Answer) -> web.Response:
    response = web.Response(
        status=said.status,
        body=said.body,
        headers={"Server": "spot-mirror", "Content-Type": said.content_type, "Cache-Control": "no-store"},
    )
    response.headers.extend(said.headers)
    response.force_close()
    return response
