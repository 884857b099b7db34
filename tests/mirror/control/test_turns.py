"""mirror.control.turns: what is done again and again goes on, whatever fails."""

import asyncio
import threading
import time
from collections.abc import Callable
from io import StringIO

import pytest

from mirror.control.turns import Repeated, every
from mirror.errors import StoreFault
from mirror.log import program_log


class Failing:
    """Fails as it is told, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = [*errors]
        self.calls = 0
        self.threads: set[str] = set()
        self.done = threading.Event()

    def __call__(self) -> None:
        self.calls += 1
        self.threads.add(threading.current_thread().name)
        if self._errors:
            raise self._errors.pop(0)
        self.done.set()


def in_a_thread(call: Failing, said: StringIO) -> None:
    repeated = Repeated("again", 0.001, call, program_log(said))
    assert call.done.wait(5)
    repeated.end()
    assert call.threads == {"again"}


def in_a_loop(call: Failing, said: StringIO) -> None:
    async def turn() -> None:
        call()

    async def main() -> None:
        task = asyncio.create_task(every(0.001, turn, program_log(said)))
        while not call.done.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(main())


WAYS = pytest.mark.parametrize("way", [in_a_thread, in_a_loop])
Way = Callable[[Failing, StringIO], None]


@WAYS
def test_a_failure_is_logged_and_does_not_end_it(way: Way) -> None:
    call, said = Failing(ValueError("odd"), KeyError("x")), StringIO()
    way(call, said)
    assert call.calls >= 3
    assert said.getvalue().count("a turn failed") == 2
    assert "odd" in said.getvalue()


@WAYS
def test_a_store_that_does_not_answer_is_told_of_once_while_it_lasts(way: Way) -> None:
    locked, full = StoreFault("locked", "is locked"), StoreFault("full", "is full")
    call, said = Failing(locked, locked, locked, full), StringIO()
    way(call, said)
    assert said.getvalue().count("is locked") == 1
    assert said.getvalue().count("is full") == 1


def test_once_it_is_told_to_end_no_call_is_made_any_more() -> None:
    begun, go_on, calls = threading.Event(), threading.Event(), list[float]()

    def call() -> None:
        begun.set()
        go_on.wait(5)
        calls.append(time.monotonic())

    repeated = Repeated("again", 0.001, call, program_log(StringIO()))
    assert begun.wait(5)
    ending = threading.Thread(target=repeated.end)
    ending.start()
    go_on.set()
    ending.join(5)
    assert not ending.is_alive()
    assert len(calls) == 1
    time.sleep(0.02)
    assert len(calls) == 1
