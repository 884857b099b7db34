"""The composition of `serve`: configuration in, a running mirror out. Every rule lives in the rooms composed here.

Signals: SIGTERM and SIGINT drain, a second one ends at once, SIGHUP opens the audit file anew. The signing keys are
not among what is opened here: this process could not sign if it wanted to.
"""

import asyncio
import contextlib
import os
import random
import secrets
import signal
import ssl
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
import structlog
import uvloop
from cryptography import x509
from structlog.typing import FilteringBoundLogger

from ca.tls import server_context
from mirror import catalogue, expiry
from mirror.blobs import LocalBlobs
from mirror.certificates import read_certificate, read_issuer
from mirror.config import Config, Content
from mirror.content.app import App, Parts
from mirror.content.audit import Audit
from mirror.content.conversation import Terms
from mirror.content.customers import Customers
from mirror.content.files import Files
from mirror.content.limits import Rates
from mirror.content.listener import Listener
from mirror.content.memory import Memory, Sources
from mirror.content.seen import Seen
from mirror.content.shelf import Manifests, Shelf
from mirror.control.collector import SYNC_SECONDS, TURN_SECONDS, Collector
from mirror.counters import Counted
from mirror.errors import ServeError, StoreFault
from mirror.owner import other_owner
from mirror.records.protocol import Records
from mirror.records.sqlite import FILE_NAME, open_records
from mirror.ring import SUFFIX
from mirror.shared import shared_folder

_TURN_SECONDS: Final = 1.0
_WRITERS: Final = 4  # threads; SQLite writes one at a time anyway
"""How often what lies outside is looked at, and last-seen moments are written down."""


def serve(config: Config, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `say` gets the one line that tells that the mirror is ready.

    Raises:
        ServeError: no [content] section, no data folder, an issuing CA without CRL, an address that cannot be
            listened on.
        CaError, MirrorError: a file, the store or the catalogue cannot be used.
    """
    content = config.content
    if content is None:
        raise ServeError("no-content", "The configuration has no section [content]: add it; 'init' shows an example.")
    log = program_log(sys.stderr)
    issuers = [read_issuer(Path(path), config.realm) for path in content.issuing_cas]
    context = server_context(
        certificate=Path(content.certificate), key=Path(content.key), issuing_cas=issuers, min_tls=content.min_tls
    )
    leaf = read_certificate(Path(content.certificate))
    _check_folder(config.data_dir)
    records = open_records(config.data_dir / FILE_NAME)
    try:
        memory = Memory(_sources(config, content, issuers, records), utc_now(), log)
        try:
            with (
                _audited(config.data_dir, log) as (audit, collector),
                ThreadPoolExecutor(_WRITERS, "writer") as writers,
                asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
            ):
                parts = (config, content, context, leaf, records, memory, writers, audit, collector, log, say)
                runner.run(_run(_Running(*parts)))
        finally:
            memory.close()
    finally:
        records.close()


def program_log(stream: TextIO) -> FilteringBoundLogger:
    """The log of the program itself: lines for people on a terminal, JSON elsewhere."""
    ending: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if stream.isatty()
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *ending,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
    )
    return log


def utc_now() -> datetime:
    """The clock of the running mirror."""
    return datetime.now(UTC)


@contextlib.contextmanager
def _audited(data: Path, log: FilteringBoundLogger) -> Iterator[tuple[Audit, Collector]]:
    shared = shared_folder(data)
    rings = shared / "audit"
    collector = Collector(data / "audit.jsonl", rings, log)
    audit = Audit(rings / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}", log)
    try:
        yield audit, collector
    finally:
        audit.close()
        collector.close()
        with contextlib.suppress(OSError):  # not empty
            shared.rmdir()


class _Running(msgspec.Struct, frozen=True):
    config: Config
    content: Content
    context: ssl.SSLContext
    leaf: x509.Certificate
    records: Records
    memory: Memory
    writers: Executor
    audit: Audit
    collector: Collector
    log: FilteringBoundLogger
    say: Callable[[str], None]


def _sources(config: Config, content: Content, issuers: Sequence[x509.Certificate], records: Records) -> Sources:
    return Sources(
        realm=config.realm,
        issuers=issuers,
        crls=[Path(path) for path in content.crls],
        grace=timedelta(days=content.crl_grace_days),
        records=records,
        catalogue=config.data_dir / "catalogue",
        load=catalogue.load,
        spare=config.data_dir / "memory",
    )


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


async def _run(running: _Running) -> None:
    loop, log = asyncio.get_running_loop(), running.log
    loop.set_exception_handler(lambda _loop, context: log.error("event loop", problem=_summary(context)))
    stop, hurry = asyncio.Event(), asyncio.Event()

    def on_stop() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop)
    loop.add_signal_handler(signal.SIGHUP, running.collector.reopen)
    seen = Seen(running.records)
    counted, content = Counted(), running.content
    terms = Terms(_app(running, seen, counted), content.limits, counted)
    listener = Listener(terms, running.context, log, content.proxies)
    try:
        addresses = await listener.listen(running.content.listen)
    except ServeError:
        await listener.close()
        raise
    turns = [
        asyncio.create_task(_every(lambda: running.memory.refresh(utc_now()), log)),
        asyncio.create_task(_every(seen.flush, log)),
        asyncio.create_task(_every(_expiry_watch(running), log)),
        asyncio.create_task(_every(running.collector.turn, log, TURN_SECONDS)),
        asyncio.create_task(_every(running.collector.sync, log, SYNC_SECONDS)),
    ]
    running.say(_ready(addresses, running))
    await stop.wait()
    log.info("stopping", drain_seconds=running.content.drain_seconds)
    await _first(listener.drain(running.content.drain_seconds), hurry)
    for turn in turns:
        turn.cancel()
    await asyncio.gather(*turns, return_exceptions=True)
    await asyncio.to_thread(_last_flush, seen, log)


def _ids() -> Callable[[], str]:
    """Ids of requests: which process, and how many there were before."""
    begin, numbers = secrets.token_hex(4), count()
    return lambda: f"{begin}{next(numbers) & 0xFFFFFFFF:08x}"


def _app(running: _Running, seen: Seen, counted: Counted) -> App:
    data = running.config.data_dir
    blobs = LocalBlobs(data)
    return App(
        Parts(
            memory=running.memory,
            files=Files(Shelf(data / "catalogue"), Manifests(blobs), blobs, running.log),
            customers=Customers(running.records, running.memory, secrets.token_bytes, running.writers),
            audit=running.audit,
            seen=seen,
            clock=utc_now,
            counted=counted,
            rates=Rates(running.content.limits),
            chance=random.random,
            ids=_ids(),
            log=running.log,
            log_addresses=running.content.log_addresses,
        )
    )


def _expiry_watch(running: _Running) -> Callable[[], None]:
    """Logs once that something will lapse soon, and once more when it has."""
    told: set[str] = set()

    def look() -> None:
        for sentence in expiry.warnings(_lapses(running), utc_now()):
            if sentence not in told:
                told.add(sentence)
                running.log.warning("expiry", problem=sentence)

    return look


def _lapses(running: _Running) -> list[expiry.Lapse]:
    state, leaf = running.memory.state, running.leaf
    lists, issuers = state.world.revocations.values(), state.world.issuers.items()
    return [
        *expiry.of_catalogue(state.catalogue.expires, running.config.lifetimes.life),
        *(expiry.of_list(crl.issuer_key, crl.this_update, crl.next_update) for crl in lists),
        *(expiry.of_issuer(key, one.not_before, one.not_after) for key, one in issuers),
        expiry.of_server(leaf.not_valid_before_utc, leaf.not_valid_after_utc),
    ]


def _ready(addresses: Sequence[str], running: _Running) -> str:
    state = running.memory.state
    where = ", ".join(f"https://{address}" for address in addresses)
    customers = state.customers
    catalogue_until = min(state.catalogue.expires.values())
    list_until = min(crl.next_update for crl in state.world.revocations.values())
    return (
        f"spot-mirror: ready on {where}, realm {running.config.realm}, "
        f"catalogue {state.catalogue.version} until {catalogue_until:%Y-%m-%d}, "
        f"revocation list until {list_until:%Y-%m-%d}, {customers} customer{'' if customers == 1 else 's'}"
    )


async def _every(call: Callable[[], None], log: FilteringBoundLogger, seconds: float = _TURN_SECONDS) -> None:
    """Call every so many seconds, in a thread of its own; no failure ends that; each is logged once while it lasts.

    In the pool that requests share, a revocation would wait behind writers whom a locked store holds up.
    """
    thread, complaint = ThreadPoolExecutor(max_workers=1), ""
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.get_running_loop().run_in_executor(thread, call)
        except StoreFault as error:
            if str(error) != complaint:
                log.warning("the store does not answer", reason=error.reason, problem=str(error))
            complaint = str(error)
        except Exception:
            log.exception("a turn failed")
        else:
            complaint = ""


async def _first(work: Coroutine[Any, Any, None], event: asyncio.Event) -> None:
    """Run `work` to its end, or until `event`."""
    task, waiter = asyncio.ensure_future(work), asyncio.create_task(event.wait())
    await asyncio.wait((task, waiter), return_when=asyncio.FIRST_COMPLETED)
    for one in (task, waiter):
        one.cancel()
    await asyncio.gather(task, waiter, return_exceptions=True)


def _last_flush(seen: Seen, log: FilteringBoundLogger) -> None:
    try:
        seen.flush()
    except StoreFault as error:
        log.warning("last-seen moments were not written down", reason=error.reason, problem=str(error))


def _summary(context: dict[str, object]) -> str:
    return f"{context.get('message')}: {context.get('exception')!r}"[:300]
