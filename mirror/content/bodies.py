"""What a request carries besides its path: single headers and small bodies, each with a limit before it is read."""

import asyncio
from typing import Final

from aiohttp import HttpVersion10, HttpVersion11, web

from mirror.content.problems import Refused
from spot_client.wire.problem import Reason

BODY_SECONDS: Final = 20
"""How long the whole of a body may take."""


def check_form(request: web.BaseRequest) -> None:
    """Refuse what the parser lets pass and we do not speak (RFC 9110 §7.8, §9.3.6 and §15.6.6, RFC 9112 §6.1).

    Raises:
        Refused: reason `bad-request`, which ends the connection: where the next request on it begins is not certain.
    """
    if request.version not in {HttpVersion10, HttpVersion11}:
        raise Refused(Reason.BAD_REQUEST, "another version of HTTP", status=505)
    if request.method == "CONNECT" or "Upgrade" in request.headers:
        raise Refused(Reason.BAD_REQUEST, "another protocol")
    coding = single(request, "Transfer-Encoding")
    if coding is not None and (coding.lower() != "chunked" or request.version != HttpVersion11):
        raise Refused(Reason.BAD_REQUEST, "a Transfer-Encoding")


def single(request: web.BaseRequest, name: str) -> str | None:
    """The header `name`, or None.

    Raises:
        Refused: reason `bad-request`, if it is there twice: which one counts would be a guess.
    """
    values = request.headers.getall(name, ())
    if len(values) > 1:
        raise Refused(Reason.BAD_REQUEST, f"two headers {name}")
    return values[0] if values else None


async def read_body(request: web.BaseRequest, max_bytes: int, *, seconds: float = BODY_SECONDS) -> bytes:
    """The whole body, of at most `max_bytes` bytes.

    Raises:
        Refused: reason `too-large`, or `bad-request` for one that is cut off, malformed, too slow, or compressed (415,
            RFC 9110 §15.5.16): nothing here unpacks what a caller sends.
    """
    if "Content-Encoding" in request.headers:
        raise Refused(Reason.BAD_REQUEST, "a Content-Encoding", {"Accept-Encoding": "identity"}, status=415)
    if (request.content_length or 0) > max_bytes:
        raise Refused(Reason.TOO_LARGE, f"announced {request.content_length}")
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            await _continue(request)
            while len(body) <= max_bytes and (chunk := await request.content.readany()):
                body += chunk
    except TimeoutError as error:
        raise Refused(Reason.BAD_REQUEST, f"the body took longer than {seconds} s") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise Refused(Reason.BAD_REQUEST, "the body was cut off") from error
    if len(body) > max_bytes:
        raise Refused(Reason.TOO_LARGE, "longer than announced")
    return bytes(body)


async def _continue(request: web.BaseRequest) -> None:
    """RFC 9110 §10.1.1: a caller that expects it sends the body only after this."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
