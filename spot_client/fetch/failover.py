"""Another mirror for what one of them does not have as the vendor signed it, or does not give.

The transport goes to the next mirror where one does not answer. One that answers with an older catalogue, with
signatures that do not hold, with other bytes, or without a file that was signed for is found out only by whoever
verifies them. Then each mirror is asked alone, and the first that has it whole serves the rest of the run. Whoever was
found out is named. A refusal is treated alike, because any mirror can say "revoked": it stands if no other mirror gives
what was refused.

Each is held to the newest catalogue that was verified whole, by whichever mirror: its timestamp and all that leads from
there to the targets. Of one that was not had whole, what was learnt is put back before the next mirror is asked: a
timestamp that leads nowhere is no catalogue, and may be newer than what the honest ones have yet. The chain of roots is
kept: the holders of the root signed it, and to forget it would give a key that they replaced its power back.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from spot_client import durable
from spot_client.errors import NotReachable, NotTrusted, OutOfDate, Refused, SpotError
from spot_client.fetch.floors import Verified
from spot_client.fetch.transport import Transport

_FLOORS = ("timestamp.json", "snapshot.json")  # the versions below which nothing is believed stand in these

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Mirrors:
    """All mirrors of the vendor, asked for what is then verified; several threads may ask.

    Args:
        warn: takes one sentence for people.
    """

    def __init__(self, transport: Transport, warn: Callable[[str], None]) -> None:
        self._all = transport
        self._alone = transport.alone()
        self._transport = transport
        self._warn = warn
        self._named: set[str] = set()
        self._lock = threading.Lock()

    @property
    def mirror_time(self) -> datetime | None:
        """The clock of the mirror that answered last, in UTC."""
        return self._transport.mirror_time

    def ask(self, attempt: Callable[[Transport], T]) -> T:
        """What `attempt` gives of the mirrors together or, where that is refused or cannot be trusted, of one alone.

        Raises:
            NotTrusted, Refused: what the first attempt said, if no mirror does better.
            SpotError: whatever else the first attempt raises.
        """
        through = self._transport
        try:
            return attempt(through)
        except (NotReachable, NotTrusted, Refused) as error:
            others = self._others(through)
            if not others or (through is self._all and isinstance(error, NotReachable)):
                raise
            _log.debug("%s: %s; each mirror is asked alone", error.reason, error)
            return self._each(others, attempt, error, [url for url, one in self._alone if one is through])

    def put(self, path: str, body: bytes) -> None:
        """PUT `body` where nothing was found amiss in this run; elsewhere if it is refused there. Raises as `ask`."""
        self.ask(lambda transport: transport.put(path, body))

    def _others(self, through: Transport) -> tuple[tuple[str, Transport], ...]:
        """Whom to ask each alone: all that `through` stands for, or those beside it that were not found out yet."""
        if through is self._all:
            return self._alone if len(self._alone) > 1 else ()
        with self._lock:
            return tuple((url, one) for url, one in self._alone if one is not through and url not in self._named)

    def _each(
        self,
        mirrors: Sequence[tuple[str, Transport]],
        attempt: Callable[[Transport], T],
        first: SpotError,
        failed: Sequence[str],
    ) -> T:
        """Ask one after another; `failed`: the mirror that failed with `first`, if it was one."""
        faults = [(url, first) for url in failed]
        for url, alone in mirrors:
            try:
                found = attempt(alone)
            except (NotReachable, NotTrusted, Refused) as error:
                _log.debug("%s: %s", url, error)
                faults.append((url, error))
            else:
                for liar, fault in faults:
                    self._name(liar, fault)
                self._transport = alone
                return found
        raise first

    def _name(self, url: str, error: SpotError) -> None:
        if isinstance(error, NotReachable):
            return
        with self._lock:
            known = url in self._named
            self._named.add(url)
        if known:
            return
        if isinstance(error, Refused):
            what = "refuses what another one gives"
        else:
            what = "is behind or damaged" if isinstance(error, OutOfDate) else "is damaged or hostile"
        self._warn(f"The mirror {url} {what} ({error.reason}) and is not used in this run; tell your vendor. {error}")


class AnyCatalogue:
    """A `Catalogue` from whichever mirror has it whole, opened and refreshed when it is first asked.

    No mirror is believed that is behind what another has shown whole, in this run or before.

    Args:
        folder: where `build` keeps verified metadata.
        build: opens the catalogue that a transport leads to.
    """

    def __init__(self, mirrors: Mirrors, folder: Path, build: Callable[[Transport], Verified]) -> None:
        self._mirrors = mirrors
        self._folder = folder
        self._build = build
        self._opened: tuple[Transport, Verified] | None = None
        self._before = self._floors()

    def refresh(self) -> None:
        """As `Catalogue.refresh`."""
        self._mirrors.ask(self._through)

    def target(self, path: str, *, max_bytes: int) -> bytes | None:
        """As `Catalogue.target`."""
        return self._mirrors.ask(lambda transport: self._through(transport).target(path, max_bytes=max_bytes))

    def listing(self, product: str) -> tuple[str, ...]:
        """As `Catalogue.listing`."""
        return self._mirrors.ask(lambda transport: self._through(transport).listing(product))

    def _through(self, transport: Transport) -> Verified:
        if self._opened is None or self._opened[0] is not transport:
            self._opened = None
            self._put_back()
            catalogue = self._build(transport)
            catalogue.refresh()
            self._before = self._floors()
            self._opened = transport, catalogue
        return self._opened[1]

    def _floors(self) -> dict[str, bytes | None]:
        return {name: _read(self._folder / name) for name in _FLOORS}

    def _put_back(self) -> None:
        for name, raw in self._before.items():
            path = self._folder / name
            if raw is None:
                path.unlink(missing_ok=True)
            elif raw != _read(path):
                durable.write(path, raw)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
