"""The audit: one JSON line a request in a file that only its owner reads, in the order in which requests ended.

A line tells who asked for what, and what came of it; a denial's private detail stands here and nowhere else. No
address, unless the configuration says so. A line is one write; one that a full disk cut short is closed off by the
next, so a reader loses that line and no other.
"""

import os
from pathlib import Path
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

_MODE: Final = 0o600


class Line(msgspec.Struct, omit_defaults=True):
    """One request; what is not known is left out, but never `bytes` and `ms`: their defaults are none that occur.

    `time`: UTC, when it came; `bytes`: of the body really written; `ms`: until its last byte; `name`: who it is, if
    not a customer.
    """

    time: str
    request: str
    method: str
    address: str | None = None
    customer: str | None = None
    installation: str | None = None
    name: str | None = None
    role: str | None = None
    serial: str | None = None
    route: str | None = None
    product: str | None = None
    component: str | None = None
    version: str | None = None
    platform: str | None = None
    file: str | None = None
    status: int = 0
    reason: str | None = None
    detail: str | None = None
    bytes: int = -1
    ms: float = -1.0


class Audit:
    """The open file. A write that fails is logged, once until one succeeds; requests go on."""

    def __init__(self, path: Path, log: FilteringBoundLogger) -> None:
        """Open or create the file. Raises OSError."""
        self._path = path
        self._log = log
        self._encoder = msgspec.json.Encoder()
        self._file = _open(path)
        self._whole = _ends_whole(path)
        self._failing = False

    def write(self, line: Line) -> None:
        """Append a line."""
        raw = self._encoder.encode(line) + b"\n"
        if not self._whole:
            raw = b"\n" + raw
        try:
            written = os.write(self._file, raw)
        except OSError as error:
            self._complain(error.strerror or "write failed")
            return
        self._whole = written == len(raw)
        if self._whole:
            self._failing = False
        else:
            self._complain("only a part of a line was written")

    def reopen(self) -> None:
        """Go on in a new file of the same name, after the old one was renamed. If there can be none, keep the old."""
        try:
            fresh = _open(self._path)
        except OSError as error:
            self._complain(error.strerror or "cannot be opened")
            return
        os.close(self._file)
        self._file, self._whole = fresh, _ends_whole(self._path)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _complain(self, problem: str) -> None:
        if not self._failing:
            self._log.error("audit lines are being lost", file=str(self._path), problem=problem)
        self._failing = True


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
