"""How a refusal is answered: one table from reason to status, title and one fixed sentence (RFC 9457). Pure.

The sentence is all that a caller learns, so what it may not see and what does not exist read alike. What the mirror
knows beyond it stands in the audit line, under the request id that the answer carries.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from spot_client.wire import problem
from spot_client.wire.problem import Problem, Reason


class Line(msgspec.Struct, frozen=True):
    """A row of the table. `closes`: the connection ends with the answer, because its certificate is the trouble."""

    status: int
    title: str
    sentence: str
    closes: bool = False


TABLE: Final[Mapping[Reason, Line]] = {
    Reason.BAD_CERTIFICATE: Line(
        403, "Bad certificate", "The client certificate is not of a form that this mirror accepts.", closes=True
    ),
    Reason.UNKNOWN_ISSUER: Line(
        403, "Unknown issuer", "The CA that issued the client certificate is not in use any more.", closes=True
    ),
    Reason.OTHER_REALM: Line(
        403, "Other realm", "The client certificate belongs to another realm than this mirror.", closes=True
    ),
    Reason.WRONG_ROLE: Line(403, "Wrong role", "A certificate of this role has no access here.", closes=True),
    Reason.NOT_YET_VALID: Line(
        403, "Not yet valid", "The client certificate is not valid yet: check the clock.", closes=True
    ),
    Reason.EXPIRED: Line(403, "Expired", "The client certificate, or its issuer's, has expired.", closes=True),
    Reason.REVOKED: Line(403, "Revoked", "The client certificate has been revoked.", closes=True),
    Reason.REVOCATION_UNKNOWN: Line(
        503,
        "Revocation unknown",
        "The mirror's revocation list is missing or has lapsed: try again later, or another mirror.",
        closes=True,
    ),
    Reason.UNKNOWN_CUSTOMER: Line(403, "Unknown customer", "The customer of this certificate is not known here."),
    Reason.SUSPENDED: Line(403, "Suspended", "The vendor has suspended this customer's access."),
    Reason.NOT_LICENSED: Line(403, "Not licensed", "There is no licence in force for this product."),
    Reason.NOT_YOUR_INSTALLATION: Line(
        403, "Not your installation", "This installation does not belong to the client certificate."
    ),
    Reason.ENROL_ONLY: Line(403, "Enrol only", "This certificate can enrol an installation, and nothing else."),
    Reason.OWN_CERTIFICATE: Line(
        403, "Own certificate", "This installation has a certificate of its own, and only that one speaks for it."
    ),
    Reason.BAD_CERTIFICATE_REQUEST: Line(
        422, "Bad certificate request", "This is not a request for a certificate that the caller may have."
    ),
    Reason.REQUEST_DENIED: Line(403, "Request denied", "The request for a certificate was refused."),
    Reason.NOT_FOUND: Line(404, "Not found", "There is nothing here under this path."),
    Reason.METHOD_NOT_ALLOWED: Line(405, "Method not allowed", "This path does not answer that method."),
    Reason.BAD_REQUEST: Line(400, "Bad request", "The request is not one that this mirror understands.", closes=True),
    Reason.TOO_LARGE: Line(413, "Too large", "The body of the request is longer than is allowed here.", closes=True),
    Reason.BAD_THIN_SNAPSHOT: Line(
        422,
        "Bad thin snapshot",
        "This is not a thin snapshot of versions that were published in licensed products; nothing was stored.",
    ),
    Reason.RANGE_NOT_SATISFIABLE: Line(416, "Range not satisfiable", "The range lies outside the file."),
    Reason.TOO_MANY_REQUESTS: Line(
        429, "Too many requests", "This installation or its customer asks too often: wait as long as Retry-After says."
    ),
    Reason.UNAVAILABLE: Line(503, "Unavailable", "The mirror cannot answer this now: try again later."),
}
"""Every reason has its row; a test holds that."""


class Refused(Exception):
    """A request is refused with `reason`; `detail` is for the audit line, `headers` go with the answer.

    `status`: one that says more than the reason's row does, such as 431 for a bad request; `closes`: as in the row.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        status: int | None = None,
        closes: bool = False,
    ) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.detail = detail
        self.headers: Mapping[str, str] = headers or {}
        self.status = status or TABLE[reason].status
        self.closes = closes or TABLE[reason].closes


def body(reason: Reason, *, status: int, request: str, now: datetime) -> bytes:
    """The body of a refusal. `request`: the id in the audit line; `now`: UTC."""
    line = TABLE[reason]
    return problem.encode(
        Problem(
            reason=reason.value,
            title=line.title,
            status=status,
            detail=line.sentence,
            request=request,
            time=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        )
    )
