"""When an installation asks for a certificate of its own, and for the next one.

One that has none asks at once: the certificate of a package is that of a whole customer. One that has its own asks
from two thirds of its lifetime on, at a moment of its own before five sixths, so that the installations of one day do
not all come on one day. What the mirror said about asking again is obeyed from run to run.

Pure: dates come in, a step goes out.
"""

import hashlib
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

import msgspec

from spot_client.wire.problem import Reason

FINAL: Final = frozenset(
    reason.value
    for reason in (
        Reason.REQUEST_DENIED,
        Reason.BAD_CERTIFICATE_REQUEST,
        Reason.OWN_CERTIFICATE,
        Reason.REVOKED,
    )
)
"""Refusals after which the same request is not sent again until a person says so."""

UNSUPPORTED: Final = frozenset({Reason.NOT_FOUND.value, Reason.METHOD_NOT_ALLOWED.value})
"""What a mirror answers that is too old to hand out certificates."""


LONGEST_WAIT: Final = timedelta(days=2)
"""A date to ask again that is further off was written by a clock that was wrong, and does not count."""


class Step(Enum):
    """What a run does about the certificate."""

    NOTHING = "nothing"
    STOP = "stop"
    """It was refused, and a person has to act first."""
    WAIT = "wait"
    """It was asked for, and it is too early to ask again."""
    ASK = "ask"


class Asked(msgspec.Struct, frozen=True):
    """What is known of a request that was made. `after`: not to be sent again before; `reason`: the last refusal."""

    after: datetime | None
    reason: str


def chance(installation: str) -> float:
    """A number from 0 to below 1, always the same for one installation, and for many spread evenly."""
    return int.from_bytes(hashlib.sha256(f"renewal {installation}".encode()).digest()[:4]) / 2**32


def due(begin: datetime, end: datetime, installation: str) -> datetime:
    """From when on the next certificate is asked for: between two thirds and five sixths of the lifetime."""
    return begin + (end - begin) * (2 / 3 + chance(installation) / 6)


def step(since: datetime | None, asked: Asked | None, now: datetime, *, early: bool = False) -> Step:
    """What to do now.

    Args:
        since: when a next certificate is due; None: at once, because the one here is not the installation's own.
        asked: what is known of the request that waits, if there is one.
        early: a person does not want to wait for either date.
    """
    if asked is None:
        return Step.ASK if early or since is None or now >= since else Step.NOTHING
    if asked.reason in FINAL:
        return Step.STOP
    waits = asked.after is not None and now < asked.after <= now + LONGEST_WAIT
    return Step.WAIT if waits and not early else Step.ASK
