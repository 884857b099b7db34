"""The configurations in service: the last one serves, those before it drain."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec

from mirror.control.member import Member
from mirror.control.reports import Report
from mirror.control.sockets import Sockets
from mirror.post import Post
from mirror.serving import utc_now

_LINGERING: Final = 2
"""Former configurations that are kept for as long as running downloads need."""


class Hearing(msgspec.Struct, frozen=True):
    """Who is told of workers: as `Crew` has them. `rings`: the folder of their audit lines."""

    hear: Callable[[Member, Report], None]
    gone: Callable[[Member], None]
    rings: Path


class Posts:
    """`first` is there from the beginning; `close` lets go of whatever is there at the end."""

    def __init__(self, first: Post, sockets: Sockets) -> None:
        self._posts, self._sockets = [first], sockets
        self._leaving: set[asyncio.Task[None]] = set()
        self._looking = Lock()

    @property
    def last(self) -> Post:
        """The one that serves."""
        return self._posts[-1]

    def members(self) -> Iterator[Member]:
        """All workers that run."""
        return (member for post in [*self._posts] for member in post.members)

    async def begin(self, post: Post, hearing: Hearing) -> None:
        """Have a post serve, beside those before it. Raises ServeError: all is as it was."""
        content, before = post.serving.content, (self.last.serving.content.listen, self._sockets.workers)
        self._sockets.listen(content.listen, post.serving.workers)
        try:
            await post.begin(self._sockets, hearing.rings, hearing.hear, hearing.gone)
        except BaseException:
            self._sockets.keep(*before)
            raise
        if post is not self.last:
            self._posts.append(post)
        self._sockets.keep(content.listen)

    def leave(self) -> None:
        """Have all but the last one drain, and let nobody go on there whom the last one would not let in.

        What was begun has long to end, but only some of them are kept so long: each has workers and a memory.
        """
        content, narrow = self.last.serving.content, self.last.serving.narrow
        for before, post in enumerate(reversed(self._posts[:-1])):
            seconds = content.reload_drain_seconds if before < _LINGERING else content.drain_seconds
            if post.crew is not None:
                post.crew.tell(narrow)
            task = asyncio.create_task(self._leave(post, seconds))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    def look(self) -> bool:
        """Take over what changed outside; whether anything did. May be called in a thread."""
        with self._looking:
            return True in [post.filled.refresh(utc_now()) for post in [*self._posts]]

    def minted(self) -> None:
        """Take over an installation that was just minted. May be called in a thread."""
        for post in [*self._posts]:
            post.filled.minted(utc_now())

    async def drain(self, seconds: float) -> None:
        """Have all end, after so many seconds at most. May be cancelled."""
        await asyncio.gather(*(post.crew.drain(seconds) for post in self._posts if post.crew is not None))

    async def kill(self) -> None:
        """End all workers now."""
        await asyncio.gather(*(post.crew.kill() for post in self._posts if post.crew is not None))

    async def ended(self) -> None:
        """Returns when those that left are gone."""
        await asyncio.gather(*self._leaving, return_exceptions=True)

    def close(self) -> None:
        """Let go of all memory."""
        for post in self._posts:
            post.close()

    async def _leave(self, post: Post, seconds: float) -> None:
        if post.crew is not None:
            await post.crew.drain(seconds)
        if post in self._posts:
            self._posts.remove(post)
            await asyncio.to_thread(self._close, post)

    def _close(self, post: Post) -> None:
        with self._looking:
            post.close()
