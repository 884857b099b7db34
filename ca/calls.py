"""What the issuing host asks of a mirror's operator listener, and what that answers. Both directions.

    GET  /crls                              `Lists`: the revocation lists in force
    PUT  /crls                              a CRL, PEM or DER; `ListHeld` once every worker holds to it
    GET  /certificate-requests/after/N      `Requests`: those that wait, behind the number N
    PUT  /certificate-requests/DIGEST       `Decision`, 204 once it is stored

The host that signs only ever calls, and is never called. Documents are canonical JSON (`ca.strict_json`); certificates
and requests are DER, in base64. A refusal is `Refusal`, with a status of 4xx or 5xx.

Pure: bytes in, values out.
"""

from typing import Annotated, Final, TypeVar

import msgspec

from ca import strict_json
from ca.errors import JsonError, OperatorError
from ca.peer import MAX_CERTIFICATE
from ca.request import MAX_REQUEST

LISTS: Final = "/crls"
REQUESTS: Final = "/certificate-requests"
MAX_ANSWER: Final = 16 * 2**20
"""Longest answer, in bytes."""
MAX_DECISION: Final = 2 * MAX_CERTIFICATE
PAGE: Final = 100
"""Requests in one answer, at most."""

Reason = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z-]{0,63}\Z")]
Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{1,128}\Z")]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Moment = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")]

S = TypeVar("S", bound=msgspec.Struct)


class ListHeld(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A revocation list in force. issuer_key: key identifier, hex; revoked: how many serials it names."""

    issuer_key: Hex
    number: Annotated[int, msgspec.Meta(ge=0)]
    this_update: Moment
    next_update: Moment
    revoked: Annotated[int, msgspec.Meta(ge=0)]


class Lists(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them, by issuer."""

    lists: tuple[ListHeld, ...]


class WaitingRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for a certificate. number: its place; digest: SHA-256 of `request`; requester: the certificate that it
    came with. None of it is believed by whoever signs."""

    number: Annotated[int, msgspec.Meta(ge=0)]
    digest: Digest
    received: Moment
    request: Annotated[bytes, msgspec.Meta(max_length=MAX_REQUEST)]
    requester: Annotated[bytes, msgspec.Meta(max_length=MAX_CERTIFICATE)]


class Requests(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page of them, by number; an empty one is the last."""

    requests: Annotated[tuple[WaitingRequest, ...], msgspec.Meta(max_length=PAGE)]


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the two: the certificate, or why there is none."""

    certificate: Annotated[bytes, msgspec.Meta(max_length=MAX_CERTIFICATE)] | None = None
    denied: Reason | None = None


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why nothing was done: a word for programs, a sentence for people."""

    reason: Reason
    detail: Annotated[str, msgspec.Meta(max_length=1000)]


def encode(document: msgspec.Struct) -> bytes:
    """The canonical bytes of one of these."""
    return strict_json.encode(document)


def decode(raw: bytes, shape: type[S], *, max_bytes: int = MAX_ANSWER) -> S:
    """Read one of these.

    Raises:
        OperatorError: reason `bad-document`.
    """
    try:
        found = strict_json.decode(raw, shape, max_bytes=max_bytes)
    except JsonError as error:
        raise OperatorError("bad-document", f"What came is no document of this call ({error.reason}).") from error
    if isinstance(found, Decision) and (found.certificate is None) == (found.denied is None):
        raise OperatorError("bad-document", "A decision is a certificate, or says why there is none.")
    return found
