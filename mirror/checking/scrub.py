"""`scrub`: every byte that the catalogue offers, read from the disk and held to what was signed for it.

One release after another and one block at a time, so what it takes of memory is bounded; at a pace that leaves the disk
to those who are served. What was withdrawn meanwhile is not missed.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec

from ca import files, strict_json
from ca.errors import JsonError
from ca.finding import Finding
from mirror import catalogue
from mirror.blobs import BlobReader
from mirror.catalogue import Chain
from mirror.checking.releases import Progress, Stored, examine, keys
from mirror.errors import CatalogueFault
from mirror.targets import read_part
from spot_client.wire.digest import Blob
from spot_client.wire.index import Index

FILE_NAME: Final = "scrub.json"
"""The file in the data folder that says what the last scrub came to."""

_MAX_NAMES: Final = 100
_MAX_BYTES: Final = 2**16

Count = Annotated[int, msgspec.Meta(ge=0)]


class Scrubbed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a whole scrub came to. `ended`: UTC, RFC 3339; `size` in bytes; `damaged`: the first hundred, by key."""

    ended: datetime
    releases: Count
    targets: Count
    size: Count
    findings: Count
    damaged: Annotated[tuple[Annotated[str, msgspec.Meta(max_length=512)], ...], msgspec.Meta(max_length=_MAX_NAMES)]


class Paced:
    """Blobs that are read no faster than at a rate, in bytes a second."""

    def __init__(
        self,
        blobs: Stored,
        rate: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._blobs, self._rate, self._clock, self._sleep = blobs, rate, clock, sleep
        self._due = clock()

    def open(self, key: str) -> BlobReader:
        """See `Blobs`."""
        return self._blobs.open(key)

    def pieces(self, key: str, lengths: Sequence[int]) -> Iterator[bytes]:
        """See `Blobs`."""
        for piece in self._blobs.pieces(key, lengths):
            now = self._clock()
            self._due = max(self._due, now) + len(piece) / self._rate  # what a slow disk lost is not made up for
            yield piece
            self._sleep(max(self._due - self._clock(), 0))


def scrub(
    folder: Path, blobs: Stored, clock: Callable[[], datetime], progress: Progress
) -> tuple[Scrubbed, list[Finding]]:
    """Read all that the catalogue in `folder` offers; `clock`: UTC.

    Raises:
        CatalogueFault: what is offered cannot be known.
    """
    chain = catalogue.read_chain(folder)
    indexes, wrong = _targets(folder, chain)
    releases = size = 0
    for one in examine(indexes, blobs, progress):
        releases, size = releases + 1, size + one.length
        if one.finding:
            wrong[one.key] = one.finding
    if wrong:
        wrong = _still_offered(folder, chain, wrong)
    targets = sum(1 for _ in chain.listed)
    done = Scrubbed(clock().replace(microsecond=0), releases, targets, size, len(wrong), tuple(wrong)[:_MAX_NAMES])
    return done, [*wrong.values()]


def write(path: Path, done: Scrubbed) -> None:
    """Write down what a scrub came to. Raises OSError."""
    files.replace(path, strict_json.encode(done), files.PRIVATE)


def last(path: Path) -> Scrubbed | None:
    """What the last scrub came to; None if there was none.

    Raises:
        ValueError: the file is damaged.
        OSError: it cannot be read.
    """
    try:
        with files.open_ordinary(path) as file:
            return strict_json.decode(file.read(_MAX_BYTES + 1), Scrubbed, max_bytes=_MAX_BYTES)
    except FileNotFoundError:
        return None
    except JsonError as error:
        raise ValueError(str(error)) from error


def _targets(folder: Path, chain: Chain) -> tuple[list[Index], dict[str, Finding]]:
    """The indexes that can be read, and what is wrong with the others, by the key of the file."""
    indexes, wrong = [], {}
    for role, path, blob in chain.listed:
        try:
            content = read_part(folder / "targets", role, path, blob).content
        except CatalogueFault as error:
            wrong[_key(path, blob)] = Finding("problem", error.reason, str(error))
        else:
            indexes += [content] if isinstance(content, Index) else []
    return indexes, wrong


def _still_offered(folder: Path, before: Chain, wrong: dict[str, Finding]) -> dict[str, Finding]:
    """Without what was withdrawn or replaced since."""
    chain = catalogue.read_chain(folder)
    if chain.snapshot.version == before.snapshot.version:
        return wrong
    indexes, _ = _targets(folder, chain)
    offered = {_key(path, blob) for _, path, blob in chain.listed} | {key for one in indexes for key in keys(one)}
    return {key: finding for key, finding in wrong.items() if key in offered}


def _key(path: str, blob: Blob) -> str:
    above, _, name = path.rpartition("/")
    return f"catalogue/targets/{above}/{blob.sha256}.{name}"
