"""The command `thin-snapshots stopped`: which installations still have what was withdrawn or halted."""

from datetime import UTC, datetime
from pathlib import Path

import click

from mirror import catalogue, config
from mirror.cli.options import config_option
from mirror.cli.output import json_document, rfc3339, table, utc_and_age
from mirror.cli.store import check_customer, customer_filter, json_option, records
from mirror.support import fleet
from spot_client.wire.installation import short_form


@click.command("stopped", short_help="List installations that have a withdrawn or halted version.")
@customer_filter
@json_option
@config_option
def stopped(customer_name: str | None, *, as_json: bool, config_path: Path) -> None:
    """List the installations that by their newest thin snapshot have a version that was withdrawn or is halted.

    A thin snapshot names no platform: where a version was stopped for some platforms only, an installation may have it
    for another, and the list says "perhaps".

    \b
    --json: a list of installation (its id), short_form, customer, last_seen, component, version,
      why ("withdrawn" or "halted"), since, reason, platforms, perhaps (true or false)
    """
    now = datetime.now(UTC)
    known = catalogue.load(config.load(config_path).data_dir / "catalogue")
    stops = fleet.stops(known.indexes.values(), known.halts)
    with records(config_path) as store:
        if customer_name is not None:
            check_customer(store, customer_name)
        installations = {line.id: line for line in store.installations(customer_name)}
        found = [
            (installations[line.installation], component, line.components[component], stop)
            for line, component, stop in fleet.still_have(store.newest_thin_snapshots(customer_name), stops)
            if line.installation in installations
        ]
    if as_json:
        documents = [
            {
                "installation": one.id,
                "short_form": short_form(one.id),
                "customer": one.customer,
                "last_seen": rfc3339(one.last_seen),
                "component": component,
                "version": version,
                "why": stop.kind,
                "since": stop.since,
                "reason": stop.reason,
                "platforms": stop.platforms,
                "perhaps": not stop.everywhere,
            }
            for one, component, version, stop in found
        ]
        click.echo(json_document(documents))
    elif not found:
        click.echo("No installation has a version that was withdrawn or is halted.")
    else:
        head = ("CUSTOMER", "INSTALLATION", "COMPONENT", "VERSION", "WHY", "SINCE", "LAST SEEN", "REASON")
        rows = [
            (
                one.customer,
                short_form(one.id),
                component,
                version,
                stop.kind if stop.everywhere else f"perhaps {stop.kind} ({', '.join(stop.platforms)})",
                stop.since,
                utc_and_age(one.last_seen, now),
                stop.reason,
            )
            for one, component, version, stop in found
        ]
        click.echo(table(head, rows))
