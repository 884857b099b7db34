"""What lapses, and how soon it is to be told: `serve` logs it, `check` reports it. Pure.

A warning is due while there still is time to act: about a third of the usual life.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

NEW_LIST: Final = "Run 'spot-ca crl' and bring the list here."
NEW_ISSUER: Final = "Plan its successor."
NEW_CERTIFICATE: Final = "Issue its successor with 'spot-ca issue server', and give it to clients as a pin beforehand."

_WARN: Final = {"timestamp": timedelta(days=1), "snapshot": timedelta(days=2)}
_WARN_ROLE: Final = timedelta(days=30)
_RESIGN: Final = "Run 'spot-mirror resign'."


class Lapse(msgspec.Struct, frozen=True):
    """Something that ends.

    what: names it at the beginning of a sentence. end: UTC. warn: how long before it is told. step: what to do.
    """

    what: str
    end: datetime
    warn: timedelta
    step: str

    def is_over(self, now: datetime) -> bool:
        """Whether it has lapsed."""
        return self.end <= now

    def is_near(self, now: datetime) -> bool:
        """Whether it is time to act; also once it is over."""
        return self.end - now < self.warn

    def sentence(self, now: datetime) -> str:
        """When it lapses, or lapsed."""
        word = "has lapsed on" if self.is_over(now) else "lapses on"
        return f"{self.what} {word} {self.end:%Y-%m-%d %H:%M} UTC."


def of_catalogue(expires: Mapping[str, datetime]) -> list[Lapse]:
    """The catalogue's statements, by role."""
    return [
        Lapse(f"The catalogue's {role}", end, _WARN.get(role, _WARN_ROLE), _step(role))
        for role, end in sorted(expires.items())
    ]


def of_period(what: str, begin: datetime, end: datetime, step: str) -> Lapse:
    """What says itself how long it holds: told in the last third."""
    return Lapse(what, end, (end - begin) / 3, step)


def warnings(lapses: Iterable[Lapse], now: datetime) -> tuple[str, ...]:
    """What has lapsed or soon will, each with the next step."""
    return tuple(f"{lapse.sentence(now)} {lapse.step}" for lapse in lapses if lapse.is_near(now))


def _step(role: str) -> str:
    if role in _WARN:
        return _RESIGN
    return "Publish a release of it again." if role not in {"root", "targets"} else "Sign it anew."
