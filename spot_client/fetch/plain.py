"""A way to fetch for a catalogue that is used alone: a base URL and an SSLContext, and nothing else.

Whom to trust in the handshake, and as whom, is the context's business; SPOT itself uses pinned connections to several
mirrors (`spot_client.fetch.transport`). Everything else is the same: no redirects, every answer with a largest size and
a slowest pace, one try.

    getter = Plain("https://mirror.example.com/repository/", context)
    catalogue = Catalogue(folder, getter, root=root, metadata_base="metadata/", target_base="targets/")
    catalogue.refresh()
    raw = catalogue.target("some/path", max_bytes=2**20)
"""

import ssl
from datetime import datetime
from urllib.parse import urlsplit

import urllib3

from spot_client.errors import NotReachable, Refused
from spot_client.fetch.answer import Answer
from spot_client.fetch.pace import Patience
from spot_client.fetch.paced import PacedConnection
from spot_client.fetch.transport import Mirror
from spot_client.wire.problem import Reason


class _Pool(urllib3.HTTPSConnectionPool):
    ConnectionCls = PacedConnection


class Plain:
    """GET of what lies below a base URL.

    Args:
        base: an https URL with a slash at its end.
        context: a client's; its sockets become paced ones.
    """

    def __init__(self, base: str, context: ssl.SSLContext, *, patience: Patience | None = None) -> None:
        url, patience = urlsplit(base), patience or Patience()
        if url.scheme != "https" or not url.path.endswith("/"):
            raise ValueError(f"{base!r} is no https URL with a slash at its end")
        pool = _Pool(
            url.hostname or "",
            url.port or 443,
            retries=False,
            timeout=urllib3.Timeout(connect=patience.gap, read=patience.gap),
            ssl_context=context,
            patience=patience,
        )
        self._mirror = Mirror(f"https://{url.netloc}", pool, {})
        self._folder = url.path
        self.mirror_time: datetime | None = None
        """The server's clock when it answered last, in UTC, if it said."""

    def get(self, path: str, *, max_bytes: int, unless: str | None = None) -> Answer:
        """The whole answer to a GET of the base and `path`; 304 if what lies there has the ETag `unless`.

        Raises:
            Refused: reason `not-found`: the status was 404.
            SpotError: no answer, another status, more than `max_bytes`, or too slow.
        """
        headers = {} if unless is None else {"If-None-Match": unless}
        try:
            answer = self._mirror.request(
                "GET", f"{self._folder}{path}", headers=headers, body=None, max_bytes=max_bytes
            )
        except NotReachable as error:
            if error.reason == "http-404":
                raise Refused(Reason.NOT_FOUND.value, str(error)) from error
            raise
        self.mirror_time = answer.date
        return answer

    def close(self) -> None:
        """Close all connections."""
        self._mirror.close()
