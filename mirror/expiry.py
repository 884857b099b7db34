"""What lapses, and how soon it is to be told: `serve` logs it, `check` reports it, `metrics` measures it. Pure.

A warning is due while there still is time to act: when a third of its life is left. A revocation list of 30 days that
is signed daily is never older than a day, so from its 20th day on something has been wrong for long.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

NEW_LIST: Final = "Run 'spot-ca crl' and bring the list here."

_NEW_ISSUER: Final = "Make its successor with 'spot-ca rotate issuing', and bring it here."
_NEW_CERTIFICATE: Final = "Issue its successor with 'spot-ca issue server', and give it to clients as a pin beforehand."
_NEW_OPERATOR: Final = "Issue its successor with 'spot-ca issue server', and pin it on the CA's host beforehand."
_ONLINE: Final = frozenset({"snapshot", "timestamp"})
_DAY: Final = timedelta(days=1)
_TIMER: Final = "See that 'spot-mirror catalogue-timer' runs, or run 'spot-mirror resign'."
_PEOPLE: Final = "Its people sign it anew: 'spot-mirror resign --all'."


class Lapse(msgspec.Struct, frozen=True):
    """Something that ends.

    what: names it at the beginning of a sentence. begin, end: UTC. step: what to do. kind, name: for programs; together
    they name one thing of a mirror. grace: for how long it counts after its end.
    """

    what: str
    begin: datetime
    end: datetime
    step: str
    kind: str = ""
    name: str = ""
    grace: timedelta = timedelta(0)

    @property
    def warn(self) -> datetime:
        """From when on it should be renewed: two thirds of its life are over."""
        return self.end - (self.end - self.begin) / 3

    @property
    def last(self) -> datetime:
        """Until when it counts."""
        return self.end + self.grace

    def is_over(self, now: datetime) -> bool:
        """Whether it has lapsed."""
        return self.end <= now

    def is_near(self, now: datetime) -> bool:
        """Whether it is time to act; also once it is over."""
        return self.warn < now

    def sentence(self, now: datetime) -> str:
        """When it lapses, or lapsed, and what follows where something goes by it for a while yet."""
        word = "has lapsed on" if self.is_over(now) else "lapses on"
        told = f"{self.what} {word} {_minute(self.end)}"
        if not self.grace or not self.is_over(now):
            return f"{told}."
        return f"{told}, and count{'s' if now <= self.last else 'ed'} until {_minute(self.last)}."


class Reminder:
    """What was told when: of something that lapses it is told once a day, and at once when it has lapsed."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, str], datetime] = {}

    def due(self, lapses: Iterable[Lapse], now: datetime) -> list[Lapse]:
        """Those to tell of now; they count as told."""
        near = {(one.kind, one.name, one.sentence(now)): one for one in lapses if one.is_near(now)}
        self._told = {what: at for what, at in self._told.items() if what in near}
        due = {what: one for what, one in near.items() if what not in self._told or now - self._told[what] >= _DAY}
        self._told |= dict.fromkeys(due, now)
        return [*due.values()]


def of_catalogue(expires: Mapping[str, datetime], life: Callable[[str], timedelta]) -> list[Lapse]:
    """The catalogue's statements, by role. `life`: how long one of a role holds from its signing on."""
    return [
        Lapse(
            f"The catalogue's {role}", end - life(role), end, _TIMER if role in _ONLINE else _PEOPLE, "catalogue", role
        )
        for role, end in sorted(expires.items())
    ]


def of_server(begin: datetime, end: datetime) -> Lapse:
    """The server's certificate, by its dates."""
    return Lapse("The server's certificate", begin, end, _NEW_CERTIFICATE, "server-certificate", "server")


def of_operator(begin: datetime, end: datetime) -> Lapse:
    """The certificate of the operator listener, where it is not the server's."""
    what = "The operator listener's certificate"
    return Lapse(what, begin, end, _NEW_OPERATOR, "operator-certificate", "operator")


def of_issuer(key: bytes, begin: datetime, end: datetime) -> Lapse:
    """An issuing CA's certificate. `key`: its key identifier."""
    return Lapse("An issuing CA's certificate", begin, end, _NEW_ISSUER, "issuing-ca", key.hex())


def of_list(key: bytes, begin: datetime, end: datetime, grace: timedelta) -> Lapse:
    """A revocation list. `key`: the key identifier of the CA that signed it. Beyond `grace` nobody is served by it."""
    return Lapse("A revocation list", begin, end, NEW_LIST, "revocation-list", key.hex(), grace)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
