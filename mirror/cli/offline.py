"""The command `export`: an offline set for a customer whom no network reaches."""

from datetime import timedelta
from pathlib import Path

import click

from mirror import catalogue, config
from mirror.cli.options import config_option
from mirror.cli.output import counted, json_document, utc
from mirror.cli.passphrase import passphrase_option
from mirror.cli.progress import progress_bar, size
from mirror.cli.signers import online_ring, signing
from mirror.cli.store import check_customer, json_option, records, today
from mirror.errors import PublishError
from mirror.publishing import offline
from mirror.signing.means import Signing


@click.command(short_help="Write an offline set to a folder.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--customer", metavar="CUSTOMER", help="What this customer's licences in force name.")
@click.option("--product", "products", multiple=True, metavar="PRODUCT", help="This product; may be repeated.")
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True, help="How long it may be used.")
@passphrase_option
@json_option
@config_option
def export(
    *,
    folder: Path,
    customer: str | None,
    products: tuple[str, ...],
    days: int,
    passphrase_file: Path | None,
    as_json: bool,
    config_path: Path,
) -> None:
    """Write to FOLDER, on a stick or disk, all that a customer is licensed for: 'spot update --from FOLDER' uses it.

    It is signed with the keys of snapshot and timestamp, and checked by SPOT like a mirror, with the same root.

    \b
    --json: folder, releases, size (bytes), catalogue_version, good_until
    """
    if (customer is None) == (not products):
        raise click.UsageError("Say what goes into the set: --customer CUSTOMER, or --product PRODUCT.")
    using = signing(config_path)
    channels = dict.fromkeys(products, ()) if customer is None else _published(using, _licensed(config_path, customer))
    online = using.online or online_ring(config.load(config_path), passphrase_file)
    scope = offline.Scope(channels, timedelta(days=days))
    with progress_bar() as progress:
        made = offline.export(using, online, folder, scope, progress)
    until = using.clock() + scope.life
    if as_json:
        answer = {"folder": str(folder), "releases": made.releases, "size": made.size}
        click.echo(json_document({**answer, "catalogue_version": made.version, "good_until": until}))
        return
    if not made.releases:
        click.echo("Nothing of this is on offer: 'spot-mirror releases' shows what was withdrawn.", err=True)
    click.echo(f"{folder}: {counted(made.releases, 'release')}, {size(made.size)}, of {', '.join(sorted(channels))}.")
    click.echo(f"  good until {utc(until)}")
    click.echo(f"  there: spot update --from {folder.name}")


def _published(using: Signing, licensed: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Those of the products that the catalogue has: a licence may come before the first release."""
    there = catalogue.read_chain(using.place.catalogue).products.keys()
    for product in sorted(licensed.keys() - there):
        click.echo(f"{product} is licensed and not published yet: it is not in the set.", err=True)
    found = {product: names for product, names in licensed.items() if product in there}
    if not found:
        raise PublishError("no-product", "Nothing that is licensed is published yet: there is nothing to export.")
    return found


def _licensed(config_path: Path, customer: str) -> dict[str, tuple[str, ...]]:
    """The channels by product of a customer's licences in force."""
    with records(config_path) as store:
        check_customer(store, customer)
        held = [one for one in store.licences(customer) if one.holds(today())]
    found: dict[str, set[str]] = {}
    for licence in held:
        found.setdefault(licence.product, set()).update(licence.channels)
    if not found:
        raise PublishError("no-licence", f"{customer} has no licence in force: there is nothing to export.")
    return {product: tuple(sorted(names)) for product, names in found.items()}


COMMANDS: tuple[click.Command, ...] = (export,)
