"""How long work and large numbers are shown: a bar on a terminal, plain lines anywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

_UNITS = ("KiB", "MiB", "GiB", "TiB")


def size(count: int) -> str:
    """A number of bytes in the largest unit that fits: `812 B`, `13.4 MiB`."""
    if count < 1024:
        return f"{count} B"
    value, unit = count / 1024, 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}"


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Shows on stderr what it is told: what is going on, bytes done, and bytes in all."""
    if sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield _lines()


def _lines() -> Callable[[str, int, int], None]:
    told: set[str] = set()

    def show(what: str, _done: int, total: int) -> None:
        if what not in told:
            told.add(what)
            click.echo(f"{what.capitalize()} {size(total)} ...", err=True)

    return show


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn())
    bars: dict[str, tuple[Progress, TaskID]] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in bars:
            bar = Progress(*columns, console=Console(stderr=True))
            bars[what] = bar, bar.add_task(what, total=total)
            bar.start()
        bar, task = bars[what]
        bar.update(task, completed=done)
        if done == total:
            bar.stop()  # between two bars somebody may be asked for a passphrase

    try:
        yield show
    finally:
        for bar, _ in bars.values():
            bar.stop()
