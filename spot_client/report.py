"""How SPOT tells what it does: bars on a terminal, plain lines everywhere else. Warnings go to standard error.

Whatever is said is also logged (logger `spot_client`): what a person sees at the levels INFO and WARNING, what only a
closer look wants at DEBUG. Where that goes is for the command line, or the program that embeds SPOT.
"""

import logging
import sys

import click

from spot_client.install.change import Progress
from spot_client.wording import mib, printable

_log = logging.getLogger(__name__)
logging.getLogger("spot_client").addHandler(logging.NullHandler())


class PlainReport:
    """Lines without control characters, for logs and pipes: one at the beginning and one at the end of each change.

    Args:
        quiet: nothing on standard output; it is logged all the same.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._fetched = 0
        self.begun = False
        """Whether a change has begun in this run."""
        self.warned: list[str] = []
        """All that `warn` was told, in order."""

    def say(self, text: str) -> None:
        """One sentence on standard output."""
        _log.info("%s", text.strip())
        if not self._quiet:
            click.echo(printable(text))

    def warn(self, text: str) -> None:
        """One sentence on standard error."""
        _log.warning("%s", text)
        self.warned.append(text)
        click.echo(f"spot: {printable(text)}", err=True)

    def begin(self, label: str, *, fetch: int, write: int) -> Progress:
        """Announce a change."""
        self._start()
        self.say(f"{label} ({mib(fetch)} to fetch, {mib(write)} to write)" if write else f"{label} (kept here, whole)")
        return Progress(fetched=self._count, written=lambda _: None, spoiled=self._spoiled)

    def end(self) -> None:
        """Say what was fetched."""
        if self._fetched:
            self.say(f"  fetched {mib(self._fetched)}")

    def _start(self) -> None:
        self._fetched = 0
        self.begun = True

    def _count(self, number: int) -> None:
        self._fetched += number

    def _spoiled(self, path: str) -> None:
        self.warn(f"{path} is damaged: it is not used, and its content is taken from elsewhere.")


class TerminalReport(PlainReport):
    """Two bars a change: bytes fetched, bytes written. rich is loaded when the first bar is drawn."""

    def begin(self, label: str, *, fetch: int, write: int) -> Progress:
        """Draw the bars of a change."""
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self._start()
        self.say(label)
        self._bars = Bars(
            TextColumn("  {task.description:8}"), BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn()
        )
        self._bars.start()
        fetching = self._bars.add_task("fetch", total=fetch, visible=fetch > 0)
        writing = self._bars.add_task("write", total=write, visible=write > 0)

        def fetched(number: int) -> None:
            self._count(number)
            self._bars.advance(fetching, number)

        return Progress(
            fetched=fetched, written=lambda number: self._bars.advance(writing, number), spoiled=self._spoiled
        )

    def end(self) -> None:
        """Leave the bars as they stand."""
        self._bars.stop()
        if self._fetched:
            _log.info("fetched %s", mib(self._fetched))


def for_stream(*, quiet: bool = False, plain: bool = False) -> PlainReport:
    """Bars if standard output is a terminal and nobody wants it `quiet` or `plain`, else plain lines."""
    return PlainReport(quiet=quiet) if quiet or plain or not sys.stdout.isatty() else TerminalReport()
