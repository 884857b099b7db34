"""Another mirror for what one of them does not have as the vendor signed it.

The transport goes to the next mirror where one does not answer. One that answers with an older catalogue, with
signatures that do not hold or with other bytes is found out only by whoever verifies them. Then each mirror is asked
alone, and the first that has it whole serves the rest of the run. Whoever was found out is named.

What was learnt of the catalogue on the way is put back before the next mirror is asked: it was verified, but may be
newer than what the honest ones have yet. The chain of roots is kept: the holders of the root signed it, and to forget
it would give a key that they replaced its power back.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from spot_client import durable
from spot_client.errors import NotReachable, NotTrusted, OutOfDate, Refused
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
        self._transport = transport
        self._warn = warn
        self._named: set[str] = set()
        self._lock = threading.Lock()

    @property
    def mirror_time(self) -> datetime | None:
        """The clock of the mirror that answered last, in UTC."""
        return self._transport.mirror_time

    def ask(self, attempt: Callable[[Transport], T]) -> T:
        """What `attempt` gives of all mirrors together or, where that cannot be trusted, of one alone.

        Raises:
            NotTrusted: what the first attempt said, if no mirror does better.
            SpotError: whatever else the first attempt raises.
        """
        through = self._transport
        try:
            return attempt(through)
        except NotTrusted as error:
            mirrors = through.alone()
            if len(mirrors) == 1:
                raise
            _log.debug("not trusted: %s; each mirror is asked alone", error)
            return self._each(mirrors, attempt, error)

    def _each(
        self, mirrors: tuple[tuple[str, Transport], ...], attempt: Callable[[Transport], T], first: NotTrusted
    ) -> T:
        liars: list[tuple[str, NotTrusted]] = []
        for url, alone in mirrors:
            try:
                found = attempt(alone)
            except NotTrusted as error:
                liars.append((url, error))
            except (NotReachable, Refused) as error:
                _log.debug("%s: %s", url, error)
            else:
                for liar, lie in liars:
                    self._name(liar, lie)
                self._transport = alone
                return found
        raise first

    def _name(self, url: str, error: NotTrusted) -> None:
        with self._lock:
            known = url in self._named
            self._named.add(url)
        if known:
            return
        what = "is behind or damaged" if isinstance(error, OutOfDate) else "is damaged or hostile"
        self._warn(f"The mirror {url} {what} ({error.reason}) and is not used in this run; tell your vendor. {error}")


class AnyCatalogue:
    """A `Catalogue` from whichever mirror has it whole, opened and refreshed when it is first asked.

    Args:
        folder: where `build` keeps verified metadata.
        build: opens the catalogue that a transport leads to.
    """

    def __init__(self, mirrors: Mirrors, folder: Path, build: Callable[[Transport], Verified]) -> None:
        self._mirrors = mirrors
        self._folder = folder
        self._build = build
        self._opened: tuple[Transport, Verified] | None = None
        self._before = {name: _read(folder / name) for name in _FLOORS}

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
            self._put_back()
            catalogue = self._build(transport)
            catalogue.refresh()
            self._opened = transport, catalogue
        return self._opened[1]

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
