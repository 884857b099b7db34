"""Requests out of bytes (RFC 9112): the parser is llhttp by way of httptools, the limits are here.

A caller may send several requests at once; each becomes a `Request` when its headers are whole, in order. What cannot
be read ends in `fault`, and nothing after it is looked at. Names of headers are lower case here.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import httptools

from mirror.content.problems import Refused
from spot_client.wire.problem import Reason

MAX_TARGET: Final = 4096
"""Longest path on a request line, in bytes."""
MAX_HEADER: Final = 8190
"""Longest value of a header, and longest name of one, in bytes."""
MAX_HEADERS: Final = 64
"""Most headers of a request, trailers included."""
MAX_AHEAD: Final = 32
"""Most requests that are read ahead of the one under way; not many more, in any case."""
MAX_BODY: Final = 64 * 2**10 + 1
"""Most bytes of a body that are kept, whoever waits for them."""
_SLICE: Final = 2**10  # bytes that are read at once where many requests may be in them


class Body:
    """What follows a request's headers. `whole`: it has come to its end. For one reader."""

    __slots__ = ("_ask", "_cut", "_waiter", "data", "received", "whole")

    def __init__(self, ask: Callable[[], None]) -> None:
        """`ask` is called when somebody begins to wait for the body, before it is there."""
        self.data = bytearray()
        self.received = 0
        self.whole = False
        self._ask = ask
        self._cut: Refused | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def read(self, max_bytes: int) -> bytes:
        """All of it; if that is more than `max_bytes`, which are less than `MAX_BODY`, some more than those.

        Raises:
            Refused: as `cut` was told.
        """
        if not self.whole and self._cut is None:
            self._ask()
        while not self.whole and self._cut is None and len(self.data) <= max_bytes:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._cut is not None and len(self.data) <= max_bytes:
            raise self._cut
        return bytes(self.data)

    def feed(self, piece: bytes) -> None:
        """A piece of it came."""
        self.received += len(piece)
        if len(self.data) < MAX_BODY:
            self.data += piece[: MAX_BODY - len(self.data)]
        self._wake()

    def end(self) -> None:
        """All of it came."""
        self.whole = True
        self._wake()

    def cut(self, refused: Refused) -> None:
        """No more of it will come."""
        self._cut = self._cut or refused
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


@lru_cache(maxsize=256)
def _lower(name: bytes) -> str:
    return name.decode("latin-1").lower()


class Request:
    """One request. `headers`: by lower-case name, those of one name joined by commas; `repeated`: names seen twice."""

    __slots__ = ("body", "headers", "keep_alive", "method", "repeated", "target", "version")

    def __init__(self, method: str, target: str, version: str, fields: list[tuple[bytes, bytes]], body: Body) -> None:
        """`fields`: names and values as they came."""
        self.method, self.target, self.version, self.body = method, target, version, body
        self.keep_alive = False
        headers: dict[str, str] = {}
        repeated: set[str] = set()
        for raw, value in fields:
            name, text = _lower(raw), value.decode("latin-1")
            if name in headers:
                repeated.add(name)
                text = f"{headers[name]}, {text}"  # RFC 9110 §5.3
            headers[name] = text
        self.headers, self.repeated = headers, repeated

    def single(self, name: str) -> str | None:
        """The header `name` (lower case), or None.

        Raises:
            Refused: reason `bad-request`, if it is there twice: which one counts would be a guess.
        """
        if name in self.repeated:
            raise Refused(Reason.BAD_REQUEST, f"two headers {name}")
        return self.headers.get(name)

    @property
    def has_body(self) -> bool:
        """Whether the headers say that a body follows, be it empty."""
        return "content-length" in self.headers or "transfer-encoding" in self.headers


class Reader:
    """The requests of one connection. `begun`: bytes of a request have come whose headers are not whole."""

    __slots__ = (
        "_alone",
        "_ask",
        "_before",
        "_behind",
        "_came",
        "_cheap",
        "_fields",
        "_held",
        "_max_bytes",
        "_now",
        "_parser",
        "_seen",
        "_url",
        "begun",
        "fault",
        "requests",
    )

    def __init__(self, max_bytes: int, ask: Callable[[], None]) -> None:
        """`max_bytes`: of a request's headers with its first line; `ask`: as `Body` has it."""
        self._parser = httptools.HttpRequestParser(self)
        self._max_bytes, self._ask = max_bytes, ask
        self._cheap = min(max_bytes, MAX_HEADER)  # where no more bytes came, no limit of theirs can be passed
        self.requests: deque[Request] = deque()
        self.fault: Refused | None = None
        self.begun = False
        self._now: Request | None = None  # whose body is being read
        self._behind = 0  # bytes since the body's last piece
        self._alone = True
        self._url, self._seen, self._came = b"", 0, 0
        self._held = b""
        self._before = 0  # bytes in which it began, behind another one
        self._fields: list[tuple[bytes, bytes]] = []

    def close(self) -> None:
        """Let go of the parser, which holds this one."""
        del self._parser

    def feed(self, data: bytes) -> None:
        """Take what came, at most some 16 KiB; see `requests` and `fault`. What `go_on` has left is taken first."""
        self._held += data
        self.go_on()

    def go_on(self) -> bool:
        """Read on in what `feed` took, so long as few requests wait; whether there was anything to read."""
        if self.fault is not None:  # nothing after it is looked at
            self._held = b""
        if not self._held or len(self.requests) >= MAX_AHEAD:
            return False
        if len(self._held) <= _SLICE:
            data, self._held = self._held, b""
            self._read(data)
            return True
        while self._held and len(self.requests) < MAX_AHEAD and self.fault is None:
            data, self._held = self._held[:_SLICE], self._held[_SLICE:]
            self._read(data)
        return True

    @property
    def waiting(self) -> bool:
        """Whether there is something to answer or to read without anything more coming."""
        return bool(self.requests or self._held) or self.fault is not None

    def _read(self, data: bytes) -> None:
        self._came = len(data)
        self._seen += self._came
        self._behind += self._came
        self._alone = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(Refused(Reason.BAD_REQUEST, "another protocol"))
        except httptools.HttpParserError as error:
            self._refuse(Refused(Reason.BAD_REQUEST, f"not HTTP as we speak it: {ascii(str(error)[:120])[1:-1]}"))
        if (self.begun and self._seen > self._max_bytes) or (self._now is not None and self._behind > self._max_bytes):
            self._too_large()
        elif self._seen and self._now is None and not self.begun and not self.requests and self.fault is None:
            self.begun = True  # bytes that begin no request yet: a deadline holds for them too
        if self.fault is not None and self._now is not None:
            self._now.body.cut(self.fault)

    def on_message_begin(self) -> None:
        """Called by the parser, as all that follow."""
        self.begun = True
        if not self._alone:  # behind another one, in the same bytes
            self._seen, self._before = 0, self._came

    def on_url(self, piece: bytes) -> None:
        """A piece of the target."""
        self._url += piece
        if len(self._url) > MAX_TARGET:
            self._refuse(Refused(Reason.BAD_REQUEST, f"a path over {MAX_TARGET} bytes", status=414))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer behind the body."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """A request stands."""
        self._check()
        self.begun, self._behind = False, 0
        self._now = Request(
            self._parser.get_method().decode("latin-1"),
            self._url.decode("latin-1"),
            self._parser.get_http_version(),
            self._fields,
            Body(self._ask),
        )
        self._now.keep_alive = self._parser.should_keep_alive()
        if self.fault is None:
            self.requests.append(self._now)

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        self._behind = 0
        if self._now is not None:
            self._now.body.feed(piece)

    def on_message_complete(self) -> None:
        """The end of the body."""
        self._check()  # with the trailers
        if self._now is not None and self.fault is None:
            self._now.body.end()
            self._now = None
        self._alone = False
        self._reset()

    def _check(self) -> None:
        fields = self._fields
        if len(fields) > MAX_HEADERS:
            self._refuse(Refused(Reason.BAD_REQUEST, f"more than {MAX_HEADERS} headers", status=431))
        if self._before + self._seen <= self._cheap:
            return
        if max((max(len(name), len(value)) for name, value in fields), default=0) > MAX_HEADER:
            self._refuse(Refused(Reason.BAD_REQUEST, f"a header over {MAX_HEADER} bytes", status=431))
        if sum(len(name) + len(value) + 4 for name, value in fields) > self._max_bytes:
            self._too_large()

    def _too_large(self) -> None:
        self._refuse(Refused(Reason.BAD_REQUEST, f"headers over {self._max_bytes} bytes", status=431))

    def _refuse(self, refused: Refused) -> None:
        self.fault = self.fault or refused

    def _reset(self) -> None:
        self._url, self._seen, self._before = b"", 0, 0
        self._fields = []
