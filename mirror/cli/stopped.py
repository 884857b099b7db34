"""The command `thin-snapshots stopped`: which installations still have what was withdrawn or halted."""

from datetime import UTC, datetime
from pathlib import Path

import click

from mirror import catalogue, config
from mirror.cli.options import config_option
from mirror.cli.output import json_document, rfc3339, table, utc_and_age
from mirror.cli.store import check_customer, customer_filter, json_option, records
from mirror.records.protocol import Installation
from mirror.support import fleet
from mirror.support.fleet import Stopped
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
    found = _found(config_path, customer_name)
    if as_json:
        click.echo(json_document([_document(*line) for line in found]))
    elif not found:
        click.echo("No installation has a version that was withdrawn or is halted.")
    else:
        head = ("CUSTOMER", "INSTALLATION", "COMPONENT", "VERSION", "WHY", "SINCE", "LAST SEEN", "REASON")
        click.echo(table(head, [_row(*line, now=datetime.now(UTC)) for line in found]))


def _found(config_path: Path, customer: str | None) -> list[tuple[Installation, str, str, Stopped]]:
    """Installation, component, version, and what stopped it."""
    known = catalogue.load(config.load(config_path).data_dir / "catalogue")
    stops = fleet.stops(known.indexes.values(), known.halts)
    with records(config_path) as store:
        if customer is not None:
            check_customer(store, customer)
        installations = {line.id: line for line in store.installations(customer)}
        newest = store.newest_thin_snapshots(customer)
    return [
        (installations[line.installation], component, line.components[component], stop)
        for line, component, stop in fleet.still_have(newest, stops)
        if line.installation in installations  # enrolled after the installations were read
    ]


def _document(one: Installation, component: str, version: str, stop: Stopped) -> dict[str, object]:
    return {
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


def _row(one: Installation, component: str, version: str, stop: Stopped, *, now: datetime) -> tuple[str, ...]:
    why = stop.kind if stop.everywhere else f"perhaps {stop.kind} ({', '.join(stop.platforms)})"
    seen = utc_and_age(one.last_seen, now)
    return one.customer, short_form(one.id), component, version, why, stop.since, seen, stop.reason
