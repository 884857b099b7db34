"""All of the check, in the order in which it is told."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from mirror import config
from mirror.blobs import LocalBlobs
from mirror.checking import host, offer, store, trust
from mirror.checking.findings import Finding, judge_clock
from mirror.checking.offer import Progress
from mirror.config import Config
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
    yield host.configuration(path)
    yield from host.modes(loaded)
    moments: list[tuple[str, datetime]] = []
    if loaded.content is None:
        step = "If this host is to serve, add one: 'spot-mirror init' shows an example."
        yield Finding("advice", "no-content", "The configuration has no section [content].", step)
    else:
        found, moments = trust.look(loaded, loaded.content, now)
        yield from found
        yield from host.addresses(loaded.content.listen)
    if loaded.data_dir.is_dir():
        yield from _data(loaded, moments, now, deep=deep, progress=progress)
    yield judge_clock(moments, now)


def _data(
    loaded: Config, moments: list[tuple[str, datetime]], now: datetime, *, deep: bool, progress: Progress
) -> Iterator[Finding]:
    """What lies in the data folder; adds to `moments`."""
    data = loaded.data_dir
    yield from host.disk(data)
    yield from store.look(data / FILE_NAME, deep=deep)
    found, published = offer.look(data / "catalogue", LocalBlobs(data), now, deep=deep, progress=progress)
    yield from found
    yield from host.leftovers(data)
    moments += (*published, *host.written(data / name for name in _DATED))
