"""Where `spot` writes what it does, beside what it prints: a log file that stays small, and --verbose.

A line of the log is a moment in UTC (RFC 3339), the process, a level, and one sentence. The file and its one
predecessor (`NAME.1`) stay below 10 MB together. They are made for their owner only, and hold no secrets: what is
logged is what people see, and which paths were asked of which mirror.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

import click

from spot_client.wording import printable

MAX_BYTES: Final = 4 * 2**20
"""Longest log file, in bytes; a line that would pass it begins the next file."""

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe nobody reads is no log


class LogFile(RotatingFileHandler):
    """The log file. What stands in its way is told once, and then the work goes on without a log.

    Args:
        complain: told the one sentence.
    """

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8", delay=True)
        self._complain = complain
        self._given_up = False
        self.setFormatter(_Line("%(asctime)s %(process)d %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, unless that has failed before."""
        if not self._given_up:
            super().emit(record)

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Complain once."""
        error = sys.exc_info()[1]
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self._given_up = True
        self._complain(f"The log {self.baseFilename} cannot be written ({why}): the work goes on without it.")

    def close(self) -> None:
        """Let go of the file. A line that a full disk would not take was complained of when it was written."""
        with suppress(OSError):
            super().close()

    def _open(self) -> TextIOWrapper:
        handle = os.open(self.baseFilename, _FLAGS, 0o600)
        return os.fdopen(handle, "a", encoding=self.encoding, errors="backslashreplace")


class Verbose(logging.Handler):
    """What only a closer look wants, on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line, unless people have seen it anyway."""
        if record.levelno == logging.DEBUG:
            click.echo(f"  {printable(record.getMessage())}", err=True)


class _Line(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        return printable(super().format(record)).replace("\n", " | ")
