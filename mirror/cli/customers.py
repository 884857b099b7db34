"""The commands `customer`: who may be licensed at all."""

import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import click

from ca.misplaced import Guiding
from mirror.cli.options import config_option
from mirror.cli.output import counted, json_document, rfc3339, table, utc, utc_and_age
from mirror.cli.store import json_option, records, today
from mirror.errors import RecordsError
from mirror.records.protocol import Customer, Licence, Suspension
from mirror.records.told import Holdings


@click.group(cls=Guiding)
def customer() -> None:
    """Customers: who may be licensed at all."""


@customer.command("add")
@click.argument("customers", nargs=-1, required=True, metavar="NAME...")
@config_option
def _add(customers: tuple[str, ...], config_path: Path) -> None:
    """Add customers by NAME.

    A name has lower-case letters, digits and hyphens. Stops at the first that cannot be added.
    """
    with records(config_path) as store:
        for name in customers:
            store.add_customer(name, datetime.now(UTC))
            click.echo(f"Added {name}. Next: spot-mirror licence grant {name} PRODUCT")


@customer.command("list")
@json_option
@config_option
def _list(*, as_json: bool, config_path: Path) -> None:
    """List customers.

    Since when they are there, which products they are licensed for today, how many installations they have, and since
    when and why they are suspended.

    \b
    --json: a list of
      customer, added, licensed_for (products, today), installations (their number),
      suspended: null, or since and reason
    """
    now = datetime.now(UTC)
    with records(config_path) as store:
        customers, licences, installations = store.customers(), store.licences(), store.installations()
    counts = Counter(installation.customer for installation in installations)
    products = _products(licences, now.date())
    if as_json:
        click.echo(json_document([_as_json(line, products, counts) for line in customers]))
    elif not customers:
        click.echo("There is no customer yet. Next: spot-mirror customer add NAME")
    else:
        rows = (_row(line, products, counts, now) for line in customers)
        click.echo(table(("CUSTOMER", "ADDED", "LICENSED FOR", "INSTALLATIONS", "SUSPENDED"), rows))


@customer.command("suspend")
@click.argument("name")
@click.option("--reason", default="", metavar="TEXT", help="A note for 'customer list'; the customer never sees it.")
@config_option
def _suspend(name: str, reason: str, config_path: Path) -> None:
    """Refuse a customer everything, until it is resumed.

    That holds for all its installations, whatever it is licensed for. A running mirror takes it over within about a
    second. Nothing is lost: 'customer resume' undoes it.
    """
    with records(config_path) as store:
        before = store.suspend(name, reason.strip(), datetime.now(UTC))
    if before.suspended is None:
        click.echo(f"{name} is suspended. To undo it: spot-mirror customer resume {name}")
    elif reason.strip() in {"", before.suspended.reason}:
        click.echo(f"{name} is suspended already, {_since(before.suspended)}; nothing was changed.")
    else:
        click.echo(f"{name} is suspended already; the reason was changed to: {reason.strip()}")


@customer.command("resume")
@click.argument("name")
@config_option
def _resume(name: str, config_path: Path) -> None:
    """End a customer's suspension.

    Its licences hold again as they stand.
    """
    with records(config_path) as store:
        before = store.resume(name)
    if before.suspended is None:
        click.echo(f"{name} was not suspended; nothing was changed.")
    else:
        click.echo(f"{name} is served again; it was suspended {_since(before.suspended)}.")


@customer.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask; needed where nobody can be asked.")
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@config_option
def _remove(name: str, *, yes: bool, dry_run: bool, config_path: Path) -> None:
    """Remove a customer for ever.

    Its licences, its installations and their history go with it, and leave the records. The audit log and
    backups keep what they have: delete those yourself. While it holds a licence that has not ended it has to
    be suspended first, even with --yes: a suspension does to the customer what a removal does, and can be undone when
    it was the wrong one.
    """
    with records(config_path) as store:
        held = store.remove_customer(name, today(), dry_run=True)
        click.echo(f"This goes for ever with {name}: {_told(held)}.")
        if dry_run:
            click.echo("Nothing was removed: this was a dry run.")
            return
        _confirm(name, yes=yes)
        click.echo(f"Removed {name}: {_told(store.remove_customer(name, today()))}.")
    click.echo(
        f"Next: revoke its certificates ('spot-ca list --name {name}' shows them, 'spot-ca revoke {name}' takes all),"
        f" or they let their holders in again should a customer {name} ever be added."
    )


def _confirm(name: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Nothing was removed: nobody can be asked here. Add --yes.")
    if not click.confirm(f"Remove {name} for ever?", err=True):
        raise RecordsError("not-confirmed", "Nothing was removed.")


def _told(held: Holdings) -> str:
    products = f" ({' '.join(held.products)})" if held.products else ""
    installations, lines = counted(held.installations, "installation"), counted(held.thin_snapshots, "thin snapshot")
    return f"{counted(len(held.products), 'licence')}{products}, {installations}, {lines}"


def _products(licences: Iterable[Licence], day: date) -> dict[str, list[str]]:
    """Products by customer, of licences in force on `day`."""
    products: dict[str, list[str]] = {}
    for line in licences:
        if line.holds(day):
            products.setdefault(line.customer, []).append(line.product)
    return products


def _row(line: Customer, products: dict[str, list[str]], counts: Counter[str], now: datetime) -> tuple[str, ...]:
    suspended = ""
    if line.suspended is not None:
        suspended = f"{utc_and_age(line.suspended.since, now)} {line.suspended.reason}"
    licensed = " ".join(products.get(line.name, ())) or "nothing"
    return line.name, utc(line.added), licensed, str(counts[line.name]), suspended


def _as_json(line: Customer, products: dict[str, list[str]], counts: Counter[str]) -> dict[str, object]:
    suspended = line.suspended
    return {
        "customer": line.name,
        "added": rfc3339(line.added),
        "licensed_for": products.get(line.name, []),
        "installations": counts[line.name],
        "suspended": suspended and {"since": rfc3339(suspended.since), "reason": suspended.reason},
    }


def _since(suspended: Suspension) -> str:
    return f"since {utc(suspended.since)}" + (f" ({suspended.reason})" if suspended.reason else "")


COMMANDS = (customer,)
