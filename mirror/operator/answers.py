"""What the operator listener answers. Whoever it belongs to does the work: `Office`."""

import re
from typing import Final, Protocol

import msgspec

from ca import calls
from ca.calls import Decision, Lists, Refusal, Requests
from ca.errors import CaError
from ca.revocation import MAX_CRL
from mirror.errors import Conflict, MirrorError, NotThere

_AFTER: Final = re.compile(rf"{calls.REQUESTS}/after/([0-9]{{1,18}})", re.ASCII)
_ONE: Final = re.compile(rf"{calls.REQUESTS}/([0-9a-f]{{64}})", re.ASCII)


class Who(msgspec.Struct, frozen=True):
    """Who calls, by its certificate. denied: why it may not, in a word; detail: for the log alone.

    brings_lists: it may bring a revocation list all the same, since it is denied for want of one.
    """

    name: str
    serial: str
    denied: str | None = None
    detail: str = ""
    brings_lists: bool = False

    def may(self, method: str, path: str) -> bool:
        """Whether it may make this call."""
        return self.denied is None or (self.brings_lists and method == "PUT" and path == calls.LISTS)


class Answer(msgspec.Struct, frozen=True):
    """`reason` and `detail`: of a refusal, for the audit."""

    status: int
    body: bytes = b""
    reason: str | None = None
    detail: str | None = None


class Office(Protocol):
    """What is done for whoever signs. Raises (every call) CaError or MirrorError for what is refused."""

    def admit(self, certificate: bytes) -> Who:
        """Whom a certificate (DER) names, and whether it may call, at this moment."""
        ...

    def lists(self) -> Lists:
        """The revocation lists in force."""
        ...

    async def take_list(self, raw: bytes) -> calls.ListHeld:
        """Have a revocation list bind, if it is to be believed; on return, every worker holds to it."""
        ...

    async def waiting(self, after: int) -> Requests:
        """A page of the requests for certificates that wait."""
        ...

    async def decide(self, digest: bytes, decision: Decision) -> None:
        """Answer a request. Durable on return."""
        ...


async def answer(office: Office, who: Who, method: str, path: str, body: bytes) -> Answer:
    """Answer one call; nothing is raised that the caller could be the cause of."""
    if not who.may(method, path):
        return _refused(403, who.denied or "", "This certificate may not call here.", who.detail)
    try:
        return await _answer(office, method, path, body)
    except OSError as error:
        return _refused(503, "cannot-store", "The mirror cannot store that: its log tells why.", str(error))
    except (CaError, MirrorError) as error:
        return _refused(_status(error), error.reason, str(error))


def most_bytes(method: str, path: str) -> int:
    """How long the body of a call may be, in bytes."""
    if method != "PUT":
        return 0
    return MAX_CRL if path == calls.LISTS else calls.MAX_DECISION


def too_large() -> Answer:
    """To a body that is longer than it may be."""
    return _refused(413, "too-large", "The body is longer than is allowed here.")


async def _answer(office: Office, method: str, path: str, body: bytes) -> Answer:
    after, one = _AFTER.fullmatch(path), _ONE.fullmatch(path)
    match method:
        case "GET" if path == calls.LISTS:
            return Answer(200, calls.encode(office.lists()))
        case "PUT" if path == calls.LISTS:
            return Answer(200, calls.encode(await office.take_list(body)))
        case "GET" if after:
            return Answer(200, calls.encode(await office.waiting(int(after[1]))))
        case "PUT" if one:
            decision = calls.decode(body, Decision, max_bytes=calls.MAX_DECISION)
            await office.decide(bytes.fromhex(one[1]), decision)
            return Answer(204)
        case _:
            return _refused(404, "no-such-call", "There is no such call here.")


def _status(error: CaError | MirrorError) -> int:
    match error:
        case NotThere():
            return 404
        case Conflict():
            return 409
        case CaError():
            return 422
        case _:
            return 503


def _refused(status: int, reason: str, sentence: str, detail: str | None = None) -> Answer:
    return Answer(status, calls.encode(Refusal(reason, sentence[:1000])), reason, detail or sentence)
