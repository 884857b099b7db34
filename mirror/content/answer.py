"""An answer, and how its bytes are written: in slices, counted as they leave, with a deadline for a reader that stops.

64 KiB a slice is what was fastest over TLS (DESIGN §7). A body that cannot be written to its end ends the connection,
so that nobody takes a part for the whole.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web

SLICE: Final = 64 * 2**10
STALL_SECONDS: Final = 60
"""How long a caller may take to read a slice before its connection is closed."""


def _nothing() -> None:
    """There is nothing to let go of."""


class Answer(msgspec.Struct, frozen=True):
    """What to answer. `body`: pieces, sent one after the other; `closes` ends the connection.

    `let_go` is called when the body is not needed any more.
    """

    status: int
    headers: dict[str, str]
    body: tuple[bytes | memoryview, ...] = ()
    closes: bool = False
    let_go: Callable[[], None] = _nothing


async def send(request: web.BaseRequest, answer: Answer, wrote: Callable[[int], None]) -> web.StreamResponse:
    """Write an answer; a HEAD gets the length of the body and no body.

    Args:
        wrote: called with the number of bytes of each slice of the body that was handed to the network.

    Raises:
        ConnectionError: the caller is gone, or stopped reading; the connection is closed.
    """
    response = web.StreamResponse(status=answer.status, headers={"Server": "spot-mirror", **answer.headers})
    response.content_length = sum(map(len, answer.body))
    if answer.closes:
        response.force_close()
    try:
        await response.prepare(request)
        if request.method != "HEAD":
            for piece in answer.body:
                await _write(response, piece, wrote)
        await response.write_eof()
    except TimeoutError as error:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionAbortedError("the caller stopped reading") from error
    finally:
        answer.let_go()
    return response


async def _write(response: web.StreamResponse, piece: bytes | memoryview, wrote: Callable[[int], None]) -> None:
    view = memoryview(piece)
    for start in range(0, len(view), SLICE):
        part = view[start : start + SLICE]
        async with asyncio.timeout(STALL_SECONDS):
            await response.write(part)
            # Writing waits only while buffers are full. Without this turn of the loop, a fast reader would starve all
            # others, and a connection that broke would swallow the rest of the body unnoticed.
            await asyncio.sleep(0)
        wrote(len(part))
