"""A certificate of this installation's own: asked for, waited for over runs, taken into use in one step, and renewed.

By EST (RFC 7030). The key is made here and never leaves. Key and request are written before the request is sent, and
the same bytes are sent until there is an answer, because the host that signs is not the mirror: it comes by when it
does. What comes back is held to what was asked for, then shown to the mirrors, and only then takes the place of the
one in use: certificate and key are one file, and one rename. Killed anywhere, the next run goes on.

When that happens is decided in `decide.renewal`. Nothing here stops a run whose certificate still holds.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.errors import IdentityError
from ca.identity import Identity, Role, make
from ca.peer import read_peer
from ca.reading import UNREADABLE
from spot_client import certificate, durable, pending
from spot_client.believe import believing
from spot_client.certificate import Held
from spot_client.decide import renewal
from spot_client.decide.renewal import Step
from spot_client.errors import LocalFault, NotReachable, NotTrusted, Refused, SpotError
from spot_client.fetch import proof, rest
from spot_client.fetch.answer import Answer
from spot_client.fetch.failover import Mirrors
from spot_client.fetch.transport import Transport
from spot_client.pending import Pending
from spot_client.renewed import Outcome, State
from spot_client.state import Store
from spot_client.wire import est
from spot_client.wire.routes import Kind, Route

RETRY: Final = timedelta(hours=1)
"""How long a request is not sent again that was refused for now."""

OLD_MIRROR: Final = timedelta(days=1)
"""How long a mirror that cannot hand out certificates is not asked again."""

_log = logging.getLogger(__name__)


class Renewer:
    """The certificate of one enrolled installation. The installation's lock is held.

    Args:
        connect: opens the mirrors with the credentials in a file; the transport is closed here.
        now: UTC.
    """

    def __init__(self, store: Store, *, connect: Callable[[Path], Transport], now: Callable[[], datetime]) -> None:
        self._store = store
        self._connect = connect
        self._now = now

    def run(self, *, early: bool = False, again: bool = False) -> Outcome:
        """Do what is to be done now.

        Args:
            early: whatever the dates say.
            again: drop the request that waits, or was refused, and make another.

        Raises:
            NotEnrolled, OSError: this machine. What a mirror does is in the outcome, and that the request is damaged.
        """
        if again:
            pending.forget(self._store)
        try:
            waiting = self._recover()
        except LocalFault as error:
            return Outcome(State.FAILED, certificate.held(self._store.credentials), failure=error)
        held, step = certificate.held(self._store.credentials), plan(self._store, self._now(), early=early)
        if held is None or step is Step.NOTHING:
            return Outcome(State.NOT_YET, held)
        if waiting is not None and step is not Step.ASK:
            return Outcome.of(held, waiting)
        if waiting is None:
            waiting = pending.make(_wanted(self._store), self._store.credentials, self._now())
            pending.write(self._store, waiting)
        return self._ask(held, waiting)

    def _recover(self) -> Pending | None:
        """The request that still waits: not one whose certificate is in use, nor one for another installation."""
        durable.remove(pending.candidate(self._store))
        found = pending.read(self._store)
        if found is None:
            return None
        if found.identity == _wanted(self._store).uri and not pending.is_in_use(self._store, found):
            return found
        pending.forget(self._store)
        return None

    def _ask(self, held: Held, waiting: Pending) -> Outcome:
        kind = Kind.REENROL if held.kind is certificate.Kind.OWN else Kind.ENROL
        transport = self._connect(self._store.credentials)
        try:
            answer = Mirrors(transport, _log.debug).ask(lambda through: self._attempt(through, kind, waiting, held))
        except Refused as error:
            return self._refused(held, waiting, error)
        except (NotReachable, NotTrusted) as error:
            wait = error.wait if isinstance(error, NotReachable) else None
            return self._later(held, waiting, timedelta(seconds=wait or 0), error)
        finally:
            transport.close()
        if answer.status == est.WAITING:
            return self._later(held, waiting, _told(answer, waiting))
        pending.forget(self._store)
        return Outcome(State.PICKED_UP, certificate.held(self._store.credentials))

    def _attempt(self, transport: Transport, kind: Kind, waiting: Pending, held: Held) -> Answer:
        """Ask these mirrors; a certificate that comes is in use on return."""
        path = Route(kind=kind).path
        answer = transport.submit(path, waiting.body, content_type=est.REQUEST_TYPE, max_bytes=est.MAX_BODY)
        if answer.status == est.WAITING:
            return answer
        with believing():
            der = est.decode_answer(answer.body)
        pem = _checked(der, waiting, self._now())
        place = pending.candidate(self._store)
        durable.write(place, f"{waiting.key.rstrip()}\n{pem}".encode())
        transport = self._connect(place)
        try:
            proof.prove(transport, nothing_to_lose=self._now() > held.validity.end)
        finally:
            transport.close()
        durable.rename(place, self._store.credentials)
        return answer

    def _later(self, held: Held, waiting: Pending, wait: timedelta, failure: SpotError | None = None) -> Outcome:
        after = self._now().replace(microsecond=0) + wait if wait else None
        written = msgspec.structs.replace(waiting, after=after, reason="")
        pending.write(self._store, written)
        return Outcome(State.FAILED if failure else State.WAITING, held, written, failure)

    def _refused(self, held: Held, waiting: Pending, error: Refused) -> Outcome:
        """Remember a refusal: some are final, an old mirror is asked again one day, the rest may be over soon."""
        old = error.reason in renewal.UNSUPPORTED
        after = self._now().replace(microsecond=0) + (OLD_MIRROR if old else RETRY)
        written = msgspec.structs.replace(waiting, after=after, reason=error.reason)
        pending.write(self._store, written)
        outcome = Outcome.of(held, written)
        return msgspec.structs.replace(outcome, failure=error, news=waiting.reason != error.reason)


def standing(store: Store) -> Outcome:
    """How things stand by what is remembered here. Nothing is sent."""
    held = certificate.held(store.credentials)
    try:
        waiting = pending.read(store)
    except LocalFault as error:
        return Outcome(State.FAILED, held, failure=error)
    return Outcome.of(held, waiting) if held and waiting else Outcome(State.NOT_YET, held)


def plan(store: Store, now: datetime, *, early: bool = False) -> Step:
    """What a run would do about the certificate now. Nothing is sent. Raises `NotEnrolled`, `LocalFault`."""
    held, waiting = certificate.held(store.credentials), pending.read(store)
    if held is None:
        return Step.NOTHING
    return renewal.step(due(held), waiting.asked if waiting else None, now, early=early)


def renews(store: Store) -> bool:
    """Whether the next certificate comes by itself, as far as this machine was told."""
    stands = standing(store)
    if stands.state is State.NOT_YET:
        return stands.held is not None and stands.held.kind is certificate.Kind.OWN
    return stands.state is State.WAITING


def due(held: Held) -> datetime | None:
    """From when on the next certificate is asked for, in UTC; None: at once, because this one is a package's."""
    installation = held.identity.installation
    return renewal.due(held.validity.begin, held.validity.end, installation) if installation else None


def _wanted(store: Store) -> Identity:
    """The identity that this installation's own certificate has."""
    identity = store.enrolled()
    return make(identity.realm, Role.CLIENT, identity.customer, identity.installation)


def _told(answer: Answer, waiting: Pending) -> timedelta:
    """When the mirror wants to be asked again, and a little later, each installation by its own measure."""
    seconds = rest.seconds(answer.headers.get("retry-after", ""), est.MAX_RETRY)
    return timedelta(seconds=rest.obeyed(seconds or est.RETRY, renewal.chance(waiting.identity)))


def _checked(der: bytes, waiting: Pending, now: datetime) -> str:
    """The PEM of a certificate that is the one asked for.

    Raises:
        NotTrusted: reason `other-certificate`.
    """
    try:
        peer = read_peer(der)
        loaded = x509.load_der_x509_certificate(der)
        ours = loaded.public_key() == waiting.private_key.public_key()
    except (IdentityError, *UNREADABLE) as error:
        raise _other(f"it cannot be read ({error})") from error
    if not ours:
        raise _other("it is for another key")
    if peer.problems or peer.identity is None:
        raise _other(f"it is not one of a client ({' '.join(peer.problems)})")
    if peer.identity.uri != waiting.identity:
        raise _other(f"it names {peer.identity.uri}")
    if peer.not_after <= now:
        raise _other(f"it ended on {peer.not_after:%Y-%m-%d}, or this machine's clock is ahead")
    return loaded.public_bytes(Encoding.PEM).decode()


def _other(what: str) -> NotTrusted:
    return NotTrusted(
        "other-certificate",
        f"The certificate that the mirror handed out is not the one this installation asked for: {what}. The one in "
        "use stays; tell your vendor.",
    )
