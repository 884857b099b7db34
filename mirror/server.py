"""The composition of `serve`: configuration in, a running mirror out. Every rule lives in the rooms composed here.

This is the control process: it holds the listening sockets, writes into the store, watches what changes, and keeps the
workers, which serve. Signals: SIGTERM and SIGINT drain, a second one ends at once; SIGHUP opens the audit file anew
and reads the configuration with all that it names: if that is good, new workers serve by it and the old ones drain.
The signing keys are not among what is opened here: no process of these could sign if it wanted to.
"""

import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop
from structlog.typing import FilteringBoundLogger

from ca.errors import CaError
from mirror import expiry
from mirror.config import Config
from mirror.content.audit import Audit
from mirror.control.changes import Changes
from mirror.control.crew import Crew
from mirror.control.desk import Desk
from mirror.control.member import Member
from mirror.control.notify import Notify
from mirror.control.orders import Reopen, Setup
from mirror.control.pace import Pace
from mirror.control.sockets import Sockets, given_sockets
from mirror.control.totals import Totals
from mirror.control.turns import any_of, every, unless
from mirror.control.writer import Writer
from mirror.errors import MirrorError, ServeError, StoreFault
from mirror.log import program_log
from mirror.owner import other_owner
from mirror.records.protocol import Installation, Records
from mirror.records.sqlite import FILE_NAME, open_records
from mirror.serving import Serving, content_of, read_serving, utc_now
from spot_client.wire import installation

_LOOK_SECONDS: Final = 0.1
"""How often what lies outside is looked at."""
_TURN_SECONDS: Final = 1.0
"""How often last-seen moments are written down, and dates looked at."""


def serve(config: Config, say: Callable[[str], None], reread: Callable[[], Config] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; `say` gets the one line that tells that the mirror is ready.

    Args:
        reread: reads the configuration anew; without it, SIGHUP takes it as it was.

    Raises:
        ServeError: no [content] section, no data folder, an issuing CA without CRL, an address that cannot be
            listened on, no worker that can be started.
        CaError, MirrorError: a file, the store or the catalogue cannot be used.
    """
    content_of(config)
    log = program_log(sys.stderr)
    _check_folder(config.data_dir)
    records = open_records(config.data_dir / FILE_NAME)
    try:
        serving = read_serving(config, records, log)
        Audit(config.data_dir / "audit.jsonl", log).close()  # workers write it; whether they can is told here
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_control(serving, records, reread or (lambda: config), say, log))
    finally:
        records.close()


def _check_folder(data: Path) -> None:
    hint = "Correct 'data' in the configuration, or make a mirror with 'spot-mirror init'."
    if not os.path.lexists(data):
        raise ServeError("missing-folder", f"There is no folder {data}. {hint}")
    if not data.is_dir():
        raise ServeError("not-a-folder", f"{data} is a file, where a folder must be. {hint}")
    if owner := other_owner(data):
        raise ServeError(
            "other-user",
            f"{data} belongs to {owner}, who could not read what root writes there: serve as that user, as the unit in "
            "deploy/ does.",
        )


async def _control(
    serving: Serving,
    records: Records,
    reread: Callable[[], Config],
    say: Callable[[str], None],
    log: FilteringBoundLogger,
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, told: log.error("event loop", problem=_summary(told)))
    await _Control(serving, records, reread, log).run(say)


class _Control:
    """The running control process."""

    def __init__(
        self, serving: Serving, records: Records, reread: Callable[[], Config], log: FilteringBoundLogger
    ) -> None:
        self._serving, self._records, self._reread, self._log = serving, records, reread, log
        self._notify = Notify(os.environ, os.getpid())
        self._sockets = Sockets(given_sockets(os.environ, os.getpid()))
        self._writer = Writer(records, _draw, _pace(serving), utc_now, time.monotonic)
        self._changes = Changes(self._members, log)
        self._totals = Totals()
        self._desk = Desk(self._writer, self._changes, self._totals, self._minted, log)
        self._crews: list[Crew] = []  # the last one serves, those before it drain
        self._leaving: set[asyncio.Task[None]] = set()
        self._looking = ThreadPoolExecutor(1, "looking")
        self._told: set[str] = set()
        self._stop, self._hurry, self._again = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(self, say: Callable[[str], None]) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._again.set)
        turns = [asyncio.create_task(turn) for turn in self._turns()]
        try:
            if await unless(self._stop, self._begin(self._serving)):
                say(self._serving.ready(self._sockets.names))
                self._notify.ready(f"{self._serving.workers} workers")
                await self._until_told()
            await self._end()
        finally:
            self._sockets.close()
            for turn in turns:
                turn.cancel()
            await asyncio.gather(*turns, return_exceptions=True)
            await self._last_flush()
            self._writer.close()

    def _on_stop(self) -> None:
        (self._hurry if self._stop.is_set() else self._stop).set()

    async def _begin(self, serving: Serving) -> None:
        """Start workers for a configuration. Raises ServeError: all is as it was."""
        listen, workers = serving.content.listen, serving.workers
        before = self._sockets.workers
        self._sockets.listen(listen, workers)
        setup = Setup(msgspec.to_builtins(serving.config), (), workers)
        crew = Crew(setup, self._sockets, self._desk.hear, self._desk.gone, self._log)
        self._crews.append(crew)
        try:
            await crew.start()
        except BaseException:
            self._crews.remove(crew)
            self._sockets.keep(self._serving.content.listen, before)
            raise
        self._serving = serving
        self._sockets.keep(listen)

    async def _until_told(self) -> None:
        """Returns when the mirror is to stop. Raises ServeError: no worker can be started any more."""
        while True:
            lost = self._crews[-1].lost
            await any_of(self._stop, self._again, lost)
            if self._stop.is_set():
                return
            if lost.is_set():
                raise ServeError("worker-failed", "No worker can be started any more: the log tells why.")
            self._again.clear()
            await unless(self._stop, self._reload())

    async def _reload(self) -> None:
        """Serve by what the configuration and the files that it names are now; what is bad changes nothing."""
        self._notify.reloading()
        for crew in self._crews:
            crew.tell(Reopen())
        old = [*self._crews]
        try:
            config = self._reread()
            if config.data != self._serving.config.data:
                raise ServeError("needs-restart", "Another data folder: that takes a restart of the mirror.")
            fresh = await asyncio.to_thread(read_serving, config, self._records, self._log)
            await self._begin(fresh)
        except (CaError, MirrorError, OSError) as error:
            reason = getattr(error, "reason", type(error).__name__)
            self._log.error("refused, the old workers stay", what="reload", reason=reason, problem=str(error))
        else:
            self._writer.pace = _pace(fresh)
            self._log.info("serves by the new configuration", workers=fresh.workers)
            for crew in old:
                self._leave(crew, fresh.content.drain_seconds)
        self._notify.ready(f"{self._serving.workers} workers")

    def _leave(self, crew: Crew, seconds: float) -> None:
        async def leave() -> None:
            await crew.drain(seconds)
            self._crews.remove(crew)

        task = asyncio.create_task(leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _end(self) -> None:
        self._notify.stopping()
        seconds = self._serving.content.drain_seconds
        self._log.info("stopping", drain_seconds=seconds)
        self._sockets.close()
        crews = [*self._crews]
        if not await unless(self._hurry, _all([crew.drain(seconds) for crew in crews])):
            await _all([crew.kill() for crew in crews])

    def _members(self) -> Iterator[Member]:
        return (member for crew in self._crews for member in [*crew.members.values()])

    def _minted(self, minted: Installation) -> None:
        self._serving.memory.minted(minted.id, minted.customer)

    def _turns(self) -> list[Coroutine[Any, Any, None]]:
        turns = [
            self._writer.run(self._log),
            every(_LOOK_SECONDS, self._look, self._log),
            every(_TURN_SECONDS, self._writer.flush, self._log),
            every(_TURN_SECONDS, self._warn, self._log),
        ]
        if self._notify.alive_seconds is not None:
            turns.append(every(self._notify.alive_seconds, self._alive, self._log))
        return turns

    async def _look(self) -> None:
        """Have all workers take what changed outside."""
        refresh = self._serving.memory.refresh
        if await asyncio.get_running_loop().run_in_executor(self._looking, refresh, utc_now()):
            await self._changes.tell()

    async def _warn(self) -> None:
        """Log once that something will lapse soon, and once more when it has."""
        for sentence in expiry.warnings(self._serving.lapses(), utc_now()):
            if sentence not in self._told:
                self._told.add(sentence)
                self._log.warning("expiry", problem=sentence)

    async def _alive(self) -> None:
        self._notify.alive()

    async def _last_flush(self) -> None:
        try:
            await self._writer.flush()
        except StoreFault as error:
            self._log.warning("last-seen moments were not written down", reason=error.reason, problem=str(error))


def _draw() -> str:
    return installation.mint(secrets.token_bytes(installation.ID_BYTES))


def _pace(serving: Serving) -> Pace:
    return Pace(serving.content.limits.thin_snapshot_seconds)


async def _all(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*works)


def _summary(told: dict[str, object]) -> str:
    return f"{told.get('message')}: {told.get('exception')!r}"[:300]
