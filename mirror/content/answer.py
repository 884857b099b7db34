"""An answer, and the head that goes before its body (RFC 9112 §4 and §6). Pure."""

from collections.abc import Callable, Mapping

import msgspec

from mirror.content.head import Request
from mirror.content.moment import Moment


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
    lines: bytes = b""

    @property
    def length(self) -> int:
        """Of the body, in bytes; also that which a HEAD does not get."""
        return sum(map(len, self.body))


def prepared(answer: Answer) -> Answer:
    """The same, for one that is given often."""
    return msgspec.structs.replace(answer, lines=_lines(answer))


def head(answer: Answer, request: Request | None, moment: Moment, *, closes: bool) -> tuple[bytes, bytes, bytes]:
    """The status line and the headers, in three parts.

    Args:
        request: what is answered; None if it could not be read.
        moment: when.
    """
    end = b"\r\n"
    if closes:
        end = b"Connection: close\r\n\r\n"
    elif request is not None and request.version == "1.0":
        end = b"Connection: keep-alive\r\n\r\n"
    return moment.opening(answer.status), answer.lines or _lines(answer), end


def _lines(answer: Answer) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in answer.headers.items()])
    if answer.status not in (204, 304):  # RFC 9110 §8.6
        lines = f"{lines}Content-Length: {answer.length}\r\n"
    return lines.encode("latin-1")
