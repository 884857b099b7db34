"""The operator listener of a running mirror: opened by a configuration, and again by the next one."""

import secrets
import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from ca.identity import Role
from ca.tls import server_context
from mirror.blobs import make_folder
from mirror.brief import Listening
from mirror.content.audit import Audit, Line
from mirror.errors import ServeError
from mirror.operator.answers import Answer, Office, Who
from mirror.operator.listener import start
from mirror.ring import SUFFIX
from mirror.serving import Serving

_CLOSING_SECONDS: Final = 1.0
_MAX_TOLD: Final = 200  # characters of a path or method that a line repeats


class Ready(msgspec.Struct, frozen=True):
    """All that a listener needs, read and checked: where, and by which certificate."""

    listen: str
    context: ssl.SSLContext


def prepare(serving: Serving) -> Ready | None:
    """What the configuration says of the operator listener; None: there is to be none.

    Raises:
        TlsError: as `ca.tls.server_context`.
    """
    operator, content = serving.config.operator, serving.content
    if operator is None:
        return None
    context = server_context(
        certificate=Path(operator.certificate or content.certificate),
        key=Path(operator.key or content.key),
        issuing_cas=serving.issuers,
        min_tls="1.3",
    )
    return Ready(operator.listen, context)


class Reception:
    """`rings`: the folder of audit lines. `clock`: UTC now."""

    def __init__(self, office: Office, rings: Path, clock: Callable[[], datetime], log: FilteringBoundLogger) -> None:
        self._office, self._rings, self._clock, self._log = office, rings, clock, log
        self._listening: Listening | None = None
        self._where = ""
        self._audit: Audit | None = None

    async def open(self, ready: Ready | None) -> None:
        """Listen by this, and no more by what was before. Raises ServeError: it cannot be listened there."""
        same = ready is not None and ready.listen == self._where
        before, self._where = self._listening, ready.listen if ready is not None else ""
        if before is not None and same:
            await before.close(_CLOSING_SECONDS)
        self._listening = None if ready is None else await self._start(ready)
        if before is not None and not same:
            await before.close(_CLOSING_SECONDS)

    async def reopen(self, ready: Ready | None) -> None:
        """As `open`, for a mirror that runs: what cannot be done is told in the log."""
        try:
            await self.open(ready)
        except ServeError as error:
            self._log.critical("there is no operator listener", reason=error.reason, problem=str(error))

    async def close(self) -> None:
        """Listen no more."""
        await self.open(None)
        if self._audit is not None:
            self._audit.close()

    async def _start(self, ready: Ready) -> Listening:
        if self._audit is None:
            make_folder(self._rings)
            self._audit = Audit(self._rings / f"operators-{secrets.token_hex(4)}{SUFFIX}", self._log)
        listening = await start(ready.listen, ready.context, self._office, self._noted, self._log)
        self._log.info("operators", address=listening.address)
        return listening

    def _noted(self, who: Who, method: str, path: str, said: Answer, seconds: float) -> None:
        if self._audit is None:
            return
        now = self._clock()
        self._audit.write(
            Line(
                time=f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
                request=secrets.token_hex(8),
                method=method[:_MAX_TOLD],
                name=who.name or None,
                role=Role.CA_OPERATOR.value,
                serial=who.serial or None,
                route="operator",
                file=path[:_MAX_TOLD],
                status=said.status,
                reason=said.reason,
                detail=said.detail,
                bytes=len(said.body),
                ms=round(seconds * 1000, 3),
            )
        )
