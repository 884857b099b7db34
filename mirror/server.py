"""The composition of `serve`: configuration in, a running mirror out. Every rule lives in the rooms composed here.

This is the control process: it holds the listening sockets, writes into the store, watches what changes, and keeps the
workers, which serve. Signals: SIGTERM and SIGINT drain, a second one ends at once; SIGHUP opens the audit file anew
and reads the configuration with all that it names: if that is good, new workers serve by it, and the old ones take
nothing new and end what they have begun.
The signing keys are not among what is opened here: no process of these could sign if it wanted to.
"""

import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop
from structlog.typing import FilteringBoundLogger

from mirror import descriptors, expiry, heap
from mirror.brief import Listening
from mirror.config import Config
from mirror.control.changes import Changes
from mirror.control.collector import SYNC_SECONDS, TURN_SECONDS, Collector
from mirror.control.desk import Desk
from mirror.control.member import Member
from mirror.control.notify import Notify
from mirror.control.pace import Pace
from mirror.control.sockets import Sockets, given_sockets
from mirror.control.totals import Totals
from mirror.control.turns import Repeated, any_of, every, unless
from mirror.control.writer import Writer
from mirror.errors import ServeError, StoreFault
from mirror.health.listener import start
from mirror.health.token import token_of
from mirror.locks import alone
from mirror.log import program_log, summary
from mirror.observed import Observed
from mirror.office import Office, Parts
from mirror.owner import check_folder
from mirror.post import Post
from mirror.posts import Hearing, Posts
from mirror.reception import Ready, Reception, prepare
from mirror.records.protocol import Records
from mirror.records.sqlite import FILE_NAME, open_records
from mirror.serving import Serving, content_of, read_serving, utc_now
from mirror.shared import shared_folder
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
        Busy: another process serves this data folder.
        CaError, MirrorError: a file, the store or the catalogue cannot be used.
    """
    content_of(config)
    log = program_log(sys.stderr)
    check_folder(config.data_dir)
    with (
        alone(config.data_dir, "serving"),
        closing(open_records(config.data_dir / FILE_NAME)) as records,
        closing(Sockets(given_sockets(os.environ, os.getpid()))) as sockets,
        closing(Posts(Post(read_serving(config), records, utc_now(), log), sockets)) as posts,
        _collecting(config.data_dir, log) as collector,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        descriptors.allow()
        heap.hand_back()
        parts = _Parts(records, sockets, posts, collector, reread or (lambda: config), log)
        runner.run(_Control(parts).run(say))


@contextmanager
def _collecting(data: Path, log: FilteringBoundLogger) -> Iterator[Collector]:
    """Of the audit lines: closed when no worker runs any more."""
    shared = shared_folder(data)
    collector = Collector(data / "audit.jsonl", shared / "audit", log)
    try:
        yield collector
    finally:
        collector.close()
        with suppress(OSError):  # not empty
            shared.rmdir()


class _Parts(msgspec.Struct, frozen=True):
    records: Records
    sockets: Sockets
    posts: Posts
    collector: Collector
    reread: Callable[[], Config]
    log: FilteringBoundLogger


class _Control:
    """The running control process."""

    def __init__(self, parts: _Parts) -> None:
        self._records, self._sockets, self._posts = parts.records, parts.sockets, parts.posts
        self._collector, self._reread, self._log = parts.collector, parts.reread, parts.log
        serving = parts.posts.last.serving
        self._notify = Notify(os.environ, os.getpid())
        self._writer = Writer(parts.records, _draw, _pace(serving), utc_now, time.monotonic)
        self._changes = Changes(parts.posts.members, parts.log)
        totals = Totals()
        self._desk = Desk(self._writer, self._changes, totals, parts.posts.minted, parts.log)
        self._hearing = Hearing(self._desk.hear, self._gone, shared_folder(serving.config.data_dir) / "audit")
        office = Office(Parts(self._posts, parts.records, self._writer, self._changes.tell, utc_now, self._log))
        self._reception = Reception(office, self._hearing.rings, utc_now, self._log)
        self._syncing = ThreadPoolExecutor(1, "syncing")
        self._token: bytes | None = None
        self._reminder = expiry.Reminder()
        self._telling: set[asyncio.Task[float]] = set()
        self._stop, self._hurry, self._again = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._observed = Observed(lambda: self._posts.last, totals, self._stop.is_set)

    async def run(self, say: Callable[[str], None]) -> None:
        """Serve until told to stop."""
        loop, log = asyncio.get_running_loop(), self._log
        loop.set_exception_handler(lambda _loop, told: log.error("event loop", problem=summary(told)))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._again.set)
        post, health = self._posts.last, None
        turns = [asyncio.create_task(turn) for turn in self._turns()]
        threads = self._threads(loop)
        try:
            health = await self._health(post.serving.config)
            await self._reception.open(await asyncio.to_thread(prepare, post.serving))
            if await unless(self._stop, self._posts.begin(post, self._hearing)):
                say(post.serving.ready(self._sockets.names, post.filled.state))
                self._notify.ready(f"{post.serving.workers} workers")
                descriptors.warn(post.serving.content.limits, post.serving.workers, log)
                await self._until_told()
            await self._end()
        finally:
            self._sockets.close()
            await self._reception.close()
            if health is not None:
                await health.close()
            await self._posts.ended()
            for turn in turns:
                turn.cancel()
            await asyncio.gather(*turns, return_exceptions=True)
            await self._last_flush()
            self._writer.close()
            for thread in threads:
                thread.end()
            self._syncing.shutdown()

    def _on_stop(self) -> None:
        (self._hurry if self._stop.is_set() else self._stop).set()

    async def _health(self, config: Config) -> Listening | None:
        if config.health is None:
            return None
        self._token, observed = token_of(config.health), self._observed
        listening = await start(config.health.listen, lambda: self._token, observed.status, observed.metrics, self._log)
        self._log.info("health and metrics", address=listening.address)
        return listening

    async def _until_told(self) -> None:
        """Returns when the mirror is to stop. Raises ServeError: no worker can be started any more."""
        while True:
            crew = self._posts.last.crew
            lost = crew.lost if crew is not None else asyncio.Event()
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
        self._collector.reopen()
        try:
            post, token, ready = await asyncio.to_thread(self._new_post)
            try:
                await self._posts.begin(post, self._hearing)
            except BaseException:
                post.close()
                raise
        except Exception as error:  # noqa: BLE001  whatever it is, what serves goes on
            reason = getattr(error, "reason", type(error).__name__)
            self._log.error("refused, the old workers stay", what="reload", reason=reason, problem=str(error))
        else:
            self._writer.pace, self._token = _pace(post.serving), token
            self._log.info("serves by the new configuration", workers=post.serving.workers)
            self._posts.leave()
            await self._reception.reopen(ready)
        self._notify.ready(f"{self._posts.last.serving.workers} workers")

    def _new_post(self) -> tuple[Post, bytes | None, Ready | None]:
        """With the token of the health listener, and what the operator listener needs."""
        config, before = self._reread(), self._posts.last.serving.config
        same = {"data": config.data == before.data, "[health]": config.health == before.health}
        if other := [what for what, holds in same.items() if not holds]:
            raise ServeError("needs-restart", f"Another {' and another '.join(other)}: that takes a restart.")
        token = token_of(config.health)
        serving = read_serving(config)
        ready = prepare(serving)
        return Post(serving, self._records, utc_now(), self._log), token, ready

    async def _end(self) -> None:
        self._notify.stopping()
        seconds = self._posts.last.serving.content.drain_seconds
        self._log.info("stopping", drain_seconds=seconds)
        self._sockets.close()
        if not await unless(self._hurry, self._posts.drain(seconds)):
            await self._posts.kill()

    def _gone(self, member: Member) -> None:
        self._desk.gone(member)
        self._observed.restarts += not member.was_told_to_end

    def _turns(self) -> list[Coroutine[Any, Any, None]]:
        turns = [
            self._writer.run(self._log),
            every(SYNC_SECONDS, self._sync, self._log),
            every(_TURN_SECONDS, self._writer.flush, self._log),
            every(_TURN_SECONDS, self._warn, self._log),
            every(_TURN_SECONDS, self._ask_store, self._log),
        ]
        if self._notify.alive_seconds is not None:
            turns.append(every(self._notify.alive_seconds, self._alive, self._log))
        return turns

    def _threads(self, loop: asyncio.AbstractEventLoop) -> list[Repeated]:
        def look() -> None:
            if self._posts.look():
                loop.call_soon_threadsafe(self._tell)

        return [
            Repeated("looking", _LOOK_SECONDS, look, self._log),
            Repeated("collecting", TURN_SECONDS, self._collector.turn, self._log),
        ]

    def _tell(self) -> None:
        """Have all workers take what changed outside."""
        self._telling = {one for one in self._telling if not one.done()}
        self._telling.add(asyncio.create_task(self._changes.tell()))  # who hangs keeps nobody else waiting

    async def _sync(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._syncing, self._collector.sync)

    async def _ask_store(self) -> None:
        try:
            await asyncio.to_thread(self._records.marker)
        except StoreFault:
            self._observed.store_answers = False
            raise
        self._observed.store_answers = True

    async def _warn(self) -> None:
        """Log each day what will lapse soon or has lapsed, and at once that it has."""
        post, now = self._posts.last, utc_now()
        for lapse in self._reminder.due(post.serving.lapses(post.filled.state), now):
            log = self._log.error if lapse.is_over(now) else self._log.warning
            log("expiry", problem=f"{lapse.sentence(now)} {lapse.step}")

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
