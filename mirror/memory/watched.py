"""A value that lies outside and may change: read anew when its mark does, and kept when it cannot be read.

A bad new version is refused loudly and the last good one stays; it is tried again as soon as it changes, and every
`RETRY` even if it does not (a CRL of a clock ahead of ours becomes valid by waiting). The same complaint is logged
once, not every second.
"""

from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Generic, TypeVar

from structlog.typing import FilteringBoundLogger

from ca.errors import CaError
from mirror.errors import MirrorError
from spot_client.wire.errors import WireError

RETRY: Final = timedelta(seconds=30)

EXPECTED: Final = (CaError, MirrorError, WireError, OSError)
"""What reading may raise: files and stores that are missing, damaged or refused."""

T = TypeVar("T")


def file_mark(path: Path) -> Hashable:
    """What changes when a file is replaced, rewritten or removed. Raises OSError, but not for a missing file."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):  # whoever reads it then says what is wrong
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class Watched(Generic[T]):
    """The last good version of a value; `refresh` may run in a thread, one call at a time."""

    def __init__(
        self,
        what: str,
        mark: Callable[[], Hashable],
        read: Callable[[datetime, T | None], T],
        now: datetime,
        log: FilteringBoundLogger,
    ) -> None:
        """Read it for the first time.

        Args:
            what: names it in logs.
            mark: cheap to ask; differs when the value may.
            read: given the time and the last good value; raises one of `EXPECTED` if there is no good new one.

        Raises:
            any of `EXPECTED`, from `mark` and `read`.
        """
        self.what = what
        self._ask_mark, self._read, self._log = mark, read, log
        self._mark = mark()  # asked before reading: a change in between is then seen at the next turn
        self.value: T = read(now, None)
        self._retry_at: datetime | None = None
        self._complaint = ""

    def refresh(self, now: datetime) -> bool:
        """Read the value anew if it may have changed; whether it was replaced."""
        try:
            mark = self._ask_mark()
            due = self._retry_at is not None and now >= self._retry_at
            if mark == self._mark and not due:
                return False
            self._mark, self._retry_at = mark, now + RETRY
            self.value = self._read(now, self.value)
        except EXPECTED as error:
            self._complain(error)
            return False
        self._retry_at, self._complaint = None, ""
        return True

    def _complain(self, error: Exception) -> None:
        complaint = str(error)
        if complaint != self._complaint:
            reason = getattr(error, "reason", type(error).__name__)
            self._log.error("refused, the last good one stays", what=self.what, reason=reason, problem=complaint)
        self._complaint = complaint
