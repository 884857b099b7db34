"""What lapses, and how soon it is to be told: `serve` logs it, `check` reports it, `metrics` measures it. Pure.

A warning is due while there still is time to act: when a third of its life is left.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

NEW_LIST: Final = "Run 'spot-ca crl' and bring the list here."

_NEW_ISSUER: Final = "Plan its successor."
_NEW_CERTIFICATE: Final = "Issue its successor with 'spot-ca issue server', and give it to clients as a pin beforehand."
_ONLINE: Final = frozenset({"snapshot", "timestamp"})
_TIMER: Final = "See that 'spot-mirror catalogue-timer' runs, or run 'spot-mirror resign'."
_PEOPLE: Final = "Its people sign it anew: 'spot-mirror resign --all'."


class Lapse(msgspec.Struct, frozen=True):
    """Something that ends.

    what: names it at the beginning of a sentence. end: UTC. warn: how long before it is told. step: what to do.
    kind, name: for programs; together they name one thing of a mirror.
    """

    what: str
    end: datetime
    warn: timedelta
    step: str
    kind: str = ""
    name: str = ""

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


def of_catalogue(expires: Mapping[str, datetime], life: Callable[[str], timedelta]) -> list[Lapse]:
    """The catalogue's statements, by role. `life`: how long one of a role holds from its signing on."""
    return [
        Lapse(f"The catalogue's {role}", end, life(role) / 3, _TIMER if role in _ONLINE else _PEOPLE, "catalogue", role)
        for role, end in sorted(expires.items())
    ]


def of_server(begin: datetime, end: datetime) -> Lapse:
    """The server's certificate, by its dates."""
    return Lapse("The server's certificate", end, (end - begin) / 3, _NEW_CERTIFICATE, "server-certificate", "server")


def of_issuer(key: bytes, begin: datetime, end: datetime) -> Lapse:
    """An issuing CA's certificate. `key`: its key identifier."""
    return Lapse("An issuing CA's certificate", end, (end - begin) / 3, _NEW_ISSUER, "issuing-ca", key.hex())


def of_list(key: bytes, begin: datetime, end: datetime) -> Lapse:
    """A revocation list. `key`: the key identifier of the CA that signed it."""
    return Lapse("A revocation list", end, (end - begin) / 3, NEW_LIST, "revocation-list", key.hex())


def warnings(lapses: Iterable[Lapse], now: datetime) -> tuple[str, ...]:
    """What has lapsed or soon will, each with the next step."""
    return tuple(f"{lapse.sentence(now)} {lapse.step}" for lapse in lapses if lapse.is_near(now))
