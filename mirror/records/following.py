"""What lets a reader follow the SQLite file at the cost of what changed. Every call runs inside one of its caller's.

Whatever changes a customer or its licences takes the next number of the marker and writes it down with the customer's
name, in its own transaction. Customers and installations have such numbers for keys, so none is ever given again. What
each reading call does stands in `mirror.records.protocol`.
"""

from itertools import groupby
from sqlite3 import Connection
from typing import Final

import msgspec

from mirror.records import rows
from mirror.records.protocol import Holder
from mirror.records.told import Changed, Minted

KEPT: Final = 10_000
"""Changes are kept while the marker moves so far; who is further behind reads all customers again."""

_HOLDERS = """SELECT c.key, c.name, c.added, c.suspended, c.suspended_why,
        l.product, l.channels, l.valid_from, l.valid_until, l.installations
    FROM {} c LEFT JOIN licence l ON l.customer = c.key ORDER BY c.name, l.product"""
_ONE = _HOLDERS.format("(SELECT * FROM customer WHERE name = ?)")
_PAGE = _HOLDERS.format("(SELECT * FROM customer WHERE name > ? ORDER BY name LIMIT ?)")


def next_number(db: Connection) -> int:
    """Move the marker, and return where it is then."""
    step = "UPDATE marker SET number = number + 1, forgotten = max(forgotten, number + 1 - ?) RETURNING number"
    number: int = db.execute(step, (KEPT,)).fetchall()[0][0]
    return number


def note(db: Connection, customer: str) -> int:
    """Write down that a customer or its licences change; returns the number of the change."""
    number = next_number(db)
    db.execute("INSERT INTO change (number, customer) VALUES (?, ?)", (number, customer))
    db.execute("DELETE FROM change WHERE number <= (SELECT forgotten FROM marker)")
    return number


def changes(db: Connection, since: int) -> Changed:
    """Whose customer or licences changed."""
    number, forgotten = db.execute("SELECT number, forgotten FROM marker").fetchone()
    if not forgotten <= since <= number:
        return Changed(number, None)
    names = db.execute("SELECT DISTINCT customer FROM change WHERE number > ? ORDER BY number", (since,)).fetchall()
    return Changed(number, tuple(name for (name,) in names))


def holder(db: Connection, name: str) -> Holder | None:
    """One customer with its licences."""
    found = _grouped(db.execute(_ONE, (name,)).fetchall())
    return found[0] if found else None


def holders(db: Connection, after: str, limit: int) -> list[Holder]:
    """A page of customers with their licences."""
    return _grouped(db.execute(_PAGE, (after, limit)).fetchall())


def minted(db: Connection, after: int, limit: int) -> list[Minted]:
    """A page of installations. Read by the million, so they are checked a page at a time."""
    found = db.execute("SELECT key, id, customer FROM installation WHERE key > ? ORDER BY key LIMIT ?", (after, limit))
    try:
        return [Minted(*row) for row in msgspec.convert(found.fetchall(), list[tuple[int, str, int]])]
    except msgspec.ValidationError as error:
        raise rows.damaged() from error


def _grouped(found: list[rows.Row]) -> list[Holder]:
    holders = []
    for key, lines in groupby(found, key=lambda row: row[0]):
        own = list(lines)
        licences = tuple(rows.licence((line[1], *line[5:])) for line in own if line[5] is not None)
        holders.append(Holder(key, rows.customer(own[0][1:5]), licences))
    return holders
