"""One request and its answer, with what the audit says of them."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from mirror.content.answer import Answer
from mirror.content.audit import Line
from mirror.content.head import Request


class Exchange:
    """`now`: when it began, in UTC; `began`: the same by a clock that only goes forward. `sent`: bytes of the body.

    request: None if it could not be read. answer: there is one once `work`, if it is not None, has ended.
    """

    __slots__ = ("_answer", "began", "is_over", "line", "now", "request", "sent", "task", "work")

    def __init__(self, request: Request | None, line: Line, now: datetime, began: float) -> None:
        self.request, self.line, self.now, self.began = request, line, now, began
        self.work: Coroutine[Any, Any, None] | None = None
        self.task: asyncio.Task[None] | None = None
        self.sent = 0
        self.is_over = False
        self._answer: Answer | None = None

    @property
    def answer(self) -> Answer:
        """What to answer."""
        return self._answer if self._answer is not None else Answer(0, {})

    @answer.setter
    def answer(self, answer: Answer) -> None:
        self._answer = answer

    @property
    def asked(self) -> Request:
        """The request, of an exchange that has one."""
        if self.request is None:
            raise ValueError("this request could not be read")
        return self.request

    @property
    def sends_body(self) -> bool:
        """Whether the body of the answer is sent: a HEAD gets its length only."""
        return self.request is None or self.request.method != "HEAD"
