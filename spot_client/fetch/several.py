"""Several pieces of work at once, in threads that stop together: at the first failure, or when the caller is stopped.

What a piece of work does to the world (write a chunk, move a bar) it does inside the `Gate`, one thread at a time. Once
the gate is closed nobody passes it any more, so a thread that still waits for a silent mirror changes nothing when it
wakes. The threads are daemons: Ctrl-C does not wait for them.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from types import TracebackType
from typing import TypeVar

_GRACE = 1.0  # seconds in which threads that were told to stop usually have

T = TypeVar("T")


class Closed(Exception):  # a signal inside the threads; nobody outside sees it
    """The gate was closed: leave everything as it is."""


class Gate:
    """What threads pass one at a time, until it is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = True

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Hold the gate. Raises `Closed` once it has been closed."""
        with self._lock:
            if not self._open:
                raise Closed
            yield

    def close(self) -> None:
        """Let nobody through any more; whoever is inside has left on return."""
        with self._lock:
            self._open = False


class _Telling:
    """Around all that a thread does: how it ended goes to `ended`, None if well, and no further."""

    def __init__(self, ended: SimpleQueue[BaseException | None]) -> None:
        self._ended = ended

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._ended.put(error)
        return True


def do_all(items: Sequence[T], work: Callable[[T, Gate], None], *, at_once: int) -> None:
    """Call `work(item, gate)` for each item, begun in order, at most `at_once` at a time.

    Raises:
        Exception: the first that any `work` raised. The others have been stopped at the gate.
    """
    gate, waiting = Gate(), deque(items)

    def go_through() -> None:
        while True:
            with gate.passing():
                if not waiting:
                    return
                item = waiting.popleft()
            work(item, gate)

    number = min(at_once, len(items))
    if number <= 1:
        go_through()
        return
    _in_threads(go_through, number, gate)


def _in_threads(go_through: Callable[[], None], number: int, gate: Gate) -> None:
    ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def run() -> None:
        with _Telling(ended):
            go_through()

    threads = [threading.Thread(target=run, name=f"spot-download-{count}", daemon=True) for count in range(number)]
    for thread in threads:
        thread.start()
    outcomes = (ended.get() for _ in threads)
    try:
        failure = next((outcome for outcome in outcomes if outcome is not None), None)
    finally:
        gate.close()
    if failure is not None:
        for thread in threads:
            thread.join(_GRACE / number)
        raise failure
