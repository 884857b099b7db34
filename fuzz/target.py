"""What a target is, and what must hold of it for one input."""

import re
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from ca.errors import CaError
from fuzz.script import Script
from spot_client.wire.errors import WireError

SECONDS: Final = 5.0
"""Processor time that one input may take."""

MEMORY: Final = 256 * 2**20
"""How much more memory one input may make the process take, in bytes."""

MAX_SENTENCE: Final = 1000
"""Longest sentence of an error, in characters: it may quote whoever wrote the input."""

_REASON = re.compile(r"[a-z]+(-[a-z]+)*")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RSS_UNIT = 1 if sys.platform == "darwin" else 2**10  # getrusage(2): bytes there, KiB elsewhere


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One parser.

    seeds: documents to begin from; at least one is accepted.
    read: gives one input to the parser, holds what it accepted to the rules (`same`), and says whether it did.
    refusals: the errors that the parser documents.
    change: makes an input out of a seed.
    """

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[bytes], bool]
    refusals: tuple[type[WireError | CaError], ...]
    change: Callable[[bytes, Script], bytes]


class Broken(AssertionError):
    """A rule of the package's docstring does not hold."""


class Costly(Exception):
    """An input took too much."""


def same(what: str, found: object, wanted: object) -> bool:
    """True; the last line of a `read`.

    Raises:
        Broken: the two differ.
    """
    if found != wanted:
        raise Broken(f"{what}: {found!r:.2000} is not {wanted!r:.2000}")
    return True


def judge(target: Target, raw: bytes) -> str:
    """Give `raw` to the target; returns `read`, `no` (refused without a reason) or the reason of the refusal.

    Raises:
        Broken: a rule does not hold; and whatever the parser raises that it does not document.
        Costly: it took more than `SECONDS` or `MEMORY`.
    """
    _forget_peak()
    memory, seconds = _peak(), time.process_time()
    try:
        told = "read" if target.read(raw) else "no"
    except target.refusals as error:
        told = error.reason
        _check_words(error)
    taken, grown = time.process_time() - seconds, _peak() - memory
    if taken > SECONDS:
        raise Costly(f"{taken:.1f} s of processor time for {len(raw)} bytes")
    if grown > MEMORY:
        raise Costly(f"{grown // 2**20} MiB of memory for {len(raw)} bytes")
    return told


def _check_words(error: WireError | CaError) -> None:
    sentence = str(error)
    if not _REASON.fullmatch(error.reason):
        raise Broken(f"the reason {error.reason!r}")
    if not sentence.isprintable() or len(sentence) > MAX_SENTENCE:
        raise Broken(f"a sentence that cannot be shown as it is: {sentence!r:.200} ({len(sentence)} characters)")


def _forget_peak() -> None:
    """Linux (proc(5), clear_refs): else what one input took could be taken again by all that come after it, unseen."""
    with suppress(OSError):
        _CLEAR_REFS.write_bytes(b"5")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
