"""One configuration in service: its memory, and the workers that read it."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.typing import FilteringBoundLogger

from mirror.control.crew import Crew
from mirror.control.member import Member
from mirror.control.orders import Setup
from mirror.control.reports import Report
from mirror.control.sockets import Sockets
from mirror.filled import Filled
from mirror.records.protocol import Records
from mirror.serving import Serving


class Post:
    """There are two of them while a new configuration takes over. `close` once its workers have ended."""

    def __init__(self, serving: Serving, records: Records, now: datetime, log: FilteringBoundLogger) -> None:
        """Fill its memory; may take seconds. Raises as `Filled`."""
        self.serving, self._log = serving, log
        self.filled = Filled(serving, records, now, log)
        self.crew: Crew | None = None

    async def begin(
        self,
        sockets: Sockets,
        rings: Path,
        hear: Callable[[Member, Report], None],
        gone: Callable[[Member], None],
    ) -> None:
        """Start its workers; returns when all accept connections.

        Args:
            rings: the folder of audit lines.
            hear, gone: as `Crew` has them.

        Raises:
            ServeError: all is as it was.
        """
        config, workers = msgspec.to_builtins(self.serving.config), self.serving.workers
        issuers = tuple(issuer.public_bytes(Encoding.DER) for issuer in self.serving.issuers)
        setup = Setup(config, self.serving.credentials, issuers, (), workers, str(self.filled.folder), str(rings))
        lend = partial(sockets.of_worker, workers=workers, addresses=self.serving.content.listen)
        self.crew = Crew(setup, lend, hear, gone, self._log)
        try:
            await self.crew.start()
        except BaseException:
            self.crew = None
            raise

    @property
    def members(self) -> list[Member]:
        """Its workers that run."""
        return [*self.crew.members.values()] if self.crew is not None else []

    def close(self) -> None:
        """Let go of the memory."""
        self.filled.close()
