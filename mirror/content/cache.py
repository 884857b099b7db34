"""What is immutable and small, held in memory once it was read and verified: it stays what it was verified to be.

The least recently asked for is forgotten beyond a number of bytes. However many ask for one at once, it is read once.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """Something with bytes that count."""

    @property
    def raw(self) -> bytes:
        """The bytes."""
        ...


T = TypeVar("T", bound=Sized)


class Cache(Generic[T]):
    """Files by name. For one event loop."""

    def __init__(self, max_held: int) -> None:
        self._max_held = max_held
        self._held = 0
        self._files: OrderedDict[str, T] = OrderedDict()
        self._reading: dict[str, asyncio.Task[T]] = {}

    def held(self, name: str) -> T | None:
        """The file, if it is held, at once."""
        found = self._files.get(name)
        if found is not None:
            self._files.move_to_end(name)
        return found

    async def read(self, name: str, load: Callable[[], T]) -> T:
        """The file: held, or from `load`, which runs in a thread and must verify what it gives.

        What `load` raises is raised here, and nothing is remembered of it.
        """
        if (found := self.held(name)) is not None:
            return found
        reading = self._reading.get(name)
        if reading is None:
            reading = self._reading[name] = asyncio.create_task(self._load(name, load))
        return await asyncio.shield(reading)  # one who gives up must not take it from the others

    async def _load(self, name: str, load: Callable[[], T]) -> T:
        try:
            found = await asyncio.to_thread(load)
        finally:
            del self._reading[name]
        self._keep(name, found)
        return found

    def _keep(self, name: str, file: T) -> None:
        self._files[name] = file
        self._held += len(file.raw)
        while self._held > self._max_held:
            _, forgotten = self._files.popitem(last=False)
            self._held -= len(forgotten.raw)
