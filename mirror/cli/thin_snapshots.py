"""The commands `thin-snapshots`: which versions customers' installations have, had, and how two compare."""

import re
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from mirror import config
from mirror.cli.options import config_option
from mirror.cli.output import table, utc, utc_and_age
from mirror.errors import NotThere, RecordsError
from mirror.records.protocol import Installation, Records, ThinSnapshot
from mirror.records.sqlite import FILE_NAME, open_records
from mirror.support import fleet
from spot_client.wire import names
from spot_client.wire.installation import read_short_form, short_form

_ID_BEGINNING: Final = re.compile(r"[0-9a-hjkmnp-tv-z]{1,16}", re.ASCII)
_SHORT_FORM_CHARACTERS = 10  # without hyphens, which people leave out
_MOMENT = click.DateTime(
    ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%SZ"]
)


@click.group("thin-snapshots")
def thin_snapshots() -> None:
    """Thin snapshots: the versions that installations have, and nothing else.

    INSTALLATION is its short form (7K2M-9XQ4-AE), its id, or the beginning of its id. Times are UTC.
    """


@thin_snapshots.command("list")
@click.option("--customer", "customer_name", metavar="CUSTOMER", help="Only this customer's.")
@config_option
def _list(customer_name: str | None, config_path: Path) -> None:
    """List installations: when they were last seen, and the versions they had by their newest thin snapshot."""
    if customer_name is not None:
        names.check_id("customer", customer_name)
    now = datetime.now(UTC)
    with _records(config_path) as records:
        newest = {line.installation: line for line in records.newest_thin_snapshots(customer_name)}
        installations = records.installations(customer_name)
        if not installations and customer_name is not None:
            _check_customer(records, customer_name)
    if not installations:
        none = "There is no installation yet" if customer_name is None else f"{customer_name} has no installation yet"
        click.echo(f"{none}: SPOT makes one known with 'spot enrol'.")
        return
    click.echo(
        table(
            ("INSTALLATION", "ID", "CUSTOMER", "LAST SEEN", "VERSIONS AS OF", "COMPONENTS"),
            (
                (
                    short_form(line.id),
                    line.id,
                    line.customer,
                    utc_and_age(line.last_seen, now),
                    utc_and_age(line.versions_as_of, now),
                    _components(newest.get(line.id)),
                )
                for line in installations
            ),
        )
    )


@thin_snapshots.command("show")
@click.argument("installation")
@click.option("--history", is_flag=True, help="All thin snapshots, newest first, not only the newest.")
@config_option
def _show(installation: str, *, history: bool, config_path: Path) -> None:
    """Show the versions that INSTALLATION has, or with --history also those it had."""
    now = datetime.now(UTC)
    with _records(config_path) as records:
        found = _find(records, installation)
        lines = records.thin_snapshots(found.id, None if history else 1)
    click.echo(f"{_title(found)}, id {found.id}")
    click.echo(f"enrolled        {utc_and_age(found.enrolled, now)}")
    click.echo(f"last seen       {utc_and_age(found.last_seen, now)}")
    click.echo(f"versions as of  {utc_and_age(found.versions_as_of, now)}")
    for line in lines:
        click.echo(f"\nFrom {utc(line.first)} to {utc(line.last)}")
        click.echo(table(("COMPONENT", "VERSION"), sorted(line.components.items())))


@thin_snapshots.command("diff")
@click.argument("installation")
@click.argument("other", required=False)
@click.option("--since", type=_MOMENT, metavar="MOMENT", help="Compare from the versions INSTALLATION had at MOMENT.")
@click.option("--until", type=_MOMENT, metavar="MOMENT", help="Compare to those it had at MOMENT.  [default: newest]")
@config_option
def _diff(
    *, installation: str, other: str | None, since: datetime | None, until: datetime | None, config_path: Path
) -> None:
    """Compare versions: what was added or removed, what went up or down.

    \b
    diff A B                the newest of A with the newest of B
    diff A                  A's newest with the ones before: its last change
    diff A --since MOMENT   A at MOMENT with its newest, or those at --until MOMENT

    MOMENT is 2026-03-01 (its beginning) or 2026-03-01T12:30:00, in UTC.
    """
    if other is not None and (since or until):
        raise click.UsageError("--since and --until look into one installation's history: name one only.")
    if until and not (since and since <= until):
        raise click.UsageError("--until needs a --since that is not later.")
    with _records(config_path) as records:
        first = _find(records, installation)
        second = first if other is None else _find(records, other)
        if other is None:
            old, new = _two_of_history(records, first, since, until)
        else:
            old, new = _newest(records, first), _newest(records, second)
    click.echo(f"From {_title(first)}, {_span(old)}")
    click.echo(f"to   {_title(second)}, {_span(new)}")
    changes = fleet.diff(old.components, new.components)
    rows = ((change.kind.value, change.component, change.old or "-", change.new or "-") for change in changes)
    click.echo(table(("CHANGE", "COMPONENT", "FROM", "TO"), rows) if changes else "The versions are the same.")


def _two_of_history(
    records: Records, found: Installation, since: datetime | None, until: datetime | None
) -> tuple[ThinSnapshot, ThinSnapshot]:
    if since is None:
        lines = records.thin_snapshots(found.id, 2)
        if len(lines) < 2:
            raise NotThere(
                "no-thin-snapshot", f"{_title(found)} never had other versions: there is nothing to compare."
            )
        return lines[1], lines[0]
    history = records.thin_snapshots(found.id)
    return _at(found, history, since), _newest(records, found) if until is None else _at(found, history, until)


def _at(found: Installation, history: Sequence[ThinSnapshot], moment: datetime) -> ThinSnapshot:
    line = fleet.at(history, moment.replace(tzinfo=UTC))
    if line is None:
        begin = f"its first is of {utc(history[-1].first)}" if history else "it has sent none yet"
        raise NotThere("no-thin-snapshot", f"{_title(found)} has no thin snapshot that old: {begin}.")
    return line


def _newest(records: Records, found: Installation) -> ThinSnapshot:
    lines = records.thin_snapshots(found.id, 1)
    if not lines:
        raise NotThere("no-thin-snapshot", f"{_title(found)} has sent no thin snapshot yet.")
    return lines[0]


def _find(records: Records, text: str) -> Installation:
    """The installation that a person means by `text`; no two share their first 8 characters, all of a short form."""
    prefix = text.strip().lower()
    beginning = _ID_BEGINNING.fullmatch(prefix)
    found = records.installations(prefix=prefix) if beginning else ()
    if not found and (not beginning or len(prefix) == _SHORT_FORM_CHARACTERS):
        found = records.installations(prefix=read_short_form(text))
    if not found:
        raise NotThere(
            "no-installation", f"There is no installation {text[:40]!r}: 'spot-mirror thin-snapshots list' shows all."
        )
    if len(found) > 1:
        raise RecordsError("ambiguous", f"{len(found)} installations begin with {text[:40]!r}: write more of the id.")
    return found[0]


def _check_customer(records: Records, name: str) -> None:
    if name not in {line.name for line in records.customers()}:
        raise NotThere("no-customer", f"There is no customer {name}: 'spot-mirror customer list' shows all.")


def _title(found: Installation) -> str:
    return f"{short_form(found.id)} of {found.customer}"


def _span(line: ThinSnapshot) -> str:
    return f"versions from {utc(line.first)} to {utc(line.last)}"


def _components(line: ThinSnapshot | None) -> str:
    return "" if line is None else " ".join(f"{name}={version}" for name, version in sorted(line.components.items()))


def _records(config_path: Path) -> closing[Records]:
    return closing(open_records(config.load(config_path).data_dir / FILE_NAME))


COMMANDS = (thin_snapshots,)
