"""Customers and licences in the SQLite file: what ops decides. Every call runs inside a transaction of its caller.

What each one does stands in `mirror.records.protocol`.
"""

from collections.abc import Sequence
from datetime import date
from sqlite3 import Connection

from mirror.errors import AlreadyThere, NotThere, RecordsError
from mirror.records import checks, following, rows
from mirror.records.protocol import Customer, Licence
from mirror.records.told import Holdings
from spot_client.wire import names

_CUSTOMERS = "SELECT name, added, suspended, suspended_why FROM customer"
_LICENCES = """SELECT c.name, l.product, l.channels, l.valid_from, l.valid_until, l.installations
    FROM licence l JOIN customer c ON c.key = l.customer"""
_COUNTS = """SELECT (SELECT count(*) FROM installation WHERE customer = ?1),
    (SELECT count(*) FROM line WHERE installation IN (SELECT key FROM installation WHERE customer = ?1))"""
_REMOVE = (
    "DELETE FROM request WHERE installation IN (SELECT key FROM installation WHERE customer = ?)",
    "DELETE FROM line WHERE installation IN (SELECT key FROM installation WHERE customer = ?)",
    "DELETE FROM installation WHERE customer = ?",
    "DELETE FROM licence WHERE customer = ?",
    "DELETE FROM customer WHERE key = ?",
)
_SWEEP = "DELETE FROM content WHERE key NOT IN (SELECT content FROM line)"


def customer_key(db: Connection, name: str) -> int:
    """The key of a customer. Raises `NotThere`, or `RecordsError` (`bad-name`), so that no other text is repeated."""
    with checks.checking():
        names.check_id("customer", name)
    row = db.execute("SELECT key FROM customer WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise NotThere(
            "no-customer",
            f"There is no customer {name}: 'spot-mirror customer list' shows all, 'spot-mirror customer add' adds one.",
        )
    key: int = row[0]
    return key


def add(db: Connection, name: str, added: int) -> Customer:
    """Add a customer, in the second `added` since 1970. Raises `AlreadyThere`, `RecordsError`."""
    with checks.checking():
        names.check_id("customer", name)
    if db.execute("SELECT 1 FROM customer WHERE name = ?", (name,)).fetchone():
        raise AlreadyThere("customer-exists", f"There is a customer {name} already; nothing was changed.")
    db.execute("INSERT INTO customer (key, name, added) VALUES (?, ?, ?)", (following.note(db, name), name, added))
    return Customer(name, rows.moment(added))


def customers(db: Connection) -> list[Customer]:
    """All customers, by name."""
    return [rows.customer(row) for row in db.execute(f"{_CUSTOMERS} ORDER BY name").fetchall()]


def set_suspended(db: Connection, name: str, since: int | None, reason: str) -> Customer:
    """Suspend a customer, or end its suspension (`since` None); returns what it was before. Raises `NotThere`."""
    key = customer_key(db, name)
    before = rows.customer(db.execute(f"{_CUSTOMERS} WHERE key = ?", (key,)).fetchone())
    if since is not None and before.suspended is not None:
        since, reason = rows.seconds(before.suspended.since), reason or before.suspended.reason
    db.execute("UPDATE customer SET suspended = ?, suspended_why = ? WHERE key = ?", (since, reason, key))
    following.note(db, name)
    return before


def remove(db: Connection, name: str, today: date, *, dry_run: bool) -> Holdings:
    """Remove a customer and all it has; returns what went. Raises `NotThere`, `RecordsError` (`in-force`)."""
    key = customer_key(db, name)
    held = licences(db, name)
    alive = [licence.product for licence in held if not licence.is_over(today)]
    suspended = db.execute("SELECT suspended FROM customer WHERE key = ?", (key,)).fetchone()[0] is not None
    if alive and not suspended:
        raise RecordsError(
            "in-force",
            f"{name} is licensed for {' '.join(alive)}: run 'spot-mirror customer suspend {name}' first, which can be"
            " undone. When nobody misses it, remove it.",
        )
    installations, lines = db.execute(_COUNTS, (key,)).fetchone()
    for statement in () if dry_run else _REMOVE:
        db.execute(statement, (key,))
    if not dry_run:
        db.execute(_SWEEP)
        following.note(db, name)
    return Holdings(tuple(licence.product for licence in held), installations, lines)


def grant(db: Connection, licence: Licence) -> Licence | None:
    """Grant a licence; returns the one it replaces. Raises `NotThere`, `RecordsError`."""
    checks.check_licence(licence)
    customer = customer_key(db, licence.customer)
    older = _licence(db, customer, licence.product)
    db.execute(
        "INSERT OR REPLACE INTO licence"
        " (customer, product, channels, valid_from, valid_until, installations) VALUES (?, ?, ?, ?, ?, ?)",
        (customer, *rows.licence_values(licence)),
    )
    following.note(db, licence.customer)
    return older


def end(db: Connection, customer: str, product: str, last_day: date) -> Licence:
    """Let a licence end, never later than it does already; one that would end before it begins is removed.

    Returns it as it ends. Raises `NotThere`, `RecordsError`.
    """
    with checks.checking():
        names.check_product(product)
    key = customer_key(db, customer)
    db.execute(
        "UPDATE licence SET valid_until = min(coalesce(valid_until, ?1), ?1) WHERE customer = ?2 AND product = ?3",
        (last_day.isoformat(), key, product),
    )
    licence = _licence(db, key, product)
    if licence is None:
        raise NotThere("no-licence", f"{customer} has no licence for {product}: see 'spot-mirror licence list'.")
    db.execute("DELETE FROM licence WHERE customer = ? AND product = ? AND valid_until < valid_from", (key, product))
    following.note(db, customer)
    return licence


def licences(db: Connection, customer: str | None = None) -> Sequence[Licence]:
    """Licences, ended ones too, by customer and product."""
    condition, values = ("", ()) if customer is None else ("WHERE c.name = ?", (customer,))
    found = db.execute(f"{_LICENCES} {condition} ORDER BY c.name, l.product", values).fetchall()
    return [rows.licence(row) for row in found]


def _licence(db: Connection, customer: int, product: str) -> Licence | None:
    row = db.execute(f"{_LICENCES} WHERE l.customer = ? AND l.product = ?", (customer, product)).fetchone()
    return None if row is None else rows.licence(row)
