"""Who signs, as far as this host tells: where keys lie, what waits for signatures. No key is opened."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from ca.finding import Finding, good
from mirror import catalogue
from mirror.blobs import LocalBlobs
from mirror.checking.findings import judge_waits
from mirror.config import Config
from mirror.errors import MirrorError
from mirror.place import Place
from mirror.signing import candidate, proposal, recovery

_NO_MARK: Final = (
    "Set publishing.high_water to a file on another disk: after a restore, clients would refuse a catalogue that is "
    "older than what they saw."
)


def keys(config: Config) -> Iterator[Finding]:
    """Whether people's keys and the timer's lie apart, and whether it is written down how far the catalogue has gone.

    Only where signing keys are known at all: a host that only serves needs neither.
    """
    publishing = config.publishing
    folder, online = Path(publishing.keys), publishing.online_keys
    if not folder.is_dir():
        return
    if online is None or Path(online).resolve() == folder.resolve():
        what = f"The keys of snapshot and timestamp lie in {folder}, among those of people."
        step = "Before you ship, name a folder of their own by publishing.online_keys, which the timer alone uses."
        yield Finding("advice", "keys-together", what, step)
    else:
        yield good(f"The keys of snapshot and timestamp have a folder of their own, {online}.")
    if publishing.high_water is None:
        yield Finding("advice", "no-high-water", "It is not written down how far the catalogue has gone.", _NO_MARK)
    else:
        yield good(f"How far the catalogue has gone is written down in {publishing.high_water}.")


def waiting(data: Path, now: datetime) -> Iterator[Finding]:
    """What waits for signatures for long, and whether all of the catalogue does."""
    place = Place(data, LocalBlobs(data))
    try:
        staged = proposal.read_staged(place)
        lines = candidate.waits(proposal.chain(place), staged)
    except MirrorError as error:
        # That the catalogue cannot be read is told where it is looked at; of the mark, `above` tells.
        if error.reason == "bad-staged":
            yield Finding("problem", error.reason, str(error))
        return
    moments = {change.role: datetime.fromisoformat(change.at) for change in reversed(staged.changes)}
    yield from judge_waits({one.role: (moments.get(one.role, now), one.missing) for one in lines}, now)
    if catalogue.is_founding(data):
        what = "The first catalogue is not visible yet: there is nothing to serve."
        yield Finding("advice", "not-visible", what, "'spot-mirror staged' says whose signatures it waits for.")


def above(config: Config) -> Iterator[Finding]:
    """Whether the catalogue is behind the high-water mark, and nothing waits that would lift it."""
    path = config.publishing.high_water
    place = Place(config.data_dir, LocalBlobs(config.data_dir))
    try:
        stranded = recovery.stranded(place, Path(path) if path is not None else None)
    except MirrorError as error:
        if error.reason == "bad-mark":
            yield Finding("problem", error.reason, str(error))
        return
    if stranded:
        what = f"{', '.join(stranded)}: older than what clients may have seen, by the high-water mark."
        yield Finding("problem", "behind-mark", what, "Stage what has to be signed: 'spot-mirror restore --above'.")
