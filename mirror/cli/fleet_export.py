"""The command `thin-snapshots export`: a row for every component of every installation, for other programs.

Read and written a page at a time, so that a fleet of any size fits into memory. A spreadsheet takes no cell here for a
formula: names begin with a letter or a digit, versions (PEP 440, in their normal spelling) and moments with a digit,
and the store takes nothing else; a test holds that. As CSV (RFC 4180), what is not there is empty.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final, TextIO

import click

from mirror.cli.options import config_option
from mirror.cli.output import counted, rfc3339
from mirror.cli.store import check_customer, customer_filter, records
from mirror.cli.writing import written
from mirror.records.protocol import Installation, Records, ThinSnapshot
from spot_client.wire.installation import short_form

_PAGE: Final = 500  # installations
_HEAD: Final = (
    "customer",
    "installation",
    "short_form",
    "enrolled",
    "last_seen",
    "component",
    "version",
    "from",
    "to",
)

Row = Sequence[str | None]


@click.command()
@click.option(
    "--format", "form", type=click.Choice(["csv", "json"]), default="csv", show_default=True, help="How to write it."
)
@customer_filter
@click.option("--history", is_flag=True, help="All thin snapshots, newest first, not only the newest.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE, and not to the terminal.")
@config_option
def export(*, form: str, customer_name: str | None, history: bool, out: Path | None, config_path: Path) -> None:
    """Write the fleet as CSV or JSON.

    It has a row for every component of every installation, by customer and installation.

    \b
    Columns, or with --format json the keys of a list of objects:
      customer, installation (its id), short_form, enrolled, last_seen,
      component, version, from, to (since and until when it is known to have had that version)
    Times are UTC. An installation without a component has one row, where the last four, or component and version, are
    empty (null). Rows are read page by page while the mirror goes on: they are not of one moment. FILE is readable by
    its owner only, and replaced whole. In a spreadsheet, import versions as text.
    """
    with records(config_path) as store:
        if customer_name is not None:
            check_customer(store, customer_name)
        rows = _rows(store, customer_name, history=history)
        with nullcontext(sys.stdout) if out is None else written(out) as stream:
            count = _WRITERS[form](rows, stream)
    if out is not None:
        click.echo(f"Wrote {counted(count, 'row')} to {out}.", err=True)


def _rows(store: Records, customer_name: str | None, *, history: bool) -> Iterator[Row]:
    names = [line.name for line in store.customers()] if customer_name is None else [customer_name]
    for name in names:
        for installation in _installations(store, name):
            lines = store.thin_snapshots(installation.id, None if history else 1)
            none: Sequence[ThinSnapshot | None] = (None,)
            for line in lines or none:
                yield from _rows_of(installation, line)


def _installations(store: Records, customer: str) -> Iterator[Installation]:
    page = store.installations(customer, limit=_PAGE)
    while page:
        yield from page
        page = store.installations(customer, after=page[-1].id, limit=_PAGE)


def _rows_of(found: Installation, line: ThinSnapshot | None) -> Iterator[Row]:
    head = (found.customer, found.id, short_form(found.id), rfc3339(found.enrolled), rfc3339(found.last_seen))
    if line is None:
        yield *head, None, None, None, None
        return
    components: list[tuple[str | None, str | None]] = [*sorted(line.components.items())] or [(None, None)]
    first, last = rfc3339(line.first), rfc3339(line.last)
    for component, version in components:
        yield *head, component, version, first, last


def _write_csv(rows: Iterator[Row], stream: TextIO) -> int:
    writer = csv.writer(stream)
    writer.writerow(_HEAD)
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count


def _write_json(rows: Iterator[Row], stream: TextIO) -> int:
    count = 0
    for row in rows:
        stream.write(f"{',' if count else '['}\n{json.dumps(dict(zip(_HEAD, row, strict=True)))}")
        count += 1
    stream.write("\n]\n" if count else "[]\n")
    return count


_WRITERS: Final[dict[str, Callable[[Iterator[Row], TextIO], int]]] = {"csv": _write_csv, "json": _write_json}
