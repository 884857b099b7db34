"""An answer, and the head that goes before its body (RFC 9112 §4 and §6). Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from http import HTTPStatus

import msgspec

from mirror.content.head import Request


def _nothing() -> None:
    """There is nothing to let go of."""


class Answer(msgspec.Struct, frozen=True):
    """What to answer. `body`: pieces, sent one after the other; `closes` ends the connection.

    `let_go` is called when the body is not needed any more. `lines`: the headers as they are sent, with the body's
    length, where they have been `prepared`.
    """

    status: int
    headers: Mapping[str, str]
    body: tuple[bytes | memoryview, ...] = ()
    closes: bool = False
    let_go: Callable[[], None] = _nothing
    lines: str = ""

    @property
    def length(self) -> int:
        """Of the body, in bytes; also that which a HEAD does not get."""
        return sum(map(len, self.body))


def prepared(answer: Answer) -> Answer:
    """The same, for one that is given often."""
    return msgspec.structs.replace(answer, lines=_lines(answer))


def head(answer: Answer, request: Request | None, now: datetime, *, closes: bool) -> bytes:
    """The status line and the headers.

    Args:
        request: what is answered; None if it could not be read.
        now: UTC.
    """
    lines = answer.lines or _lines(answer)
    if closes:
        lines = f"{lines}Connection: close\r\n"
    elif request is not None and request.version == "1.0":
        lines = f"{lines}Connection: keep-alive\r\n"
    return f"{_begin(answer.status, now.replace(microsecond=0))}{lines}\r\n".encode("latin-1")


def _lines(answer: Answer) -> str:
    lines = "".join([f"{name}: {value}\r\n" for name, value in answer.headers.items()])
    if answer.status in (204, 304):  # RFC 9110 §8.6
        return lines
    return f"{lines}Content-Length: {answer.length}\r\n"


@lru_cache(maxsize=64)
def _begin(status: int, now: datetime) -> str:
    phrase = HTTPStatus(status).phrase
    return f"HTTP/1.1 {status} {phrase}\r\nServer: spot-mirror\r\nDate: {format_datetime(now, usegmt=True)}\r\n"
