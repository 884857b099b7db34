"""One request and its answer, with what the audit says of them."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Final

import msgspec

from mirror.content.answer import Answer
from mirror.content.caller import Caller
from mirror.content.head import Request
from mirror.content.moment import Moment
from spot_client.wire.routes import Route

_NOTHING: Final = Answer(0, {})


class Exchange(msgspec.Struct):
    """`now`: when it began, in UTC; `began`: seconds of a clock that only goes forward. `sent`: bytes of the body.

    request: None if it could not be read. answer: it stands once `work`, if there is any, has ended. closes: the
    connection ends with the answer; lingers: and the caller may not expect that, and still be sending. reason, detail:
    of a refusal. counted: metrics have it.
    """

    request: Request | None
    caller: Caller
    id: str
    moment: Moment
    now: datetime
    began: float
    address: str | None = None
    route: Route | None = None
    installation: str | None = None
    reason: str | None = None
    detail: str | None = None
    answer: Answer = _NOTHING
    work: Coroutine[Any, Any, None] | None = None
    task: asyncio.Task[None] | None = None
    sent: int = 0
    closes: bool = False
    lingers: bool = False
    counted: bool = False

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
