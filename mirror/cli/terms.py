"""How the commands about licences tell of one: its terms, what changed, its state, and that nothing is published."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import click

from mirror.errors import CatalogueFault
from mirror.records.protocol import Licence


def terms(line: Licence) -> str:
    """The terms in one line: `channels stable, from 2026-03-01, until open, installations 1`."""
    return ", ".join(f"{term} {value}" for term, value in _terms(line).items())


def changes(older: Licence, newer: Licence) -> str:
    """The terms that differ, in one line: `installations 1 -> 7`; empty if none does."""
    before, after = _terms(older), _terms(newer)
    return ", ".join(f"{term} {before[term]} -> {after[term]}" for term in before if before[term] != after[term])


def terms_as_json(line: Licence) -> dict[str, object]:
    """The terms for programs: channels, from, until (None: open end), installations."""
    return {
        "channels": line.channels,
        "from": line.valid_from,
        "until": line.valid_until,
        "installations": line.installations,
    }


def state(line: Licence, day: date) -> str:
    """`in force`, `ended` or `not yet`, on `day` in UTC."""
    if line.holds(day):
        return "in force"
    return "ended" if line.is_over(day) else "not yet"


def note_unpublished(folder: Path, products: Iterable[str]) -> None:
    """Tell on stderr which of `products` have no release in the catalogue in `folder`."""
    # Imported here: it loads TUF, which no other command about customers needs.
    from mirror.catalogue import load

    try:
        published = {owner for (owner, _), index in load(folder).indexes.items() if index.releases}
    except CatalogueFault as fault:
        click.echo(f"Note: whether {', '.join(products)} has releases cannot be told: {fault}", err=True)
        return
    for product in sorted(set(products) - published):
        click.echo(f"Note: no release of {product} is published yet; check the product's name.", err=True)


def _terms(line: Licence) -> dict[str, str]:
    return {
        "channels": " ".join(line.channels),
        "from": str(line.valid_from),
        "until": str(line.valid_until or "open"),
        "installations": str(line.installations),
    }
