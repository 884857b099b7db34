"""How many files the mirror's processes may have open: each connection is one, and so is each download."""

import resource
import sys
from contextlib import suppress
from typing import Final

from structlog.typing import FilteringBoundLogger

from mirror.limits import Limits

RESERVE: Final = 256
"""For what a process has open beside its connections, and for downloads, each of which is over soon."""


def allow() -> None:
    """Let this process, and those that it will start, have as many open files as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # then it stays at what it is, which is looked at below
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def warn(limits: Limits, workers: int, log: FilteringBoundLogger) -> None:
    """Say if that is too few for so many workers."""
    number, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = sys.maxsize if number == resource.RLIM_INFINITY else number
    if allowed < (need := needed(limits, workers)):
        log.warning(
            "too few open files are allowed",
            allowed=allowed,
            needed=need,
            problem=f"With content.limits.connections = {limits.connections}, each of {workers} workers needs {need}: "
            "raise LimitNOFILE= in the unit, or 'ulimit -n' before the start, or take fewer connections.",
        )


def needed(limits: Limits, workers: int) -> int:
    """How many open files one of so many workers needs."""
    return limits.for_worker(workers).connections + RESERVE
