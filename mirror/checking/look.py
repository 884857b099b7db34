"""All of the check, in the order in which it is told."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from ca.finding import Finding
from mirror import catalogue, config
from mirror.blobs import LocalBlobs
from mirror.checking import host, offer, scrub, signing, store, trust
from mirror.checking.findings import judge_clock, judge_scrub
from mirror.checking.noted import Noted
from mirror.checking.releases import Progress
from mirror.config import Config
from mirror.errors import ConfigError
from mirror.records.sqlite import FILE_NAME

_DATED = ("catalogue/timestamp.json", "audit.jsonl")


def look(path: Path, now: datetime, noted: Noted, *, deep: bool, progress: Progress) -> Iterator[Finding]:
    """Everything that was found about the mirror whose configuration is `path`, also what is good; never nothing.

    Args:
        now: UTC. noted: gains what is come by beside findings. deep: also read all that is on offer, and all records.
        progress: told how far that has come.
    """
    try:
        loaded = config.load(path)
    except ConfigError as error:
        yield Finding("problem", error.reason, str(error))
        return
    yield from _guarded(lambda: [host.configuration(path)])
    yield from _guarded(lambda: host.modes(loaded))
    yield from _guarded(lambda: signing.keys(loaded))
    if loaded.content is None:
        step = "If this host is to serve, add one: 'spot-mirror init' shows an example."
        yield Finding("advice", "no-content", "The configuration has no section [content].", step)
    else:
        content = loaded.content
        yield from _guarded(lambda: trust.look(loaded, content, now, noted))
        yield from _guarded(lambda: host.trusted(content))
        yield from _guarded(
            lambda: host.addresses([*content.listen, *([loaded.health.listen] if loaded.health else [])])
        )
    yield from _guarded(lambda: _data(loaded, noted, now, deep=deep, progress=progress))
    yield judge_clock(noted.moments, now)


def _data(loaded: Config, noted: Noted, now: datetime, *, deep: bool, progress: Progress) -> Iterator[Finding]:
    """What lies in the data folder."""
    data = loaded.data_dir
    if not data.is_dir():
        return
    yield from _guarded(lambda: host.owners(loaded))
    yield from host.disk(data)
    yield from _guarded(lambda: store.look(data / FILE_NAME, now, noted, deep=deep))
    yield from _guarded(lambda: signing.waiting(data, now))
    yield from _guarded(lambda: signing.above(loaded))
    if not catalogue.is_founding(data):
        looking = partial(offer.look, data / "catalogue", LocalBlobs(data), loaded.lifetimes, now, noted)
        yield from _guarded(lambda: looking(deep=deep, progress=progress))
        yield from _guarded(lambda: _scrubbed(data / scrub.FILE_NAME, noted, now))
    yield from _guarded(lambda: host.leftovers(data))
    noted.moments.extend(host.written(data / name for name in _DATED))


def _scrubbed(path: Path, noted: Noted, now: datetime) -> Iterator[Finding]:
    """When all that is on offer was read last. What was published first waits for that since then."""
    try:
        last = scrub.last(path)
    except ValueError:
        last = None
    if last is not None:
        noted.scrubs.append(last)
        noted.moments.append(("The last scrub", last.ended))
    since = last.ended if last else min(noted.published, default=now)
    yield judge_scrub(since, last.findings if last else 0, last.damaged if last else (), now)


def _guarded(part: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a part of the check finds; that the system refuses it something is a finding, too."""
    try:
        yield from part()
    except OSError as error:
        what = f"{error.filename or 'Something'} cannot be looked at: {error.strerror}."
        yield Finding("problem", "unreadable", what, "Run the check as the mirror's own user, or as root.")
