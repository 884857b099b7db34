"""A connection that believes exactly the pinned certificates of one mirror.

The handshake has them as its only trust anchors (`ca.tls.client_context`); after it the peer's certificate is compared
once more, byte for byte, with the pins of the mirror that was called. Nothing is sent before that. Redirects are not
followed anywhere in SPOT.

How a handshake failed is told apart here, because the next step differs: another server (`wrong-server`, never tried
again), a date (`certificate-expired`, `certificate-not-yet-valid`: the clock, or a lapsed certificate), no route.
"""

import ssl
from collections.abc import Collection
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from ca.errors import TlsError
from ca.tls import check_cipher, check_pinned
from spot_client.errors import NotReachable, NotTrusted, OutOfDate, Refused, SpotError
from spot_client.fetch.pace import BrokenOff, Patience, Slower, TooLate, TooMuch, TooSlow
from spot_client.fetch.paced import PacedConnection

_ABOUT_OURS = ("ALERT_UNKNOWN_CA", "ALERT_CERTIFICATE_REQUIRED", "ALERT_BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN")
"""What a server's TLS says of a client's certificate that it does not accept, as OpenSSL names it."""
_NOT_YET_VALID, _HAS_EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


class PinnedConnection(PacedConnection):
    """A connection which after its handshake compares the peer with the pins."""

    def __init__(self, *args: Any, pins: Collection[bytes], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pins = pins

    def connect(self) -> None:
        """Connect, shake hands, compare. Raises `NotTrusted` on another certificate."""
        super().connect()
        try:
            check_cipher(self.sock.cipher() if isinstance(self.sock, ssl.SSLSocket) else None)
            check_pinned(self._peer(), self._pins)
        except TlsError as error:
            self.close()
            if error.reason == "weak-cipher":
                raise NotTrusted(error.reason, f"{self.host}:{self.port}: {error} Tell your vendor.") from error
            raise NotTrusted(
                "wrong-server",
                f"The server at {self.host}:{self.port} showed another certificate than the ones your vendor pinned.",
            ) from error

    def _peer(self) -> bytes | None:
        return self.sock.getpeercert(binary_form=True) if isinstance(self.sock, ssl.SSLSocket) else None


class PinnedPool(urllib3.HTTPSConnectionPool):
    """Connections to one mirror."""

    ConnectionCls = PinnedConnection


def open_pool(
    host: str,
    port: int,
    *,
    context: ssl.SSLContext,
    pins: Collection[bytes],
    patience: Patience,
    connections: int = 1,
) -> urllib3.HTTPSConnectionPool:
    """Connections to one mirror, opened when first needed.

    Args:
        context: of `ca.tls.client_context`; its sockets become paced ones.
        connections: how many are kept open for the next request. None is waited for: an answer that is not read to its
            end takes its connection with it, so whoever asks from several threads limits their number.
    """
    return PinnedPool(
        host,
        port,
        maxsize=connections,
        retries=False,
        timeout=urllib3.Timeout(connect=patience.gap, read=patience.gap),
        ssl_context=context,
        pins=pins,
        patience=patience,
    )


def explain(error: HTTPError, where: str, *, begun: bool = False) -> SpotError:
    """What a failure of urllib3 means; `where` names the mirror. `begun`: the head of its answer had come."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _explain_certificate(cause, where)
        if isinstance(cause, (TooMuch, BrokenOff, TooSlow, Slower, TooLate)):
            return _explain_pace(cause, where)
        if isinstance(cause, ssl.SSLError) and (cause.reason or "").endswith(_ABOUT_OURS):
            return Refused(
                "certificate-refused",
                f"{where} does not accept this machine's certificate: it is not of its certificate authority. Ask your "
                "vendor for a new bundle.",
            )
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            return NotReachable("tls", f"No secure connection to {where}: {cause.reason or cause}. Trying again later.")
        cause = cause.__cause__ or cause.__context__ or _reason_of(cause)
    if isinstance(error, (urllib3.exceptions.ProtocolError, urllib3.exceptions.SSLError)):
        if begun:
            return NotReachable("broken-off", f"{where} cut its answer short, before its end. Trying again later.")
        return NotReachable(
            "closed",
            f"{where} closed the connection without an answer: it is overloaded, "
            "or this machine's certificate is not of its certificate authority.",
        )
    return NotReachable("no-answer", f"{where} cannot be reached: {_plain(error)}. Check the network, then try again.")


def _explain_pace(cause: TooMuch | BrokenOff | TooSlow | Slower | TooLate, where: str) -> NotReachable:
    if isinstance(cause, TooMuch):
        return NotReachable("too-long", f"{where} sent more headers than an answer may have: {cause}.")
    if isinstance(cause, BrokenOff):
        return NotReachable("broken-off", f"{where} broke off its answer: {cause}. Trying again later.")
    if isinstance(cause, TooSlow):
        return NotReachable(
            "too-slow",
            f"{where} sends too slowly: {cause}. Trying again later; if the line is that thin, lower min_rate in "
            "spot.toml.",
        )
    if isinstance(cause, Slower):
        return NotReachable("slower", f"{where} sends slowly ({cause}), and another mirror is asked to go on.")
    return NotReachable(
        "too-slow",
        "The hours that deadline in spot.toml gives one run are over. What came is kept, and the next run goes on from "
        "there.",
    )


def _explain_certificate(error: ssl.SSLCertVerificationError, where: str) -> SpotError:
    if error.verify_code == _HAS_EXPIRED:
        return OutOfDate(
            "certificate-expired",
            f"The certificate of {where} has expired, or this machine's clock is ahead. Check the clock first.",
        )
    if error.verify_code == _NOT_YET_VALID:
        return OutOfDate(
            "certificate-not-yet-valid",
            f"The certificate of {where} is not valid yet: this machine's clock is behind. Set the clock.",
        )
    return NotTrusted(
        "wrong-server",
        f"The server at {where} is not the one your vendor pinned ({error.verify_message}). Nothing was sent to it.",
    )


def _reason_of(error: BaseException) -> BaseException | None:
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, BaseException) else None


def _plain(error: BaseException) -> str:
    """The innermost system message of a chain of errors."""
    said = type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            said = cause.strerror or str(cause) or said
        cause = cause.__cause__ or cause.__context__ or _reason_of(cause)
    return said
