"""All targets, one after another on each core: who works, who hangs, and what was found."""

import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, TextIO

import msgspec

from fuzz import worker
from fuzz.target import Target

PATIENCE: Final = 30.0
"""Seconds on the clock after which an input hangs; the machine may be busy, so far above `target.SECONDS`."""

_SMALLER: Final = 60.0  # seconds beyond its share that a worker may take to make a finding smaller
_NAP = 0.05  # seconds between two looks at the workers
_CONTEXT = multiprocessing.get_context("fork")  # what a target needs is loaded and made once


class Finding(msgspec.Struct, frozen=True):
    """An input that broke a rule: of which target, the file it lies in, and the last line of what was said."""

    target: str
    file: Path
    said: str


class Outcome(msgspec.Struct, frozen=True):
    """What became of one target: how many inputs had which end, and the finding, if there is one."""

    target: str
    told: dict[str, int]
    finding: Finding | None


class _Worker:
    """A child at work on one target."""

    def __init__(self, target: Target, task: Callable[[worker.Desk], None], seconds: float, log: TextIO) -> None:
        self.target = target
        self._board = worker.Board()
        self._log = log
        self._results, end = _CONTEXT.Pipe(duplex=False)
        self._until = time.monotonic() + seconds + _SMALLER
        self._process: BaseProcess = _CONTEXT.Process(
            target=task, args=(worker.Desk(self._board, log, end),), daemon=True
        )
        self._process.start()
        end.close()

    def is_done(self) -> bool:
        """Whether it has ended; ends one that hangs."""
        if not self._process.is_alive():
            return True
        now, since = time.monotonic(), self._board.since()
        if now > self._until or (since and now - since > PATIENCE):
            self._process.kill()
        return False

    def outcome(self, found: Path) -> Outcome:
        """What became of it; a finding is written below `found`."""
        self._process.join()
        told: Counter[str] = self._results.recv() if self._results.poll() and not self._process.exitcode else Counter()
        self._log.seek(0)
        said = self._log.read()
        if not self._process.exitcode:
            return Outcome(self.target.name, dict(told), None)
        if self._process.exitcode < 0:
            said = f"{said}\nended by signal {-self._process.exitcode}; 9 is ours, after {PATIENCE} s\n"
        return Outcome(self.target.name, {}, _write(found, self.target.name, self._board.culprit(), said))


def fuzz(targets: Sequence[Target], *, seconds: float, seed: int, jobs: int, found: Path) -> Iterator[Outcome]:
    """Spend `seconds` on the clock on all `targets` together, `jobs` at a time; yields each outcome as it comes."""
    share = seconds * min(jobs, len(targets)) / len(targets)
    ahead = list(targets)
    running: list[_Worker] = []
    with ExitStack() as logs:
        while ahead or running:
            while ahead and len(running) < jobs:
                target = ahead.pop(0)
                running.append(_Worker(target, partial(worker.work, target, seed, share), share, _log(logs)))
            time.sleep(_NAP)
            for done in [one for one in running if one.is_done()]:
                running.remove(done)
                yield done.outcome(found)


def reproduce(target: Target, raw: bytes, found: Path) -> Outcome:
    """Read one input again, under the same limits."""
    with ExitStack() as logs:
        again = _Worker(target, partial(worker.once, target, raw), PATIENCE, _log(logs))
        while not again.is_done():
            time.sleep(_NAP)
        return again.outcome(found)


def _log(logs: ExitStack) -> TextIO:
    return logs.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace"))


def _write(found: Path, target: str, raw: bytes, said: str) -> Finding:
    folder = found / target
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / sha256(raw).hexdigest()[:16]
    file.write_bytes(raw)
    file.with_suffix(".txt").write_text(said, encoding="utf-8")
    lines = said.partition("Failing test case")[0].split("\n")  # the rest tells the script, which is in no file
    return Finding(target, file, next((line for line in reversed(lines) if line.strip()), ""))
