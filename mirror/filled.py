"""The memory as control keeps it: filled from outside, and read for what control itself has to tell."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from threading import Lock

from structlog.typing import FilteringBoundLogger

from ca.revocation import Revocations
from mirror import catalogue
from mirror.certificates import PUSHED
from mirror.content.memory import Memory, State
from mirror.errors import MemoryFault
from mirror.memory import fill, place
from mirror.records.protocol import Records
from mirror.serving import Serving


class Filled:
    """Lies in a folder of its own until `close`. `refresh` and `minted` may be called in threads."""

    def __init__(self, serving: Serving, records: Records, now: datetime, log: FilteringBoundLogger) -> None:
        """Read everything for the first time; nothing may be missing.

        Raises:
            ServeError: reason `no-crl`, for an issuing CA without a CRL.
            CaError, MirrorError, OSError: what cannot be read, believed or written.
        """
        data = serving.config.data_dir
        sources = fill.Sources(
            issuers=serving.issuers,
            crls=[Path(path) for path in serving.content.crls],
            pushed=data / PUSHED,
            records=records,
            catalogue=data / "catalogue",
            load=catalogue.load,
        )
        self._place, self._renewing, self._closed = place.take(data / "memory"), Lock(), False
        self._log, self._complaint = log, ""
        self.is_behind = False
        """Whether something was written that control itself cannot look at."""
        try:
            self._opened = place.open_to_fill(self._place.folder)
            self._filler = fill.Filler(self._opened, sources, now, log)
            self._memory = Memory(self._opened, serving.fixed)
        except BaseException:
            self._place.remove()
            raise

    @property
    def folder(self) -> Path:
        """Where others read it."""
        return self._place.folder

    @property
    def lists(self) -> Sequence[Revocations]:
        """The revocation lists in force, one an issuer."""
        return self._filler.lists

    @property
    def state(self) -> State:
        """What it holds now."""
        return self._memory.state

    def refresh(self, now: datetime) -> bool:
        """Take over what changed; whether anything did. Never raises for what lies outside: the last good one stays."""
        changed = self._filler.refresh(now)
        self.is_behind |= changed
        if self.is_behind:
            try:
                self._renew()
            except MemoryFault as error:  # workers are told all the same, and here it is tried again
                self._complain(error)
            else:
                self.is_behind, self._complaint = False, ""
        return changed

    def minted(self, now: datetime) -> None:
        """Take over an installation that was just minted, before the store is looked at again."""
        if not self._closed:
            self._filler.follow(now)
            self._renew()  # also if another thread has read it, which is not done yet with the rest

    def close(self) -> None:
        """Remove it; those who read it go on until they end."""
        self._closed = True
        self._opened.environment.close()
        self._place.remove()

    def _complain(self, error: MemoryFault) -> None:
        if str(error) != self._complaint:
            self._log.critical("what changed cannot be looked at", reason=error.reason, problem=str(error))
        self._complaint = str(error)

    def _renew(self) -> None:
        with self._renewing:
            self._memory.renew()
