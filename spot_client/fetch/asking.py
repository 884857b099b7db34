"""How python-tuf's client asks for metadata: through a getter of ours, each file checked before it is read or kept."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol
from urllib.parse import unquote

from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import Root, Timestamp
from tuf.ngclient.fetcher import FetcherInterface

from spot_client.errors import Refused
from spot_client.fetch.answer import Answer
from spot_client.fetch.withheld import handed_out
from spot_client.wire.problem import Reason


class Getter(Protocol):
    """What fetches: `spot_client.fetch.transport.Transport`, or `spot_client.fetch.plain.Plain`."""

    mirror_time: datetime | None
    """The clock of who answered last, in UTC, if it said."""

    def get(self, path: str, *, max_bytes: int, unless: str | None = None) -> Answer:
        """The whole answer to a GET of `path`; 304 if what lies there has the ETag `unless`. Raises `SpotError`."""
        ...


class Asking(FetcherInterface):
    """python-tuf asks by URL; the URL is our path. Errors of ours pass through it untouched.

    `rooted` is called when the newest root has been found, before anything else is read.
    """

    def __init__(
        self, getter: Getter, base: str, check: Callable[[str, bytes], None], rooted: Callable[[], None]
    ) -> None:
        self._getter = getter
        self._base = base
        self._check = check
        self._rooted = rooted
        self.timestamp: bytes | None = None  # was fetched already
        self.with_root = True  # whether to look for a newer one
        self.seen: dict[str, bytes] = {}  # the newest file of each role that came in

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """A metadata file, held to the rules."""
        role = _role(url.removeprefix(self._base))
        if role == Root.type and not self.with_root:
            self._rooted()
            raise DownloadHTTPError("not asked for", 404)
        ready = self.timestamp if role == Timestamp.type else None
        raw = self._get(role, url, max_length) if ready is None else ready
        self._check(role, raw)
        self.seen[role] = raw
        return raw

    def _get(self, role: str, url: str, max_length: int) -> bytes:
        if role != Root.type:
            with handed_out(url):
                return self._getter.get(url, max_bytes=max_length).body
        try:
            return self._getter.get(url, max_bytes=max_length).body
        except Refused as error:
            # python-tuf asks for the next root until it is told that there is none.
            if error.reason == Reason.NOT_FOUND.value:
                self._rooted()
                raise DownloadHTTPError(str(error), 404) from error
            raise

    def _fetch(self, url: str) -> Iterator[bytes]:
        raise NotImplementedError(url)  # targets are fetched by `Catalogue`


def _role(file: str) -> str:
    """Whose file it is: `2.sdk.json`, `timestamp.json`."""
    name = file.removesuffix(".json")
    version, dot, rest = name.partition(".")
    return unquote(rest if dot and version.isdecimal() else name)
