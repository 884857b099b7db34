"""One target in a process of its own, which may end as it likes: by an error, by a signal, or not at all."""

import faulthandler
import mmap
import os
import resource
import struct
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final, NamedTuple, TextIO

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from fuzz.script import MAX_INPUT, Script
from fuzz.target import Costly, Target, judge

ADDRESS_SPACE: Final = 4 * 2**30
"""What a worker may map, in bytes; beyond it, there is a MemoryError."""

_SCRIPT_BYTES = 48
_BATCH = 100  # inputs between two looks at the clock


class Board:
    """Memory that worker and parent share: the input at work, since when, and the last one that broke a rule."""

    _NOTE = struct.Struct("dI")
    _BROKEN = _NOTE.size + MAX_INPUT

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 2 * self._BROKEN)

    def begin(self, raw: bytes) -> None:
        """Note that `raw` is read from now on."""
        self._put(0, raw, time.monotonic())

    def end(self) -> None:
        """Note that nothing is being read."""
        self._put(0, b"", 0.0)

    def keep(self, raw: bytes) -> None:
        """Note that `raw` broke a rule; hypothesis makes it smaller, so the last one is the smallest."""
        self._put(self._BROKEN, raw, 1.0)

    def since(self) -> float:
        """When the input at work was begun, by the monotonic clock; 0.0 if none is."""
        return float(self._NOTE.unpack_from(self._memory)[0])

    def culprit(self) -> bytes:
        """The last input that broke a rule; if none did, the one at work."""
        at = self._BROKEN if self._NOTE.unpack_from(self._memory, self._BROKEN)[0] else 0
        length = self._NOTE.unpack_from(self._memory, at)[1]
        return self._memory[at + self._NOTE.size : at + self._NOTE.size + length]

    def _put(self, at: int, raw: bytes, when: float) -> None:
        self._memory[at + self._NOTE.size : at + self._NOTE.size + len(raw)] = raw
        self._NOTE.pack_into(self._memory, at, when, len(raw))


class Desk(NamedTuple):
    """What a worker writes to: the board, a file for what it has to say, and at last the counts."""

    board: Board
    log: TextIO
    results: Connection


def work(target: Target, first_seed: int, seconds: float, desk: Desk) -> None:
    """Make inputs for `seconds`, in the child; sends how many had which end. An end by exception is a finding."""
    _settle(desk.log)
    told: Counter[str] = Counter()

    def examine(script: bytes) -> None:
        numbers = Script(script)
        raw = target.change(numbers.one_of(target.seeds), numbers)
        told[_guarded(target, raw[:MAX_INPUT], desk.board)] += 1

    for raw in dict.fromkeys(target.seeds):
        told[_guarded(target, raw, desk.board)] += 1
    end = time.monotonic() + seconds
    batch = first_seed
    while time.monotonic() < end:
        _batch(examine, batch)
        batch += 1
    desk.results.send(told)


def once(target: Target, raw: bytes, desk: Desk) -> None:
    """Read one input again, in the child."""
    _settle(desk.log)
    desk.results.send(Counter([_guarded(target, raw, desk.board)]))


def _settle(log: TextIO) -> None:
    os.dup2(log.fileno(), sys.stderr.fileno())
    faulthandler.enable(log)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")  # the certificate library's, about what it is given to read


def _guarded(target: Target, raw: bytes, board: Board) -> str:
    board.begin(raw)
    try:
        told = judge(target, raw)
    except Costly as cost:
        # What a thing costs differs each time, so hypothesis, which runs a finding again to make it smaller, would
        # only be confused: it hears nothing of it.
        board.keep(raw)
        os.write(sys.stderr.fileno(), f"Costly: {cost}\n".encode())
        os._exit(1)
    except BaseException:
        board.keep(raw)
        raise
    board.end()
    return told


def _batch(examine: Callable[[bytes], None], number: int) -> None:
    run = settings(
        max_examples=_BATCH,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )(given(st.binary(min_size=_SCRIPT_BYTES, max_size=_SCRIPT_BYTES))(examine))
    seed(number)(run)()
