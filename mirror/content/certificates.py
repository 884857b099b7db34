"""Requests for certificates (RFC 7030 §4.2): what may be asked for here, and what has come of it.

Nothing is signed here, nor anywhere near: a request waits in the store until the host that signs has fetched it, and
whoever sent it sends the very same bytes again. Who may ask at all is for the policy; whether the identity in the
request is one that this caller may ask for is looked at here, and once more by the host that signs.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from ca.errors import RequestError
from ca.identity import Identity, Role
from ca.request import CertificateRequest, read_request
from mirror.content.answer import Answer
from mirror.content.bodies import read_body
from mirror.content.head import Request
from mirror.content.policy import Allow
from mirror.content.problems import Refused
from mirror.content.world import World
from mirror.errors import NotThere, RecordsError, StoreFault, TooOften
from mirror.records.requests import Answered, Asked
from spot_client.wire import est
from spot_client.wire.errors import FormatError
from spot_client.wire.problem import Reason
from spot_client.wire.routes import Kind

_PRIVATE: Final = {"Cache-Control": "private, no-store"}
_SHORTEST: Final = timedelta(minutes=1)
_LONGEST: Final = timedelta(hours=6)
_REASONS: Final = {"own-certificate": Reason.OWN_CERTIFICATE, "other-installation": Reason.NOT_YOUR_INSTALLATION}


def pause(waited: timedelta, chance: float) -> int:
    """Seconds until whoever waits is to ask again: the longer it has waited, the longer. `chance`: from 0 to 1."""
    return round(min(max(waited / 4, _SHORTEST), _LONGEST).total_seconds() * (1 + chance))


class Desk(Protocol):
    """What has requests wait, elsewhere."""

    async def ask(self, asked: Asked) -> Answered:
        """What has come of a request; it is durable on return.

        Raises:
            NotThere, TooOften, RecordsError: as `mirror.records.requests`.
            StoreFault: nothing was written.
        """
        ...


class Certificates:
    """Answers `Kind.ENROL` and `REENROL`, for callers that the policy let in."""

    def __init__(self, desk: Desk, clock: Callable[[], datetime], chance: Callable[[], float]) -> None:
        """`clock`: UTC; `chance`: a number from 0 to 1."""
        self._desk, self._clock, self._chance = desk, clock, chance

    async def ask(
        self, allowed: Allow, request: Request, requester: bytes, world: World, check: Callable[[], None]
    ) -> Answer:
        """200 and the certificate, or 202 while the request waits.

        Args:
            requester: the caller's certificate, DER.
            check: as for `Customers.mint`.

        Raises:
            Refused: `bad-certificate-request`, `not-your-installation`, `own-certificate`, `request-denied`,
                `too-large`, or `bad-request`; or 429, for one of too many that wait.
        """
        if (request.single("content-type") or "").partition(";")[0].strip().lower() != est.REQUEST_TYPE:
            raise Refused(Reason.BAD_REQUEST, "another Content-Type", {"Accept": est.REQUEST_TYPE}, status=415)
        raw = await read_body(request, est.MAX_BODY)
        check()
        try:
            der = est.decode_request(raw)
            read = read_request(der)
        except (FormatError, RequestError) as error:
            raise Refused(Reason.BAD_CERTIFICATE_REQUEST, error.reason) from error
        installation = _installation(read, allowed, world)
        enrols = allowed.route.kind is Kind.ENROL
        asked = Asked(hashlib.sha256(der).digest(), installation, enrols, der, requester)
        return self._answer(await self._ask(asked))

    async def _ask(self, asked: Asked) -> Answered:
        try:
            return await self._desk.ask(asked)
        except NotThere as error:
            raise Refused(Reason.NOT_YOUR_INSTALLATION, str(error)) from error
        except TooOften as error:
            raise Refused(Reason.TOO_MANY_REQUESTS, error.reason, {"Retry-After": str(error.seconds)}) from error
        except StoreFault:
            raise
        except RecordsError as error:
            raise Refused(_REASONS.get(error.reason, Reason.UNAVAILABLE), error.reason) from error

    def _answer(self, answered: Answered) -> Answer:
        if answered.denied is not None:
            raise Refused(Reason.REQUEST_DENIED, answered.denied)
        if answered.certificate is None:
            waited = self._clock() - answered.since if answered.since is not None else timedelta(0)
            return Answer(202, {"Retry-After": str(pause(waited, self._chance())), **_PRIVATE})
        return Answer(200, {"Content-Type": est.ANSWER_TYPE, **_PRIVATE}, (est.encode_answer(answered.certificate),))


def _installation(read: CertificateRequest, allowed: Allow, world: World) -> str:
    """The installation that is asked for, of this caller's customer; with its own certificate, itself and no other."""
    ours = allowed.identity
    asked: Identity = read.identity
    if (asked.realm, asked.role, asked.name) != (ours.realm, Role.CLIENT, ours.name) or asked.installation is None:
        raise Refused(Reason.BAD_CERTIFICATE_REQUEST, "another identity")
    if ours.installation not in (None, asked.installation):
        raise Refused(Reason.BAD_CERTIFICATE_REQUEST, "another installation")
    if world.installations.get(asked.installation) != ours.name:
        raise Refused(Reason.NOT_YOUR_INSTALLATION, "not one of this customer")
    return asked.installation
