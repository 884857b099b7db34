"""An offline set: a folder that is laid out as a mirror's paths are, read as a mirror would be asked.

A stick is no more to be believed than a mirror: only paths that a mirror answers are opened, nothing but ordinary files
is read, and no more of each than was asked for. Everything is verified by whoever reads it.
"""

import os
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from spot_client.errors import NotLicensed, NotReachable, Refused, RefusedLocally
from spot_client.fetch.answer import Answer
from spot_client.fetch.transport import CHUNK
from spot_client.wire import routes
from spot_client.wire.problem import Reason
from spot_client.wire.routes import Kind


class Folder:
    """The files below a folder, by the paths of a mirror."""

    def __init__(self, folder: Path) -> None:
        """Raises RefusedLocally: reason `no-offline-set`: there is no set in that folder."""
        if not (folder / "catalogue" / "timestamp.json").is_file():
            raise RefusedLocally(
                "no-offline-set", f"There is no offline set in {folder}: name the folder that your vendor made."
            )
        self._folder = folder
        self.mirror_time: datetime | None = None
        """Always None: a folder does not say what time it is."""

    def get(self, path: str, *, max_bytes: int, unless: str | None = None) -> Answer:
        """The whole file; `unless` is not looked at, since reading costs no network.

        Raises:
            Refused: reason `not-found`; NotLicensed: it has nothing of that product.
            NotReachable: reason `too-long` or `bad-answer` (no ordinary file, or one that cannot be read).
        """
        _ = unless
        with self._open(path) as file:
            raw = file.read(max_bytes + 1)
        if len(raw) > max_bytes:
            raise NotReachable("too-long", f"{self._folder}{path} has more than the {max_bytes} bytes allowed.")
        return Answer(200, {}, raw)

    def download(self, path: str, *, start: int, stop: int, sink: Callable[[bytes], None]) -> None:
        """Hand the bytes from `start` to before `stop` to `sink`.

        Raises:
            Refused: reason `not-found`.
            NotReachable: reason `broken-off` (the file is shorter) or `bad-answer`.
        """
        with self._open(path) as file:
            file.seek(start)
            left = stop - start
            while left:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise NotReachable("broken-off", f"{self._folder}{path} ends {left} bytes early: copy it again.")
                left -= len(chunk)
                sink(chunk)

    def put(self, path: str, body: bytes) -> None:
        """Raises NotReachable: reason `offline`: a folder takes nothing."""
        _ = path, body
        raise NotReachable("offline", "this is an offline set. The mirror gets it when it is asked again.")

    def close(self) -> None:
        """There is nothing to close."""

    def _open(self, path: str) -> BinaryIO:
        route = routes.parse(path)
        if route is None:
            raise Refused(Reason.NOT_FOUND.value, f"An offline set has no {path[:200]}.")
        place = self._folder / path.removeprefix("/")
        try:
            handle = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError as error:
            if route.kind is Kind.METADATA and route.product is not None:
                raise NotLicensed(
                    Reason.NOT_LICENSED.value,
                    f"The offline set has nothing of {route.product}: ask your vendor for one that has.",
                ) from error
            raise Refused(Reason.NOT_FOUND.value, f"The offline set has no {place}.") from error
        except OSError as error:
            raise NotReachable("bad-answer", f"{place} cannot be read: {error.strerror}.") from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise NotReachable("bad-answer", f"{place} is not an ordinary file: the set is damaged.")
        return os.fdopen(handle, "rb")
