"""The commands `licence apply` and `licence export`: licences as a file that people keep and change."""

import os
import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from mirror import config
from mirror.cli.options import config_option
from mirror.cli.output import counted, json_document, table
from mirror.cli.store import check_customer, customer_filter, json_option, records, today
from mirror.cli.terms import changes, note_unpublished, terms, terms_as_json
from mirror.cli.writing import written
from mirror.errors import RecordsError
from mirror.records import licence_file
from mirror.records.difference import Difference, Kind, Step, Wanted, difference
from mirror.records.protocol import Records

_MAX_FILE = licence_file.MAX_BYTES


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--prune", is_flag=True, help="End licences of the file's customers that are not in the file.")
@click.option("--replace", is_flag=True, help="Even if a licence in force is cut off by the days in the file.")
@json_option
@config_option
def apply(*, file: Path, dry_run: bool, prune: bool, replace: bool, as_json: bool, config_path: Path) -> None:
    """Bring customers and licences to what FILE says.

    All of it is done, or nothing. Run again, it changes nothing.

    \b
    FILE is TOML, a table for every customer and product; only 'until' may be left out, for an open end:
      [customer.acme.sdk]
      channels = ["stable"]
      from = 2026-01-01
      until = 2026-12-31
      installations = 10

    Customers who are missing are added. Those who are not in FILE are left alone. Licences of FILE's customers that
    are not in FILE are shown as not-wanted and go on, or with --prune end with yesterday. 'licence export' writes such
    a file to begin with.

    \b
    --json: dry_run, unchanged (licences that are as FILE says), and steps, a list of
      step ("add-customer", "grant", "change", "end" or "not-wanted"), customer, product (null for a customer),
      old and new: null, or channels, from, until (null: open end), installations
    """
    wanted = licence_file.read(_content(file))
    compare = partial(difference, wanted, today=today(), prune=prune, replace=replace)
    with records(config_path) as store:
        found = compare(store.customers(), store.licences()) if dry_run else store.change(compare, datetime.now(UTC))
    if as_json:
        steps = [_as_json(step) for step in found.steps]
        click.echo(json_document({"dry_run": dry_run, "unchanged": found.unchanged, "steps": steps}))
    else:
        click.echo(_told(found, dry_run=dry_run))
    if found.grant:
        note_unpublished(config.load(config_path).data_dir / "catalogue", {line.product for line in found.grant})


@click.command()
@customer_filter
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE, and not to the terminal.")
@config_option
def export(customer_name: str | None, out: Path | None, config_path: Path) -> None:
    """Write a file for 'licence apply'.

    It holds all customers, and all licences but those that have ended.
    """
    with records(config_path) as store:
        wanted = _standing(store, customer_name)
    if len(wanted.licences) > licence_file.MAX_LICENCES:
        raise RecordsError(
            "too-many",
            f"There are more than the {licence_file.MAX_LICENCES} licences of one file: export them by --customer.",
        )
    text = licence_file.write(wanted)
    if out is None:
        click.echo(text, nl=False)
        return
    with written(out) as stream:
        stream.write(text)
    licences, customers = counted(len(wanted.licences), "licence"), counted(len(wanted.customers), "customer")
    click.echo(f"Wrote {licences} of {customers} to {out}.", err=True)


def _standing(store: Records, customer_name: str | None) -> Wanted:
    if customer_name is not None:
        check_customer(store, customer_name)
    customers = [line.name for line in store.customers()] if customer_name is None else [customer_name]
    licences = [line for line in store.licences(customer_name) if not line.is_over(today())]
    return Wanted(tuple(customers), tuple(licences))


def _content(file: Path) -> bytes:
    # Without waiting: a pipe that nobody writes to would be waited for without end.
    with open(file, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise RecordsError("not-a-file", f"{file} is no regular file: write the licences to one, and name that.")
        return stream.read(_MAX_FILE + 1)


def _told(found: Difference, *, dry_run: bool) -> str:
    unchanged = f"{counted(found.unchanged, 'licence')} as the file says"
    if not found.steps:
        return f"Nothing changes: {unchanged}."
    lines = [table(("STEP", "CUSTOMER", "PRODUCT", "TERMS"), (_row(step) for step in found.steps))]
    done = sum(step.kind is not Kind.NOT_WANTED for step in found.steps)
    what = f"{counted(done, 'change')} {'would be made: this was a dry run' if dry_run else 'made'}"
    lines.append(f"{what}; {unchanged}.")
    left = len(found.steps) - done
    if left:
        lines.append(f"{left} not in the file: with --prune, {'it ends' if left == 1 else 'they end'}.")
    return "\n".join(lines)


def _row(step: Step) -> Sequence[str]:
    return step.kind.value, step.customer, step.product or "", ", ".join(_terms(step))


def _terms(step: Step) -> Iterator[str]:
    if step.kind in {Kind.CHANGE, Kind.END} and step.old and step.new:
        yield changes(step.old, step.new)
    elif step.new:
        yield terms(step.new)


def _as_json(step: Step) -> dict[str, object]:
    return {
        "step": step.kind.value,
        "customer": step.customer,
        "product": step.product,
        "old": step.old and terms_as_json(step.old),
        "new": step.new and terms_as_json(step.new),
    }
