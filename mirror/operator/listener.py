"""The sockets of the operator listener. One call a connection; few at a time; each with an end.

aiohttp with Python's own TLS: a handful of calls a minute. The context demands a certificate of a current issuing CA;
what else is wrong with it is answered by name.
"""

import ssl
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from ca.errors import TlsError
from ca.tls import check_cipher
from mirror import brief
from mirror.brief import Bounds, Listening, Place
from mirror.operator.answers import Answer, Office, Who, answer, most_bytes, too_large

BOUNDS: Final = Bounds(connections=32, life_seconds=60.0)
"""A minute is enough for 16 MiB of a revocation list on a line of 2 Mbit/s."""

Noted = Callable[[Who, str, str, Answer, float], None]
"""Takes who called, method, path, what was answered, and the seconds that it took."""


async def start(
    listen: str, context: ssl.SSLContext, office: Office, noted: Noted, log: FilteringBoundLogger
) -> Listening:
    """Listen on `HOST:PORT`. `context`: of `ca.tls.server_context`.

    Raises:
        ServeError: reason `port-in-use`, `no-permission`, `no-such-address` or `cannot-listen`.
    """

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        began, who = time.monotonic(), _caller(request, office)
        try:
            said = await _answered(request, who, office)
        except Exception:
            log.exception("no answer to an operator", path=request.path)
            said = Answer(500, reason="internal")
        noted(who, request.method, request.path, said, time.monotonic() - began)
        return _response(said)

    return await brief.listen(Place(listen, "operator.listen", context), handle, _broken, BOUNDS)


def _broken(status: int) -> web.Response:
    return _response(Answer(status))


def _caller(request: web.BaseRequest, office: Office) -> Who:
    tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    if tls is None or certificate is None:
        return Who("", "", "bad-certificate")
    try:
        check_cipher(tls.cipher())
    except TlsError as error:
        return Who("", "", error.reason, str(error))
    return office.admit(certificate)


async def _answered(request: web.BaseRequest, who: Who, office: Office) -> Answer:
    body = b""
    if who.may(request.method, request.path):  # nobody else is read from
        most = most_bytes(request.method, request.path)
        if (request.content_length or 0) > most:
            return too_large()
        while len(body) <= most and (piece := await request.content.read(most + 1 - len(body))):
            body += piece
        if len(body) > most:
            return too_large()
    return await answer(office, who, request.method, request.path, body)


def _response(said: Answer) -> web.Response:
    headers = {"Server": "spot-mirror", "Content-Type": "application/json", "Cache-Control": "no-store"}
    response = web.Response(status=said.status, body=said.body, headers=headers)
    response.force_close()
    return response
