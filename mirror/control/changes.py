""" "Something changed", told to every worker, and when all of them have taken it.

Whoever was given an id may ask any worker right after: so a mint is answered only once every worker knows it.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from mirror.control.member import Member
from mirror.control.orders import Changed

PATIENCE: Final = 2.0
"""Seconds for which a worker is waited for that does not take a change; then it is logged, and life goes on."""


class Changes:
    """`members`: the workers there are, at any moment."""

    def __init__(self, members: Callable[[], Iterable[Member]], log: FilteringBoundLogger) -> None:
        self._members, self._log = members, log
        self._turn = 0
        self._waiting: dict[int, _Waiting] = {}
        self._late: set[Member] = set()

    async def tell(self) -> float:
        """Tell all workers; returns when those that serve have taken it, and how many seconds that took."""
        self._turn += 1
        turn, began = self._turn, time.monotonic()
        members = [*self._members()]
        prompt = {member for member in members if member.loaded and member not in self._late}
        waiting = self._waiting[turn] = _Waiting(prompt, asyncio.Event())
        for member in members:  # who is still loading takes it before it serves
            member.tell(Changed(turn))
        try:
            async with asyncio.timeout(PATIENCE):
                while waiting.members:
                    await waiting.fewer.wait()
                    waiting.fewer.clear()
        except TimeoutError:
            late = sorted(member.pid for member in waiting.members)
            self._late |= waiting.members  # until they answer, nobody waits for them again
            self._log.warning("a change was not taken in time", workers=late, seconds=PATIENCE)
        finally:
            del self._waiting[turn]
        return time.monotonic() - began

    def took(self, member: Member, turn: int) -> None:
        """A worker has taken the change of that turn."""
        self._late.discard(member)
        if turn in self._waiting:
            self._waiting[turn].without(member)

    def gone(self, member: Member) -> None:
        """A worker has ended: nobody waits for it."""
        self._late.discard(member)
        for waiting in self._waiting.values():
            waiting.without(member)


class _Waiting(msgspec.Struct):
    """Who has not taken a change yet."""

    members: set[Member]
    fewer: asyncio.Event

    def without(self, member: Member) -> None:
        self.members.discard(member)
        self.fewer.set()
