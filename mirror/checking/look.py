"""All of the check, in the order in which it is told."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from ca.finding import Finding
from mirror import config
from mirror.blobs import LocalBlobs
from mirror.checking import host, offer, signing, store, trust
from mirror.checking.findings import judge_clock
from mirror.checking.offer import Progress
from mirror.config import Config, Content
from mirror.errors import ConfigError
from mirror.records.sqlite import FILE_NAME

_DATED = ("catalogue/timestamp.json", "audit.jsonl")


def look(path: Path, now: datetime, *, deep: bool, progress: Progress) -> Iterator[Finding]:
    """Everything that was found about the mirror whose configuration is `path`, also what is good; never nothing.

    Args:
        now: UTC. deep: also read all that is on offer, and all records.
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
    moments: list[tuple[str, datetime]] = []
    if loaded.content is None:
        step = "If this host is to serve, add one: 'spot-mirror init' shows an example."
        yield Finding("advice", "no-content", "The configuration has no section [content].", step)
    else:
        content = loaded.content
        yield from _guarded(lambda: _trust(loaded, content, moments, now))
        yield from _guarded(lambda: host.trusted(content))
        yield from _guarded(lambda: host.addresses(content.listen))
    yield from _guarded(lambda: _data(loaded, moments, now, deep=deep, progress=progress))
    yield judge_clock(moments, now)


def _data(
    loaded: Config, moments: list[tuple[str, datetime]], now: datetime, *, deep: bool, progress: Progress
) -> Iterator[Finding]:
    """What lies in the data folder; adds to `moments`."""
    data = loaded.data_dir
    if not data.is_dir():
        return
    yield from _guarded(lambda: host.owners(loaded))
    yield from host.disk(data)
    yield from _guarded(lambda: store.look(data / FILE_NAME, deep=deep))
    yield from _guarded(lambda: signing.waiting(data, now))
    if not signing.is_founding(data):
        yield from _guarded(lambda: _offer(loaded, moments, now, deep=deep, progress=progress))
    yield from _guarded(lambda: host.leftovers(data))
    moments += host.written(data / name for name in _DATED)


def _offer(
    loaded: Config, moments: list[tuple[str, datetime]], now: datetime, *, deep: bool, progress: Progress
) -> Iterator[Finding]:
    data = loaded.data_dir
    lives = loaded.lifetimes
    found, published = offer.look(data / "catalogue", LocalBlobs(data), lives, now, deep=deep, progress=progress)
    moments += published
    yield from found


def _trust(loaded: Config, content: Content, moments: list[tuple[str, datetime]], now: datetime) -> Iterator[Finding]:
    found, began = trust.look(loaded, content, now)
    moments += began
    yield from found


def _guarded(part: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a part of the check finds; that the system refuses it something is a finding, too."""
    try:
        yield from part()
    except OSError as error:
        what = f"{error.filename or 'Something'} cannot be looked at: {error.strerror}."
        yield Finding("problem", "unreadable", what, "Run the check as the mirror's own user, or as root.")
