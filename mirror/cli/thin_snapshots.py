"""The commands `thin-snapshots`: which versions customers' installations have, had, and how two compare."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from ca.misplaced import Guiding
from mirror.cli.fleet_export import export
from mirror.cli.options import config_option
from mirror.cli.output import json_document, rfc3339, table, utc, utc_and_age
from mirror.cli.stopped import stopped
from mirror.cli.store import check_customer, customer_filter, json_option, records
from mirror.errors import NotThere, RecordsError
from mirror.records.protocol import Installation, Records, ThinSnapshot
from mirror.support import fleet
from spot_client.wire import names
from spot_client.wire.installation import read_short_form, short_form

_ID_BEGINNING: Final = re.compile(r"[0-9a-hjkmnp-tv-z]{1,16}", re.ASCII)
_SHORT_FORM_CHARACTERS = 10  # without hyphens, which people leave out
_MOMENT = click.DateTime(
    ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%SZ"]
)


@click.group("thin-snapshots", cls=Guiding, short_help="The versions that installations have.")
def thin_snapshots() -> None:
    """Thin snapshots: the versions that installations have, and nothing else.

    INSTALLATION is its short form (7K2M-9XQ4-AE), its id, or the beginning of its id. Times are UTC.
    """


@thin_snapshots.command("list", short_help="List installations and their versions.")
@customer_filter
@json_option
@config_option
def _list(customer_name: str | None, *, as_json: bool, config_path: Path) -> None:
    """List installations: when they were last seen, and the versions they had by their newest thin snapshot.

    \b
    --json: a list of
      installation (its id), short_form, customer, enrolled, last_seen,
      versions_as_of and components (versions by component; null, both, if it has sent no thin snapshot)
    """
    if customer_name is not None:
        names.check_id("customer", customer_name)
    now = datetime.now(UTC)
    with records(config_path) as store:
        newest = {line.installation: line for line in store.newest_thin_snapshots(customer_name)}
        installations = store.installations(customer_name)
        if not installations and customer_name is not None:
            check_customer(store, customer_name)
    if as_json:
        lines = ({**_as_json(line), "components": _versions(newest.get(line.id))} for line in installations)
        click.echo(json_document([*lines]))
    elif not installations:
        none = "There is no installation yet" if customer_name is None else f"{customer_name} has no installation yet"
        click.echo(f"{none}: SPOT makes one known with 'spot enrol'.")
    else:
        head = ("INSTALLATION", "ID", "CUSTOMER", "LAST SEEN", "VERSIONS AS OF", "COMPONENTS")
        click.echo(table(head, (_row(line, newest.get(line.id), now) for line in installations)))


@thin_snapshots.command("show", short_help="Show the versions of an installation.")
@click.argument("installation")
@click.option("--history", is_flag=True, help="All thin snapshots, newest first, not only the newest.")
@json_option
@config_option
def _show(installation: str, *, history: bool, as_json: bool, config_path: Path) -> None:
    """Show the versions that INSTALLATION has, or with --history also those it had.

    \b
    --json: installation, short_form, customer, enrolled, last_seen, versions_as_of (or null), and
      thin_snapshots, newest first: a list of from, to, components (versions by component)
    """
    now = datetime.now(UTC)
    with records(config_path) as store:
        found = _find(store, installation)
        lines = store.thin_snapshots(found.id, None if history else 1)
    if as_json:
        told = [{**_span_as_json(line), "components": _versions(line)} for line in lines]
        click.echo(json_document({**_as_json(found), "thin_snapshots": told}))
        return
    click.echo(f"{_title(found)}, id {found.id}")
    click.echo(f"enrolled        {utc_and_age(found.enrolled, now)}")
    click.echo(f"last seen       {utc_and_age(found.last_seen, now)}")
    click.echo(f"versions as of  {utc_and_age(found.versions_as_of, now)}")
    for line in lines:
        click.echo(f"\nFrom {utc(line.first)} to {utc(line.last)}")
        rows = sorted(line.components.items())
        click.echo(table(("COMPONENT", "VERSION"), rows) if rows else "Nothing was installed.")


@thin_snapshots.command("diff", short_help="Compare versions.")
@click.argument("installation")
@click.argument("other", required=False)
@click.option("--since", type=_MOMENT, metavar="MOMENT", help="Compare from the versions INSTALLATION had at MOMENT.")
@click.option("--until", type=_MOMENT, metavar="MOMENT", help="Compare to those it had at MOMENT.  [default: newest]")
@json_option
@config_option
def _diff(
    *,
    installation: str,
    other: str | None,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
    config_path: Path,
) -> None:
    """Compare versions: what was added or removed, what went up or down.

    \b
    diff A B                the newest of A with the newest of B
    diff A                  A's newest with the ones before: its last change
    diff A --since MOMENT   A at MOMENT with its newest, or those at --until MOMENT

    MOMENT is 2026-03-01 (its beginning) or 2026-03-01T12:30:00, in UTC.

    \b
    --json: from and to, each with installation, short_form, customer, from, to (since and until when it had those
      versions); changes, a list of component, change ("added", "removed", "up", "down" or "respelled"),
      from and to (versions; null where it was not there)
    """
    if other is not None and (since or until):
        raise click.UsageError("--since and --until look into one installation's history: name one only.")
    if until and not (since and since <= until):
        raise click.UsageError("--until needs a --since that is not later.")
    with records(config_path) as store:
        first = _find(store, installation)
        second = first if other is None else _find(store, other)
        if other is None:
            old, new = _two_of_history(store, first, since, until)
        else:
            old, new = _newest(store, first), _newest(store, second)
    changes = fleet.diff(old.components, new.components)
    if as_json:
        ends = {"from": _end_as_json(first, old), "to": _end_as_json(second, new)}
        click.echo(json_document({**ends, "changes": [_change_as_json(change) for change in changes]}))
        return
    click.echo(f"From {_title(first)}, {_span(old)}")
    click.echo(f"to   {_title(second)}, {_span(new)}")
    rows = ((change.kind.value, change.component, change.old or "-", change.new or "-") for change in changes)
    click.echo(table(("CHANGE", "COMPONENT", "FROM", "TO"), rows) if changes else "The versions are the same.")


def _two_of_history(
    store: Records, found: Installation, since: datetime | None, until: datetime | None
) -> tuple[ThinSnapshot, ThinSnapshot]:
    if since is None:
        lines = store.thin_snapshots(found.id, 2)
        if len(lines) < 2:
            raise NotThere(
                "no-thin-snapshot", f"{_title(found)} never had other versions: there is nothing to compare."
            )
        return lines[1], lines[0]
    history = store.thin_snapshots(found.id)
    return _at(found, history, since), _newest(store, found) if until is None else _at(found, history, until)


def _at(found: Installation, history: Sequence[ThinSnapshot], moment: datetime) -> ThinSnapshot:
    line = fleet.at(history, moment.replace(tzinfo=UTC))
    if line is None:
        begin = f"its first is of {utc(history[-1].first)}" if history else "it has sent none yet"
        raise NotThere("no-thin-snapshot", f"{_title(found)} has no thin snapshot that old: {begin}.")
    return line


def _newest(store: Records, found: Installation) -> ThinSnapshot:
    lines = store.thin_snapshots(found.id, 1)
    if not lines:
        raise NotThere("no-thin-snapshot", f"{_title(found)} has sent no thin snapshot yet.")
    return lines[0]


def _find(store: Records, text: str) -> Installation:
    """The installation that a person means by `text`; no two share their first 8 characters, all of a short form."""
    prefix = text.strip().lower()
    beginning = _ID_BEGINNING.fullmatch(prefix)
    found = store.installations(prefix=prefix) if beginning else ()
    if not found and (not beginning or len(prefix) == _SHORT_FORM_CHARACTERS):
        found = store.installations(prefix=read_short_form(text))
    if not found:
        raise NotThere(
            "no-installation", f"There is no installation {text[:40]!r}: 'spot-mirror thin-snapshots list' shows all."
        )
    if len(found) > 1:
        raise RecordsError("ambiguous", f"{len(found)} installations begin with {text[:40]!r}: write more of the id.")
    return found[0]


def _title(found: Installation) -> str:
    return f"{short_form(found.id)} of {found.customer}"


def _span(line: ThinSnapshot) -> str:
    return f"versions from {utc(line.first)} to {utc(line.last)}"


def _row(line: Installation, newest: ThinSnapshot | None, now: datetime) -> tuple[str, ...]:
    components = " ".join(f"{name}={version}" for name, version in (_versions(newest) or {}).items())
    seen, as_of = utc_and_age(line.last_seen, now), utc_and_age(line.versions_as_of, now)
    return short_form(line.id), line.id, line.customer, seen, as_of, components


def _versions(line: ThinSnapshot | None) -> dict[str, str] | None:
    return None if line is None else dict(sorted(line.components.items()))


def _as_json(line: Installation) -> dict[str, object]:
    return {
        "installation": line.id,
        "short_form": short_form(line.id),
        "customer": line.customer,
        "enrolled": rfc3339(line.enrolled),
        "last_seen": rfc3339(line.last_seen),
        "versions_as_of": line.versions_as_of and rfc3339(line.versions_as_of),
    }


def _span_as_json(line: ThinSnapshot) -> dict[str, object]:
    return {"from": rfc3339(line.first), "to": rfc3339(line.last)}


def _end_as_json(found: Installation, line: ThinSnapshot) -> dict[str, object]:
    names_it = {"installation": found.id, "short_form": short_form(found.id), "customer": found.customer}
    return {**names_it, **_span_as_json(line)}


def _change_as_json(change: fleet.Change) -> dict[str, object]:
    return {"component": change.component, "change": change.kind.value, "from": change.old, "to": change.new}


thin_snapshots.add_command(export)
thin_snapshots.add_command(stopped)

COMMANDS = (thin_snapshots,)
