"""The log of the program itself."""

from typing import TextIO

import structlog
from structlog.typing import FilteringBoundLogger


def program_log(stream: TextIO, level: str = "info") -> FilteringBoundLogger:
    """Lines for people on a terminal, JSON elsewhere; nothing below `level`."""
    ending: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if stream.isatty()
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream),  # one write a line: several processes share the stream
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *ending,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return log


def summary(told: dict[str, object]) -> str:
    """What an event loop tells of an error that nobody caught, in one line of 300 characters at most."""
    return f"{told.get('message')}: {told.get('exception')!r}"[:300]
