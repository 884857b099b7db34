"""Why a request was refused: the reasons, and the body that carries one (RFC 9457, `application/problem+json`). Pure.

A reason is the public half of a refusal. It never tells whether something exists that the caller may not see.
"""

from enum import Enum
from typing import Annotated, Final

import msgspec

from ca import strict_json
from ca.errors import JsonError

MAX_BYTES: Final = 8 * 2**10
MEDIA_TYPE: Final = "application/problem+json"


class Reason(Enum):
    """Every reason for which the content listener refuses."""

    BAD_CERTIFICATE = "bad-certificate"
    """The certificate is of this CA, but not in the form of any of our profiles."""
    UNKNOWN_ISSUER = "unknown-issuer"
    """Signed by an issuing CA that is not configured any more."""
    OTHER_REALM = "other-realm"
    WRONG_ROLE = "wrong-role"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REVOCATION_UNKNOWN = "revocation-unknown"
    """The mirror's revocation list is missing or has lapsed; nobody is served until it is renewed."""
    UNKNOWN_CUSTOMER = "unknown-customer"
    SUSPENDED = "suspended"
    """The vendor has suspended the customer: nothing is answered until that ends."""
    NOT_LICENSED = "not-licensed"
    """No licence for the product, whether or not it exists."""
    NOT_YOUR_INSTALLATION = "not-your-installation"
    ENROL_ONLY = "enrol-only"
    """The certificate is one that can do nothing but enrol."""
    OWN_CERTIFICATE = "own-certificate"
    """The installation has a certificate of its own, and only that one speaks for it."""
    BAD_CERTIFICATE_REQUEST = "bad-certificate-request"
    """Not one that this caller may ask for: another identity, a weak key, no proof that it holds the key."""
    REQUEST_DENIED = "request-denied"
    """The host that signs has refused the request for a certificate."""
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    BAD_REQUEST = "bad-request"
    TOO_LARGE = "too-large"
    BAD_THIN_SNAPSHOT = "bad-thin-snapshot"
    RANGE_NOT_SATISFIABLE = "range-not-satisfiable"
    TOO_MANY_REQUESTS = "too-many-requests"
    """More than this installation or customer may ask now; `Retry-After` says when to ask again."""
    UNAVAILABLE = "unavailable"
    """The mirror cannot answer now (starting, stopping, disk full); asking again later is right."""


class Problem(msgspec.Struct, frozen=True):
    """The body of a refusal. `time` in UTC, `request` the id under which the mirror logged it."""

    reason: str
    title: str
    status: int
    detail: str
    request: str
    time: str
    type: str = "about:blank"


class _Public(msgspec.Struct, frozen=True):
    reason: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[a-z-]+\Z")]
    detail: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    request: Annotated[str, msgspec.Meta(max_length=64)] = ""


def encode(problem: Problem) -> bytes:
    """The canonical bytes of a refusal's body."""
    return strict_json.encode(problem)


def read_reason(raw: bytes) -> tuple[str, str, str] | None:
    """(reason, detail, request id) of a refusal's body, or None if it is not one. Only ever shown, never trusted.

    What a terminal would obey instead of show (control characters), and what it cannot show, becomes a blank.
    """
    try:
        public = strict_json.decode(raw, _Public, max_bytes=MAX_BYTES, canonical=False)
    except JsonError:
        return None
    return public.reason, _printable(public.detail), _printable(public.request)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
