"""The commands `licence`: which products and channels a customer may fetch, and when."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import click

from ca.misplaced import Guiding
from mirror import config
from mirror.cli.licence_files import apply, export
from mirror.cli.options import config_option
from mirror.cli.output import json_document, table
from mirror.cli.store import customer_filter, json_option, records, today
from mirror.cli.terms import changes, note_unpublished, state, terms, terms_as_json
from mirror.errors import RecordsError
from mirror.records.protocol import Licence, Records
from mirror.support import fleet
from spot_client.wire import names

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group(cls=Guiding, short_help="Which products a customer may use.")
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
    granted = Licence(
        customer=customer_name,
        product=product,
        channels=tuple(sorted(set(channels))),
        valid_from=today() if first is None else first.date(),
        valid_until=None if last is None else last.date(),
        installations=installations,
    )
    with records(config_path) as store:
        if not replace:
            _check_no_gap(store, granted, today())
        older = store.grant(granted)
    click.echo(f"{customer_name} is licensed for {product}: {terms(granted)}.")
    if older is not None:
        changed = changes(older, granted)
        click.echo(f"Changed: {changed}." if changed else "Nothing changed: it was granted like this before.")
    note_unpublished(config.load(config_path).data_dir / "catalogue", [product])


@licence.command("end")
@click.argument("customer_name", metavar="CUSTOMER")
@click.argument("product")
@click.option(
    "--last-day",
    type=_DAY,
    metavar="DAY",
    help="The last day on which it is in force, in UTC.  [default: yesterday, so that it ends within about a second]",
)
@config_option
def _end(customer_name: str, product: str, last_day: datetime | None, config_path: Path) -> None:
    """End the licence of CUSTOMER for PRODUCT.

    An end that was earlier already stays. A licence that would end before its first day is removed.
    """
    day = today() - timedelta(days=1) if last_day is None else last_day.date()
    with records(config_path) as store:
        _check_begun(store, customer_name, product, day)
        ended = store.end_licence(customer_name, product, day)
    if ended.valid_until is not None and ended.valid_until < ended.valid_from:
        began = "it began today" if ended.valid_from == today() else f"it was to begin on {ended.valid_from}"
        click.echo(f"{customer_name}'s licence for {product} is removed: {began}.")
        return
    click.echo(f"{customer_name}'s licence for {product}: {state(ended, today())}, last day {ended.valid_until}.")


@licence.command("list")
@customer_filter
@json_option
@config_option
def _list(customer_name: str | None, *, as_json: bool, config_path: Path) -> None:
    """List licences, ended ones too.

    INSTALLATIONS: how many have the product, as their newest thin snapshots tell / how many are paid for. More than
    are paid for are marked with what is too much.

    \b
    --json: a list of
      customer, product, state ("in force", "not yet" or "ended"),
      channels, from, until (null: open end), installations (paid for), used, over_used (true or false)
    """
    if customer_name is not None:
        names.check_id("customer", customer_name)
    with records(config_path) as store:
        licences = store.licences(customer_name)
        used = fleet.users(store.installations(customer_name), store.newest_thin_snapshots(customer_name))
    lines = [(line, used[line.customer, line.product]) for line in licences]
    if as_json:
        click.echo(json_document([_as_json(line, count, today()) for line, count in lines]))
    elif not lines:
        click.echo("There is no licence. Next: spot-mirror licence grant CUSTOMER PRODUCT")
    else:
        head = ("CUSTOMER", "PRODUCT", "STATE", "FROM", "UNTIL", "INSTALLATIONS", "CHANNELS")
        click.echo(table(head, (_row(line, count, today()) for line, count in lines)))


def _check_begun(store: Records, customer_name: str, product: str, day: date) -> None:
    """Refuse to end a licence before it began, once it has: that it was held is what thin snapshots go by."""
    names.check_id("customer", customer_name)
    for line in store.licences(customer_name):
        if line.product == product and day < line.valid_from < today():
            raise RecordsError(
                "bad-licence", f"The licence began on {line.valid_from} already: name that day or a later one."
            )


def _row(line: Licence, used: int, day: date) -> Sequence[str]:
    over = f" ({used - line.installations} too many)" if used > line.installations else ""
    return (
        line.customer,
        line.product,
        state(line, day),
        str(line.valid_from),
        str(line.valid_until or "open"),
        f"{used} / {line.installations}{over}",
        " ".join(line.channels),
    )


def _as_json(line: Licence, used: int, day: date) -> dict[str, object]:
    return {
        "customer": line.customer,
        "product": line.product,
        "state": state(line, day),
        **terms_as_json(line),
        "used": used,
        "over_used": used > line.installations,
    }


def _check_no_gap(store: Records, granted: Licence, day: date) -> None:
    """Refuse a grant that would leave without a licence, from today on, a customer who has one."""
    older = (line for line in store.licences(granted.customer) if line.product == granted.product)
    if granted.valid_from > day and any(line.holds(day) for line in older):
        raise RecordsError(
            "would-cut-off",
            f"{granted.customer}'s licence for {granted.product} is in force today and would be cut off until"
            f" {granted.valid_from}: leave out --from to extend it, or add --replace.",
        )


for _command in (apply, export):
    licence.add_command(_command)

COMMANDS = (licence,)
