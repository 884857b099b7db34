"""Calls a mirror's operator listener: outgoing only, over mutual TLS, and to the one server that is pinned.

The pins are the only anchors of the handshake, and the peer is compared with them once more before anything is sent.
Nothing that a mirror answers is believed beyond its form.
"""

import ssl
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import tenacity
import urllib3
from urllib3.exceptions import HTTPError

from ca import calls
from ca.calls import Decision, ListHeld, Lists, Refusal, Requests, WaitingRequest
from ca.errors import OperatorError, TlsError
from ca.files import read_file
from ca.pins import MAX_PINS, check_pinned, read_pins
from ca.tls import check_cipher, client_context

SECONDS: Final = 60.0
"""How long a call may take to connect, and between two pieces of its answer."""
TRIES: Final = 3

_PAUSE: Final = 1.0  # seconds
_NO_ANSWER: Final = "no-answer"


class Operator:
    """One mirror's operator listener; nothing is connected before the first call. Raises (every call): OperatorError,
    reason `no-answer` (after `TRIES`), `wrong-server`, `weak-cipher`, `mirror-refuses` or `bad-document`."""

    def __init__(self, url: str, context: ssl.SSLContext, pins: Collection[bytes]) -> None:
        """`url`: `https://HOST:PORT`; `context`: of `ca.tls.client_context`.

        Raises:
            OperatorError: reason `bad-url`.
        """
        self.url = url
        host, port = _place(url)
        timeout = urllib3.Timeout(connect=SECONDS, read=SECONDS)
        self._pool = _Pool(host, port, retries=False, timeout=timeout, ssl_context=context, pins=pins)

    def lists(self) -> Lists:
        """The revocation lists that it holds to."""
        return calls.decode(self._ask("GET", calls.LISTS), Lists)

    def push(self, crl: bytes) -> ListHeld:
        """Bring it a revocation list; on return it binds there."""
        return calls.decode(self._ask("PUT", calls.LISTS, crl), ListHeld)

    def waiting(self) -> Iterator[WaitingRequest]:
        """All requests for certificates that wait there, in the order of coming."""
        after = 0
        while found := calls.decode(self._ask("GET", f"{calls.REQUESTS}/after/{after}"), Requests).requests:
            yield from found
            if found[-1].number <= after:
                raise OperatorError("bad-document", f"{self.url} tells the same requests again and again.")
            after = found[-1].number

    def decide(self, digest: str, decision: Decision) -> None:
        """Answer a request."""
        self._ask("PUT", f"{calls.REQUESTS}/{digest}", calls.encode(decision))

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: getattr(error, "reason", "") == _NO_ANSWER),
            stop=tenacity.stop_after_attempt(TRIES),
            wait=tenacity.wait_fixed(_PAUSE),
            reraise=True,
        )
        return again(self._try, method, path, body)

    def _try(self, method: str, path: str, body: bytes | None) -> bytes:
        try:
            response = self._pool.request(method, path, body=body, preload_content=False, redirect=False)
            raw = response.read(calls.MAX_ANSWER + 1)
            response.release_conn()
        except (HTTPError, OSError) as error:
            raise _explained(error, self.url) from error
        if len(raw) > calls.MAX_ANSWER:
            raise OperatorError("bad-document", f"{self.url} answers with more than {calls.MAX_ANSWER} bytes.")
        if response.status in (200, 204):
            return raw
        refusal = calls.decode(raw, Refusal)
        raise OperatorError("mirror-refuses", f"{self.url} refuses ({refusal.reason}): {refusal.detail}")


def open_operator(url: str, *, certificate: Path, key: Path, pins: Path) -> Operator:
    """The operator listener at `url`, to be called with our certificate.

    Args:
        certificate, key: PEM, of the role `ca-operator`.
        pins: PEM, the server certificates that it may show.

    Raises:
        TlsError: a file cannot be used. OperatorError: reason `bad-url`.
    """
    ders = read_pins(read_file(pins, max_bytes=MAX_PINS, refusal=TlsError))
    return Operator(url, client_context(certificate=certificate, key=key, pins=ders), ders)


class _Connection(urllib3.connection.HTTPSConnection):
    def __init__(self, *args: Any, pins: Collection[bytes], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pins = pins

    def connect(self) -> None:
        """Connect, and compare the peer with the pins before anything is sent."""
        super().connect()
        tls, url = self.sock if isinstance(self.sock, ssl.SSLSocket) else None, f"https://{self.host}:{self.port}"
        try:
            check_cipher(tls.cipher() if tls is not None else None)
            check_pinned(tls.getpeercert(binary_form=True) if tls is not None else None, self._pins)
        except TlsError as error:
            self.close()
            if error.reason == "weak-cipher":
                raise OperatorError(error.reason, f"{url}: {error}") from error
            raise _wrong_server(url) from error


class _Pool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Connection


def _place(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme != "https" or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise OperatorError("bad-url", f"{url[:200]!r} is no address of a mirror: write it as https://HOST:PORT.")
    return host, port or 443


def _explained(error: HTTPError | OSError, url: str) -> OperatorError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _wrong_server(url)
        reason = getattr(cause, "reason", None)
        cause = cause.__cause__ or cause.__context__ or (reason if isinstance(reason, BaseException) else None)
    hint = "see that it runs, that this host may reach it, and that it knows this CA"
    return OperatorError(_NO_ANSWER, f"{url} does not answer: {hint}.")


def _wrong_server(url: str) -> OperatorError:
    return OperatorError("wrong-server", f"The server at {url} is not one that is pinned: nothing was sent to it.")
