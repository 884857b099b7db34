"""The commands `customer` and `licence`: who may fetch what."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click

from mirror import config
from mirror.cli.options import config_option
from mirror.cli.output import table, utc
from mirror.errors import CatalogueFault, RecordsError
from mirror.records.protocol import Licence, Records
from mirror.records.sqlite import FILE_NAME, open_records
from mirror.support import fleet
from spot_client.wire import names

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def customer() -> None:
    """Customers: who may be licensed at all."""


@customer.command("add")
@click.argument("customers", nargs=-1, required=True, metavar="NAME...")
@config_option
def _add(customers: tuple[str, ...], config_path: Path) -> None:
    """Add customers by NAME: lower-case letters, digits and hyphens. Stops at the first that cannot be added."""
    with _records(config_path) as records:
        for name in customers:
            records.add_customer(name, datetime.now(UTC))
            click.echo(f"Added {name}. Next: spot-mirror licence grant {name} PRODUCT")


@customer.command("list")
@config_option
def _list_customers(config_path: Path) -> None:
    """List customers: since when, which products they are licensed for today, how many installations they have."""
    today = datetime.now(UTC).date()
    with _records(config_path) as records:
        customers, licences, installations = records.customers(), records.licences(), records.installations()
    if not customers:
        click.echo("There is no customer yet. Next: spot-mirror customer add NAME")
        return
    counts = Counter(installation.customer for installation in installations)
    click.echo(
        table(
            ("CUSTOMER", "ADDED", "LICENSED FOR", "INSTALLATIONS"),
            (
                (line.name, utc(line.added), _products(line.name, licences, today) or "nothing", str(counts[line.name]))
                for line in customers
            ),
        )
    )


@click.group()
def licence() -> None:
    """Licences: which products and channels a customer may fetch, and when."""


@licence.command("grant")
@click.argument("customer_name", metavar="CUSTOMER")
@click.argument("product")
@click.option(
    "--channel", "channels", multiple=True, default=("stable",), show_default=True, help="A channel; may be repeated."
)
@click.option("--from", "first", type=_DAY, metavar="DAY", help="First day, in UTC.  [default: today]")
@click.option("--until", "last", type=_DAY, metavar="DAY", help="Last day, in UTC.  [default: open end]")
@click.option("--installations", default=1, show_default=True, help="How many installations are paid for.")
@click.option("--replace", is_flag=True, help="Even if a licence in force is cut off until the first day of this one.")
@config_option
def _grant(
    *,
    customer_name: str,
    product: str,
    channels: tuple[str, ...],
    first: datetime | None,
    last: datetime | None,
    installations: int,
    replace: bool,
    config_path: Path,
) -> None:
    """License CUSTOMER for PRODUCT. Granted again, a licence is replaced as a whole, and what changed is printed."""
    today = datetime.now(UTC).date()
    granted = Licence(
        customer=customer_name,
        product=product,
        channels=tuple(sorted(set(channels))),
        valid_from=today if first is None else first.date(),
        valid_until=None if last is None else last.date(),
        installations=installations,
    )
    with _records(config_path) as records:
        if not replace:
            _check_no_gap(records, granted, today)
        older = records.grant(granted)
    terms = ", ".join(f"{term} {value}" for term, value in _terms(granted).items())
    click.echo(f"{customer_name} is licensed for {product}: {terms}.")
    if older is not None:
        click.echo(_changes(older, granted))
    _note_unpublished(config.load(config_path).data_dir / "catalogue", product)


@licence.command("end")
@click.argument("customer_name", metavar="CUSTOMER")
@click.argument("product")
@click.option(
    "--last-day",
    type=_DAY,
    metavar="DAY",
    help="The last day on which it is in force, in UTC.  [default: yesterday, so that it ends at once]",
)
@config_option
def _end(customer_name: str, product: str, last_day: datetime | None, config_path: Path) -> None:
    """End the licence of CUSTOMER for PRODUCT. An end that was earlier already stays."""
    today = datetime.now(UTC).date()
    day = today - timedelta(days=1) if last_day is None else last_day.date()
    with _records(config_path) as records:
        ended = records.end_licence(customer_name, product, day)
    click.echo(f"{customer_name}'s licence for {product}: {_state(ended, today)}, last day {ended.valid_until}.")


@licence.command("list")
@click.option("--customer", "customer_name", metavar="CUSTOMER", help="Only this customer's.")
@config_option
def _list_licences(customer_name: str | None, config_path: Path) -> None:
    """List licences, ended ones too.

    INSTALLATIONS: how many have the product, as their newest thin snapshots tell / how many are paid for.
    """
    if customer_name is not None:
        names.check_id("customer", customer_name)
    today = datetime.now(UTC).date()
    with _records(config_path) as records:
        licences = records.licences(customer_name)
        used = fleet.users(records.installations(customer_name), records.newest_thin_snapshots(customer_name))
    if not licences:
        click.echo("There is no licence. Next: spot-mirror licence grant CUSTOMER PRODUCT")
        return
    click.echo(
        table(
            ("CUSTOMER", "PRODUCT", "STATE", "FROM", "UNTIL", "INSTALLATIONS", "CHANNELS"),
            (
                (
                    line.customer,
                    line.product,
                    _state(line, today),
                    str(line.valid_from),
                    str(line.valid_until or "open"),
                    f"{used[line.customer, line.product]} / {line.installations}",
                    " ".join(line.channels),
                )
                for line in licences
            ),
        )
    )


def _records(config_path: Path) -> closing[Records]:
    return closing(open_records(config.load(config_path).data_dir / FILE_NAME))


def _check_no_gap(records: Records, granted: Licence, today: date) -> None:
    """Refuse a grant that would leave without a licence, from today on, a customer who has one."""
    older = (line for line in records.licences(granted.customer) if line.product == granted.product)
    if granted.valid_from > today and any(line.holds(today) for line in older):
        raise RecordsError(
            "would-cut-off",
            f"{granted.customer}'s licence for {granted.product} is in force today and would be cut off until"
            f" {granted.valid_from}: leave out --from to extend it, or add --replace.",
        )


def _products(customer_name: str, licences: Sequence[Licence], today: date) -> str:
    return " ".join(line.product for line in licences if line.customer == customer_name and line.holds(today))


def _terms(line: Licence) -> dict[str, str]:
    return {
        "channels": " ".join(line.channels),
        "from": str(line.valid_from),
        "until": str(line.valid_until or "open"),
        "installations": str(line.installations),
    }


def _changes(older: Licence, newer: Licence) -> str:
    before, after = _terms(older), _terms(newer)
    changes = [f"{term} {before[term]} -> {after[term]}" for term in before if before[term] != after[term]]
    return f"Changed: {', '.join(changes)}." if changes else "Nothing changed: it was granted like this before."


def _state(line: Licence, today: date) -> str:
    if line.holds(today):
        return "in force"
    return "ended" if line.valid_until is not None and line.valid_until < today else "not yet"


def _note_unpublished(folder: Path, product: str) -> None:
    # Imported here: it loads TUF, which no other command about customers needs.
    from mirror.catalogue import load

    try:
        known = any(index.releases for (owner, _), index in load(folder).indexes.items() if owner == product)
    except CatalogueFault as fault:
        click.echo(f"Note: whether {product} has releases cannot be told: {fault}", err=True)
    else:
        if not known:
            click.echo(f"Note: no release of {product} is published yet; check the product's name.", err=True)


COMMANDS = (customer, licence)
