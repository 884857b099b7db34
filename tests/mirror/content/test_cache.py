"""mirror.content.cache: read once, however many ask at once; a failure is nobody's memory."""

import asyncio
import threading

import pytest

from mirror.content.cache import Cache
from mirror.content.shelf import Shelved

FILE = Shelved(b"content", "digest")


class Disk:
    """Counts how often it is read, and takes its time until `go`."""

    def __init__(self, gives: Shelved | Exception) -> None:
        self.gives, self.reads, self.go = gives, 0, threading.Event()

    def __call__(self) -> Shelved:
        self.reads += 1
        assert self.go.wait(10)
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_however_many_ask_at_once_it_is_read_once() -> None:
    cache, disk = Cache[Shelved](100), Disk(FILE)
    asked = [asyncio.create_task(cache.read("a", disk)) for _ in range(100)]
    await settle()
    assert cache.held("a") is None
    disk.go.set()
    assert await asyncio.gather(*asked) == [FILE] * 100
    assert (disk.reads, cache.held("a")) == (1, FILE)


async def test_one_who_gives_up_does_not_take_it_from_the_others() -> None:
    cache, disk = Cache[Shelved](100), Disk(FILE)
    first, second = (asyncio.create_task(cache.read("a", disk)) for _ in range(2))
    await settle()
    first.cancel()
    disk.go.set()
    assert await second == FILE
    assert first.cancelled() or first.cancelling()


async def test_what_could_not_be_read_is_read_again() -> None:
    cache, disk = Cache[Shelved](100), Disk(OSError("unreadable"))
    disk.go.set()
    for _ in range(2):
        with pytest.raises(OSError, match="unreadable"):
            await cache.read("a", disk)
    assert disk.reads == 2
    disk.gives = FILE
    assert await cache.read("a", disk) == FILE


async def test_what_is_larger_than_all_that_may_be_held_is_given_and_not_held() -> None:
    cache, disk = Cache[Shelved](6), Disk(FILE)
    disk.go.set()
    assert await cache.read("a", disk) == FILE
    assert cache.held("a") is None
