"""Requests to the vendor's mirrors: from the first mirror that gives an answer, which is then asked first.

Several threads may ask at the same time.

What can be asked again is: `NotReachable` waits and tries the same mirror, then the next. `NotTrusted` goes straight
to the next mirror and is raised if none is better. A refusal is an answer: it is raised as it is, never retried here
(`spot_client.fetch.failover` asks the others). A mirror that asks to be left alone for a while is; the others are asked
meanwhile (`spot_client.fetch.rest`).

Every answer has a largest size, asked of the caller, and a slowest pace (`spot_client.fetch.pace`). It comes in one
piece, never in chunks, and is never decoded (`Accept-Encoding: identity`).
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from random import SystemRandom
from typing import TypeVar

import tenacity
import urllib3
from urllib3.exceptions import HTTPError

from spot_client import __version__
from spot_client.errors import NotReachable, NotTrusted, SpotError
from spot_client.fetch import rest
from spot_client.fetch.answer import Answer
from spot_client.fetch.pinned import explain
from spot_client.fetch.refusal import raise_refusal

CHUNK = 2**16
_MAX_ATTEMPTS = 100  # of a download, those included that brought some bytes

T = TypeVar("T")

Stop = Callable[[tenacity.RetryCallState], bool]

_spread = SystemRandom().random
_log = logging.getLogger(__name__)


class Mirror:
    """One mirror: its URL for messages, and its connections.

    `rests`: what it said when it asked to be left alone, and until when, in seconds of the transport's clock.
    """

    def __init__(self, url: str, pool: urllib3.HTTPSConnectionPool, headers: Mapping[str, str]) -> None:
        self.url = url
        self.rests: tuple[float, NotReachable] | None = None
        self._pool = pool
        common = {"User-Agent": f"spot/{__version__}", "Accept-Encoding": "identity", "Accept": "*/*"}
        self._headers = {**common, **headers}

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        max_bytes: int,
        may_wait: bool = False,
    ) -> Answer:
        """One request, read whole. Raises `SpotError` for everything that is not a 2xx or 304 within `max_bytes`.

        `may_wait`: a 202 is an answer, too.
        """
        with self._send(method, path, headers, body) as response:
            self._check(response, path, may_wait=may_wait)
            if response.status == 304 and "If-None-Match" not in headers:
                raise NotReachable("bad-answer", f"{self.url} answered {path} as if it had been asked what is new.")
            raw = self._read(response, max_bytes)
            _log.debug("%s %s%s: %d, %d bytes", method, self.url, path, response.status, len(raw))
            return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, raw)

    def stream(self, path: str, *, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` to before `stop` of a resource, as they come; never more than asked for."""
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        with self._send("GET", path, headers, None) as response:
            self._check(response, path)
            wanted = f"bytes {start}-{stop - 1}/"
            if response.status != 206 or not response.headers.get("Content-Range", "").startswith(wanted):
                raise NotReachable("bad-answer", f"{self.url} did not answer the range that was asked of {path}.")
            _log.debug("GET %s%s: bytes %d to %d", self.url, path, start, stop - 1)
            left = stop - start
            try:
                while left:
                    chunk = response.read1(min(CHUNK, left))  # what is there: it is not lost if no more comes
                    if not chunk:
                        raise NotReachable("broken-off", f"{self.url} broke off {left} bytes before the end.")
                    left -= len(chunk)
                    yield chunk
            except HTTPError as error:
                raise explain(error, self.url, begun=True) from error

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.urlopen(
                method,
                path,
                body=body,
                headers={**self._headers, **headers},
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
        except HTTPError as error:
            raise explain(error, self.url) from error

    def _check(self, response: urllib3.BaseHTTPResponse, path: str, *, may_wait: bool = False) -> None:
        if "Transfer-Encoding" in response.headers:  # between its pieces could stand any number of other bytes
            raise NotReachable("bad-answer", f"{self.url} did not answer {path} in one piece.")
        if not (may_wait and response.status == 202):
            raise_refusal(response, self.url)

    def _read(self, response: urllib3.BaseHTTPResponse, max_bytes: int) -> bytes:
        raw = b""
        try:
            # urllib3 notices that a body broke off only at the read after its last byte.
            while len(raw) <= max_bytes and (piece := response.read(max_bytes + 1 - len(raw))):
                raw += piece
        except HTTPError as error:
            raise explain(error, self.url, begun=True) from error
        if len(raw) > max_bytes:
            raise NotReachable("too-long", f"{self.url} sent more than the {max_bytes} bytes that the answer may have.")
        return raw


class Transport:
    """All mirrors of the vendor.

    Args:
        sleep: waits between attempts.
        left: seconds that are left for the whole run.
        clock: seconds, from any beginning.
    """

    def __init__(
        self,
        mirrors: Sequence[Mirror],
        *,
        sleep: Callable[[float], None],
        left: Callable[[], float] = lambda: math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mirrors = mirrors
        self._sleep = sleep
        self._left = left
        self._clock = clock
        self._answered = 0  # place of the mirror that answered last
        self.mirror_time: datetime | None = None
        """The clock of the mirror that answered last, in UTC."""

    def get(self, path: str, *, max_bytes: int, unless: str | None = None) -> Answer:
        """GET `path`, tried again while no mirror answers.

        `unless`: an ETag; of a file that still has it, the answer is the status 304 without a body. Raises `SpotError`.
        """
        headers = {} if unless is None else {"If-None-Match": unless}
        answer = self._persist(
            lambda mirror: mirror.request("GET", path, headers=headers, body=None, max_bytes=max_bytes),
        )
        self.mirror_time = answer.date
        return answer

    def post(self, path: str, *, headers: Mapping[str, str], max_bytes: int) -> Answer:
        """POST without a body, tried again like GET: `headers` make a repeated request the same one."""
        return self._persist(
            lambda mirror: mirror.request("POST", path, headers=headers, body=b"", max_bytes=max_bytes),
        )

    def put(self, path: str, body: bytes) -> None:
        """PUT `body` once. Raises `SpotError`.

        What a mirror takes too many of is the bodies: that it asks not to be sent another holds nothing else up.
        """
        headers = {"Content-Type": "application/json"}
        self._first(
            lambda mirror: mirror.request("PUT", path, headers=headers, body=body, max_bytes=CHUNK), is_of_all=False
        )

    def submit(self, path: str, body: bytes, *, content_type: str, max_bytes: int) -> Answer:
        """POST `body` once, as `put`; the answer may be a 202: not yet. Raises `SpotError`."""
        headers = {"Content-Type": content_type}
        return self._first(
            lambda mirror: mirror.request("POST", path, headers=headers, body=body, max_bytes=max_bytes, may_wait=True),
            is_of_all=False,
        )

    def download(self, path: str, *, start: int, stop: int, sink: Callable[[bytes], None]) -> None:
        """Hand the bytes from `start` to before `stop` to `sink`; after a break goes on where it stopped.

        Given up after as many attempts in a row without a byte, or too slow, as `get` makes: a network that often
        breaks off is slow, and not out of reach.
        """
        position = reached = start
        futile = 0

        def go_on(mirror: Mirror) -> None:
            nonlocal position
            for chunk in mirror.stream(path, start=position, stop=stop) if position < stop else ():
                sink(chunk)
                position += len(chunk)

        def is_enough(state: tenacity.RetryCallState) -> bool:
            nonlocal reached, futile
            futile = 0 if position > reached and not _was_slow(state) else futile + 1
            reached = position
            return futile >= _attempts(state) or state.attempt_number >= _MAX_ATTEMPTS

        self._persist(go_on, is_enough)

    def alone(self) -> tuple[tuple[str, "Transport"], ...]:
        """Each mirror by its URL, as a transport of its own over the same connections."""
        return tuple(
            (mirror.url, Transport([mirror], sleep=self._sleep, left=self._left, clock=self._clock))
            for mirror in self._mirrors
        )

    def close(self) -> None:
        """Close all connections."""
        for mirror in self._mirrors:
            mirror.close()

    def _persist(self, ask: Callable[[Mirror], T], is_enough: Stop | None = None) -> T:
        enough = is_enough or (lambda state: state.attempt_number >= _attempts(state))
        retrying: Callable[..., T] = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(NotReachable),
            stop=lambda state: enough(state) or self._is_too_long(state),
            wait=lambda state: self._rest() or rest.pause(state.attempt_number, _spread()),
            before_sleep=lambda state: _log.debug("asking again in %.1f seconds", state.upcoming_sleep),
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(self._first, ask)

    def _rest(self) -> float:
        """Seconds until there is a mirror again that did not ask to be left alone; 0 if there is one."""
        now = self._clock()
        return max(0.0, min(mirror.rests[0] - now if mirror.rests else 0.0 for mirror in self._mirrors))

    def _is_too_long(self, state: tenacity.RetryCallState) -> bool:
        waited = state.idle_for + state.upcoming_sleep
        return state.upcoming_sleep >= self._left() or (self._rest() > 0 and waited > rest.MAX_WAIT)

    def _first(self, ask: Callable[[Mirror], T], *, is_of_all: bool = True) -> T:
        """Ask mirror after mirror. If none answers: what cannot be trusted weighs more than what cannot be reached.

        `is_of_all`: whether one that asks to be left alone is, whatever is asked next.
        """
        failures: list[SpotError] = []
        answered = self._answered
        for mirror in (*self._mirrors[answered:], *self._mirrors[:answered]):
            try:
                self._let_rest(mirror)
                answer = ask(mirror)
            except (NotReachable, NotTrusted) as error:
                _log.debug("%s: %s", mirror.url, error)
                failures.append(error)
                if is_of_all and not mirror.rests and isinstance(error, NotReachable) and error.wait is not None:
                    mirror.rests = self._clock() + rest.obeyed(error.wait, _spread()), error
            else:
                self._answered = self._mirrors.index(mirror)
                return answer
        raise min(failures, key=lambda error: isinstance(error, NotReachable))

    def _let_rest(self, mirror: Mirror) -> None:
        """Raises what a mirror said that asked to be left alone, as long as it is to be."""
        if mirror.rests and self._clock() < mirror.rests[0]:
            raise mirror.rests[1]
        mirror.rests = None


def _attempts(state: tenacity.RetryCallState) -> int:
    """How many there are for what the last one ran into: more where it seems to be a crowd."""
    error = state.outcome.exception() if state.outcome else None
    is_busy = isinstance(error, NotReachable) and (error.wait is not None or error.reason == "closed")
    return rest.ATTEMPTS_BUSY if is_busy else rest.ATTEMPTS


def _was_slow(state: tenacity.RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    return isinstance(error, NotReachable) and error.reason == "too-slow"
