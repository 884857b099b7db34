"""What becomes of a worker's report: it is written, counted, or passed on; and what was written is answered."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from structlog.typing import FilteringBoundLogger

from mirror.control import reports
from mirror.control.changes import Changes
from mirror.control.member import Member
from mirror.control.orders import Fault, Written
from mirror.control.reports import Report
from mirror.control.totals import Totals
from mirror.control.writer import Writer
from mirror.control.writes import Ask, Mint, Put
from mirror.errors import NotThere, RecordsError, StoreFault, TooOften
from mirror.records.requests import Asked


class Desk:
    """`minted` is called, in a thread, after an installation was minted, and before anybody learns its id."""

    def __init__(
        self,
        writer: Writer,
        changes: Changes,
        totals: Totals,
        minted: Callable[[], None],
        log: FilteringBoundLogger,
    ) -> None:
        self._writer, self._changes, self._totals = writer, changes, totals
        self._minted, self._log = minted, log
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(self, member: Member, report: Report) -> None:
        """Take a report."""
        match report:
            case Mint():
                self._do(self._mint(member, report))
            case Put():
                self._do(self._put(member, report))
            case Ask():
                self._do(self._ask(member, report))
            case reports.Took(turn):
                self._changes.took(member, turn)
            case reports.Seen(installations):
                self._writer.seen(installations)
            case reports.Count(counted):
                if not self._totals.note(member.pid, counted):
                    self._log.warning("a worker counts in another way than we do", pid=member.pid)
            case reports.Loaded() | reports.Ready() | reports.Failed():
                pass

    def gone(self, member: Member) -> None:
        """A worker has ended."""
        self._totals.gone(member.pid)
        self._changes.gone(member)

    async def _mint(self, member: Member, asked: Mint) -> None:
        try:
            minted = await self._writer.mint(asked.customer, asked.request)
            await asyncio.to_thread(self._minted)
            await self._changes.tell()
        except Exception as error:  # noqa: BLE001  whoever waits is told
            member.tell(Written(asked.number, fault=self._fault(error)))
            return
        member.tell(Written(asked.number, installation=minted.id))

    async def _put(self, member: Member, asked: Put) -> None:
        try:
            await self._writer.put_thin_snapshot(asked.installation, asked.components)
        except Exception as error:  # noqa: BLE001  as above
            member.tell(Written(asked.number, fault=self._fault(error)))
        else:
            member.tell(Written(asked.number))

    async def _ask(self, member: Member, report: Ask) -> None:
        digest = hashlib.sha256(report.request).digest()
        asked = Asked(digest, report.installation, report.enrols, report.request, report.requester)
        try:
            answered = await self._writer.ask(asked)
        except Exception as error:  # noqa: BLE001  as above
            member.tell(Written(report.number, fault=self._fault(error)))
        else:
            certificate, denied, since = answered.certificate, answered.denied, answered.since
            member.tell(Written(report.number, certificate=certificate, denied=denied, since=since))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("a report came to nothing", exc_info=error)

    def _fault(self, error: Exception) -> Fault:
        match error:
            case TooOften(seconds=seconds):
                return Fault("too-often", error.reason, str(error), seconds)
            case NotThere():
                return Fault("not-there", error.reason, str(error))
            case StoreFault():
                return Fault("store", error.reason, str(error))
            case RecordsError():
                return Fault("refused", error.reason, str(error))
            case OSError():
                return Fault("store", "io", str(error))
            case _:
                self._log.error("a report came to nothing", exc_info=error)
                return Fault("store", "unusable", type(error).__name__)
