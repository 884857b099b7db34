"""Several pieces of work at once: begun in order, never too many, and stopped together."""

import threading
import time

import pytest

from spot_client.fetch.several import Gate, do_all

PATIENCE = 5  # seconds until a test that hangs is a test that fails


@pytest.mark.parametrize("at_once", [1, 2, 3, 16])
def test_everything_is_done_once_and_begun_in_order(at_once: int) -> None:
    begun: list[int] = []

    def work(item: int, gate: Gate) -> None:
        with gate.passing():
            begun.append(item)

    do_all(range(50), work, at_once=at_once)
    assert sorted(begun) == list(range(50))
    assert begun == list(range(50)) or at_once > 1
    assert max(abs(place - item) for place, item in enumerate(begun)) <= at_once


def test_nothing_to_do_is_done_at_once() -> None:
    do_all([], lambda _item, _gate: pytest.fail("called"), at_once=4)


@pytest.mark.parametrize(("items", "at_once", "expected"), [(8, 3, 3), (2, 8, 2), (5, 1, 1)])
def test_as_many_at_once_as_allowed_and_never_more_than_there_are(items: int, at_once: int, expected: int) -> None:
    together = threading.Barrier(expected)
    inside: set[int] = set()
    most = 0

    def work(item: int, gate: Gate) -> None:
        nonlocal most
        with gate.passing():
            inside.add(item)
            most = max(most, len(inside))
        if item < expected:
            together.wait(PATIENCE)  # passes only if so many are really inside at the same time
        with gate.passing():
            inside.remove(item)

    do_all(range(items), work, at_once=at_once)
    assert most == expected


def test_one_thing_is_done_without_a_thread() -> None:
    threads: list[threading.Thread] = []
    do_all(["x"], lambda _item, _gate: threads.append(threading.current_thread()), at_once=4)
    assert threads == [threading.current_thread()]


@pytest.mark.parametrize("at_once", [1, 3])
def test_the_first_failure_is_raised_and_nothing_is_begun_after_it(at_once: int) -> None:
    begun = []

    def work(item: int, gate: Gate) -> None:
        begun.append(item)
        if item == 2:
            raise ValueError("the third")
        while item > 2:  # until it is stopped
            with gate.passing():
                time.sleep(0.001)

    with pytest.raises(ValueError, match="the third"):
        do_all(range(1000), work, at_once=at_once)
    assert len(begun) <= 3 + at_once


def test_a_thread_that_waits_for_something_silent_does_not_hold_up_the_failure_and_changes_nothing_later() -> None:
    silent, written = threading.Event(), []
    waiting = threading.Event()

    def work(item: str, gate: Gate) -> None:
        if item == "fails":
            assert waiting.wait(PATIENCE)
            raise ValueError("no")
        waiting.set()
        silent.wait(PATIENCE)
        with gate.passing():
            written.append(item)

    begin = time.monotonic()
    with pytest.raises(ValueError, match="no"):
        do_all(["waits", "fails"], work, at_once=2)
    assert time.monotonic() - begin < PATIENCE - 1
    silent.set()
    for thread in threading.enumerate():
        if thread.name.startswith("spot-download"):
            thread.join(PATIENCE)
    assert written == []
