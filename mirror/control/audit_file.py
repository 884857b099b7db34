"""audit.jsonl: a file that only its owner reads, one JSON line a request.

Many lines are one write. A line that a full disk cut short is closed off by the next write, which says it again, whole:
so a reader may meet a torn line, and loses none.
"""

import os
import threading
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

_MODE: Final = 0o600


class AuditFile:
    """The open file. A write that fails is logged, once until one succeeds; its lines are the caller's to keep."""

    def __init__(self, path: Path, log: FilteringBoundLogger) -> None:
        """Open or create the file. Raises OSError."""
        self._path = path
        self._log = log
        self._file = _open(path)
        self._whole = _ends_whole(path)
        self._failing = False
        self._changing = threading.Lock()  # between `sync`, which may take seconds, and those who close the file

    def append(self, lines: list[bytes]) -> int:
        """Write lines, given without their ends; how many of them, counted from the first, are in the file whole."""
        raw = b"\n".join((*lines, b""))
        before = 0 if self._whole else 1
        try:
            written = os.write(self._file, raw if self._whole else b"\n" + raw) - before
        except OSError as error:
            self._complain(error.strerror or "write failed")
            return 0
        if written == len(raw):
            self._whole, self._failing = True, False
            return len(lines)
        self._complain("only a part was written")
        self._whole = written == 0 or (written > 0 and raw[written - 1 : written] == b"\n")
        return raw.count(b"\n", 0, max(written, 0))

    def sync(self) -> None:
        """Have on the disk what was appended before. In a thread of its own: the disk may take its time."""
        with self._changing:
            file = os.dup(self._file)
        try:
            os.fdatasync(file)
        except OSError as error:
            self._complain(error.strerror or "sync failed")
        finally:
            os.close(file)

    def reopen(self) -> None:
        """Go on in a new file of the same name, after the old one was renamed. If there can be none, keep the old."""
        self.sync()
        try:
            fresh = _open(self._path)
        except OSError as error:
            self._complain(error.strerror or "cannot be opened")
            return
        with self._changing:
            os.close(self._file)
            self._file, self._whole = fresh, _ends_whole(self._path)

    def close(self) -> None:
        """Have all on the disk, and let go of the file."""
        self.sync()
        with self._changing:
            os.close(self._file)

    def _complain(self, problem: str) -> None:
        if not self._failing:
            self._log.error("audit lines cannot be written down", file=str(self._path), problem=problem)
        self._failing = True


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
