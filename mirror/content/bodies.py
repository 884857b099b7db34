"""What a request carries besides its path: its form, single headers and small bodies, each with a limit."""

from mirror.content.head import Request
from mirror.content.problems import Refused
from spot_client.wire.problem import Reason


def check_form(request: Request) -> None:
    """Refuse what the parser lets pass and we do not speak (RFC 9110 §7.2, §7.8, §9.3.6, §15.6.6; RFC 9112 §6.1).

    Raises:
        Refused: reason `bad-request`, which ends the connection: where the next request on it begins is not certain.
    """
    if request.version not in {"1.0", "1.1"}:
        raise Refused(Reason.BAD_REQUEST, "another version of HTTP", status=505)
    if request.method == "CONNECT" or "upgrade" in request.headers:
        raise Refused(Reason.BAD_REQUEST, "another protocol")
    if request.single("host") is None and request.version == "1.1":
        raise Refused(Reason.BAD_REQUEST, "no Host")
    coding = request.single("transfer-encoding")
    if coding is not None and (coding.lower() != "chunked" or request.version != "1.1"):
        raise Refused(Reason.BAD_REQUEST, "a Transfer-Encoding")


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body, of at most `max_bytes` bytes.

    Raises:
        Refused: reason `too-large`, or `bad-request` for one that is cut off, malformed, too slow, or compressed (415,
            RFC 9110 §15.5.16): nothing here unpacks what a caller sends.
    """
    if "content-encoding" in request.headers:
        raise Refused(Reason.BAD_REQUEST, "a Content-Encoding", {"Accept-Encoding": "identity"}, status=415)
    if int(request.headers.get("content-length", "0")) > max_bytes:
        raise Refused(Reason.TOO_LARGE, f"announced {request.headers['content-length']}")
    body = await request.body.read(max_bytes)
    if len(body) > max_bytes:
        raise Refused(Reason.TOO_LARGE, "longer than announced")
    return body
