"""What came of asking for a certificate of this installation's own, and whether a run can go on with the one here."""

from datetime import datetime
from enum import Enum
from typing import Any, Final

import msgspec

from spot_client.certificate import Held, Kind
from spot_client.decide import renewal
from spot_client.errors import NotReachable, NotSigned, Refused, SpotError
from spot_client.pending import Pending
from spot_client.wire.problem import Reason

_OF_REQUESTS: Final = frozenset(
    {
        Reason.REQUEST_DENIED.value,
        Reason.BAD_CERTIFICATE_REQUEST.value,
        Reason.OWN_CERTIFICATE.value,
        "other-certificate",
        "unproven-certificate",
        "not-a-certificate",
        "not-base64",
        "too-large",
        "bad-renewal",
    }
)


class State(Enum):
    """How things stand."""

    NOT_YET = "not-yet"
    """The one here is the installation's own, and good for long."""
    WAITING = "waiting"
    """It was asked for, and is not signed yet."""
    PICKED_UP = "picked-up"
    """It came, and is in use."""
    REFUSED = "refused"
    """A person has to act."""
    UNSUPPORTED = "unsupported"
    """The mirror hands out none."""
    FAILED = "failed"
    """It could not be asked for, or what came is not it."""


class Outcome(msgspec.Struct, frozen=True):
    """How things stand after a run.

    held: the certificate that is in use now; None if it cannot be read. pending: the request that waits. failure: what
    stood in the way in this run. news: whether this run is the first to be told so.
    """

    state: State
    held: Held | None
    pending: Pending | None = None
    failure: SpotError | None = None
    news: bool = False

    @classmethod
    def of(cls, held: Held, pending: Pending) -> "Outcome":
        """How things stand by what is remembered of a request."""
        if not pending.reason:
            return cls(State.WAITING, held, pending)
        if pending.reason in renewal.UNSUPPORTED:
            return cls(State.UNSUPPORTED, held, pending)
        if pending.reason in renewal.FINAL:
            return cls(State.REFUSED, held, pending)
        return cls(State.FAILED, held, pending)

    @property
    def since(self) -> datetime | None:
        """Since when a request waits, in UTC."""
        return self.pending.since if self.pending else None

    def check(self, now: datetime) -> None:
        """Raise what keeps a run from going on, if the certificate here is good for nothing but to get another.

        Raises:
            NotSigned: reason `certificate-waiting`.
            Refused: reason `request-denied` and its like, or `not-found`: the mirror hands out none.
            NotReachable, NotTrusted: it could not be had in this run.
        """
        if self.held is None or self.state in {State.PICKED_UP, State.NOT_YET}:
            return
        only_enrols, ended = self.held.kind is Kind.ENROL_ONLY, now > self.held.validity.end
        if not only_enrols and (not ended or self.state is State.UNSUPPORTED):
            return
        why = "the bundle's can do nothing but enrol" if only_enrols else f"the old one ended on {_day(self.held)}"
        if self.state is State.WAITING:
            raise NotSigned(
                "certificate-waiting",
                f"The certificate of this installation waits for your vendor to sign it since {_minute(self.since)}, "
                f"and {why}. Each run asks for it; 'spot renew --now' does at once.",
            )
        raise self.failure or self._remembered(f", and {why}")

    def stop(self) -> None:
        """Raise what stood in the way in this run, or a refusal that is remembered, if there is either."""
        if self.failure is not None:
            raise self.failure
        if self.state is State.REFUSED:
            raise self._remembered()

    @property
    def is_of_request(self) -> bool:
        """Whether what stood in the way is about the request or what came of it: nothing else in the run meets it."""
        return self.failure is not None and self.failure.reason in _OF_REQUESTS

    def _remembered(self, why: str = "") -> SpotError:
        if self.pending is None:
            return NotReachable("no-answer", "The mirror has not been asked for a certificate yet: run it again.")
        if self.state is State.UNSUPPORTED:
            step = "Ask your vendor for a bundle of the other kind."
            return Refused(self.pending.reason, f"The mirror hands out no certificates{why}. {step}")
        step = "Ask your vendor; 'spot renew --again' then makes a new request."
        said = f"The request for a certificate was refused ({self.pending.reason}){why}"
        return Refused(self.pending.reason, f"{said}. {step}")


def shape(outcome: Outcome, due: datetime | None) -> dict[str, Any]:
    """As --json prints it. `due`: from when on the next one is asked for."""
    held, pending = outcome.held, outcome.pending
    return {
        "state": outcome.state.value,
        "kind": held.kind.value if held else None,
        "from": _utc(held.validity.begin) if held else None,
        "until": _utc(held.validity.end) if held else None,
        "due": _utc(due),
        "waiting_since": _utc(outcome.since),
        "ask_after": _utc(pending.after) if pending else None,
        "reason": (pending.reason if pending else "") or None,
    }


def _day(held: Held) -> str:
    return f"{held.validity.end:%Y-%m-%d}"


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "just now"


def _utc(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else None
