"""What control does for whoever signs: takes revocation lists, hands requests for certificates out, and stores what
was decided of them. The rules are in the rooms; here they meet the store, the memory and the workers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from structlog.typing import FilteringBoundLogger

from ca import calls
from ca.calls import Decision, ListHeld, Lists, Requests, WaitingRequest
from ca.errors import CaError, IdentityError, OperatorError, RevocationError
from ca.files import replace
from ca.identity import Role
from ca.peer import read_peer
from ca.reading import UNREADABLE
from ca.request import read_request
from ca.revocation import Revocations, read_crl
from mirror.blobs import make_folder
from mirror.certificates import PUSHED, key_id, pushed_list
from mirror.content.policy import Deny, judge
from mirror.control.writer import Writer
from mirror.errors import Conflict, NotThere
from mirror.operator.answers import Who
from mirror.posts import Posts
from mirror.records.protocol import Records
from mirror.records.requests import Answered, Waiting
from spot_client.wire.problem import Reason

_WRONG_ROLE: Final = "wrong-role"


class Parts(msgspec.Struct, frozen=True):
    """What it works with. tell: has all workers take what changed; clock: UTC now."""

    posts: Posts
    records: Records
    writer: Writer
    tell: Callable[[], Awaitable[float]]
    clock: Callable[[], datetime]
    log: FilteringBoundLogger


class Office:
    """Is the `mirror.operator.answers.Office` of a running mirror."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._taking = asyncio.Lock()

    def admit(self, certificate: bytes) -> Who:
        """Whom a certificate (DER) names, and whether it may call, at this moment."""
        try:
            peer = read_peer(certificate)
        except IdentityError as error:
            return Who("", "", error.reason, str(error))
        who = Who(peer.identity.name if peer.identity is not None else "", f"{peer.serial:x}")
        standing = judge(peer, self._parts.posts.last.filled.state.world, self._parts.clock())
        if isinstance(standing, Deny):
            # A list that has lapsed denies everybody, also whoever brings the next, which is believed for itself alone.
            unknown = standing.reason is Reason.REVOCATION_UNKNOWN
            brings = unknown and peer.identity is not None and peer.identity.role is Role.CA_OPERATOR
            return msgspec.structs.replace(
                who, denied=standing.reason.value, detail=standing.detail, brings_lists=brings
            )
        if standing.identity.role is not Role.CA_OPERATOR:
            return msgspec.structs.replace(who, denied=_WRONG_ROLE, detail=standing.identity.role.value)
        return who

    def lists(self) -> Lists:
        """The revocation lists in force."""
        return Lists(tuple(map(_held, sorted(self._parts.posts.last.filled.lists, key=lambda crl: crl.issuer_key))))

    async def take_list(self, raw: bytes) -> ListHeld:
        """Have a revocation list bind, if it is to be believed; on return, every worker holds to it.

        Raises:
            RevocationError: as `ca.revocation.read_crl`; the list before it stays.
            OSError: it cannot be stored.
        """
        async with self._taking:
            crl = await asyncio.to_thread(self._store, raw)
            await asyncio.to_thread(self._parts.posts.look)
            await self._parts.tell()
        return _held(crl)

    async def waiting(self, after: int) -> Requests:
        """A page of the requests for certificates that wait."""
        found = await asyncio.to_thread(self._parts.records.waiting, after, calls.PAGE)
        return Requests(tuple(map(_waiting, found)))

    async def decide(self, digest: bytes, decision: Decision) -> None:
        """Answer a request. Durable on return.

        Raises:
            NotThere: no such request. Conflict: it was answered otherwise.
            OperatorError: reason `wrong-certificate`: the certificate is not of our CA, or not for this request.
        """
        parts = self._parts
        asked = await asyncio.to_thread(parts.records.find_request, digest)
        if asked is None:
            raise NotThere("no-request", "There is no such request: it was answered long ago, or never came here.")
        if decision.certificate is not None:
            _check(decision.certificate, asked.request, parts.posts.last.serving.issuers)
        if not await parts.writer.answer(digest, Answered(decision.certificate, decision.denied)):
            raise Conflict("answered-already", "This request was answered otherwise before, and that stays.")
        if decision.certificate is not None:
            parts.log.info("a certificate was issued", installation=asked.installation)
        else:
            parts.log.warning("a request was denied", installation=asked.installation, reason=decision.denied)

    def _store(self, raw: bytes) -> Revocations:
        """In a thread: believe a list, and write it down."""
        post, now = self._parts.posts.last, self._parts.clock()
        known = {crl.issuer_key: crl for crl in post.filled.lists}
        for issuer in post.serving.issuers:
            try:
                crl = read_crl(raw, issuer, now=now, previous=known.get(key_id(issuer)))
            except RevocationError as error:
                if error.reason != "wrong-issuer":
                    raise
                continue
            folder = post.serving.config.data_dir / PUSHED
            make_folder(folder)
            replace(pushed_list(folder, issuer), raw)
            return crl
        raise RevocationError("wrong-issuer", "This is not a CRL of any of the mirror's issuing CAs.")


def _held(crl: Revocations) -> ListHeld:
    return ListHeld(crl.issuer_key.hex(), crl.number, _text(crl.this_update), _text(crl.next_update), len(crl.serials))


def _waiting(one: Waiting) -> WaitingRequest:
    asked = one.asked
    return WaitingRequest(one.number, asked.digest.hex(), _text(one.received), asked.request, asked.requester)


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _check(der: bytes, request: bytes, issuers: tuple[x509.Certificate, ...]) -> None:
    """The certificate is of a CA of ours, and answers the request: its identity, and its key."""
    try:
        certificate, wanted = x509.load_der_x509_certificate(der), read_request(request)
        peer = read_peer(der)
        issuer = next((one for one in issuers if key_id(one) == peer.issuer_key), None)
        if issuer is not None:
            certificate.verify_directly_issued_by(issuer)
        same = peer.identity == wanted.identity and certificate.public_key() == wanted.public_key
    except (CaError, *UNREADABLE) as error:
        raise OperatorError("wrong-certificate", f"The certificate cannot be read: {error}.") from error
    except InvalidSignature as error:
        raise OperatorError("wrong-certificate", "The certificate is not signed by a CA of this mirror.") from error
    if issuer is None or peer.problems or not same:
        raise OperatorError("wrong-certificate", "The certificate is not one of this mirror's CA for this request.")
