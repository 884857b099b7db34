"""What is answered to whom: one decision a request. Pure; nothing that a caller sent is repeated.

A balancer needs no token: `/healthz` is alive or not, `/readyz` ready or not. Why it is not ready, and all metrics,
are for those who show the token, or for everybody who gets here, where there is none.
"""

import hmac
from collections.abc import Callable
from typing import Final

import msgspec

from mirror.health.status import SENTENCES, Cause, Status, not_ready

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
PROBLEM_TYPE: Final = "application/problem+json"


class Answer(msgspec.Struct, frozen=True):
    """Status, body and headers; the body is left out for HEAD by whoever sends it."""

    status: int
    body: bytes
    content_type: str = TEXT_TYPE
    headers: tuple[tuple[str, str], ...] = ()


class Asked(msgspec.Struct, frozen=True):
    """What of a request counts: the path without query, and the header `Authorization`, if there is one."""

    method: str
    path: str
    authorization: str | None


class _Lacking(msgspec.Struct, frozen=True):
    cause: str
    detail: str


class _Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457; the cause of each thing that is lacking is one of `Cause`."""

    title: str
    status: int
    lacking: tuple[_Lacking, ...] = ()


def answer(
    asked: Asked,
    *,
    token: bytes | None,
    status: Callable[[], Status],
    metrics: Callable[[], bytes],
) -> Answer:
    """Decide one request. `token`: what has to be shown as `Authorization: Bearer` (RFC 6750 §2.1); None: nothing."""
    if asked.path not in {"/healthz", "/readyz", "/metrics"}:
        return Answer(404, b"not found\n")
    if asked.method not in {"GET", "HEAD"}:
        return Answer(405, b"method not allowed\n", headers=(("Allow", "GET, HEAD"),))
    trusted = token is None or _shows(asked.authorization, token)
    match asked.path:
        case "/healthz":
            return Answer(200, b"ok\n")
        case "/readyz":
            return _ready(not_ready(status()), told=trusted)
    if not trusted:
        return Answer(401, b"a token is needed\n", headers=(("WWW-Authenticate", "Bearer"),))
    return Answer(200, metrics(), METRICS_TYPE)


def _ready(causes: tuple[Cause, ...], *, told: bool) -> Answer:
    if not causes:
        return Answer(200, b"ready\n")
    lacking = tuple(_Lacking(cause.value, SENTENCES[cause]) for cause in causes) if told else ()
    return Answer(503, msgspec.json.encode(_Problem("Not ready", 503, lacking)) + b"\n", PROBLEM_TYPE)


def _shows(authorization: str | None, token: bytes) -> bool:
    scheme, _, shown = (authorization or "").partition(" ")
    # Headers may hold any bytes, which aiohttp keeps as surrogates.
    raw = shown.strip(" ").encode("utf-8", "surrogateescape")
    return scheme.lower() == "bearer" and hmac.compare_digest(raw, token)
