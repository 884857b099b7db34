"""The tables of the records, and how an older file becomes a newer one.

Steps are only ever added, at the end, and never changed once released: a file says by name which it has been through.
A file that knows a step which is not here was written by a newer spot-mirror, and is left alone.

Keys are integers, so that a line of history is some 30 bytes: a store may come to hold ten million of them. Moments
are whole seconds since 1970 in UTC, days are ISO 8601 text, both as the protocol has them.
"""

import sqlite3
from contextlib import closing
from typing import Final

from sqlite_utils import Database, Migrations

from mirror.errors import StoreFault

_TABLES = """
CREATE TABLE customer (
    key INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    added INTEGER NOT NULL
) STRICT;
CREATE TABLE licence (
    customer INTEGER NOT NULL REFERENCES customer (key),
    product TEXT NOT NULL,
    channels TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_until TEXT,
    installations INTEGER NOT NULL,
    PRIMARY KEY (customer, product)
) STRICT, WITHOUT ROWID;
CREATE TABLE installation (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    customer INTEGER NOT NULL REFERENCES customer (key),
    request BLOB NOT NULL,
    enrolled INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    UNIQUE (customer, request)
) STRICT;
CREATE UNIQUE INDEX installation_short ON installation (substr(id, 1, 8));
CREATE TABLE content (
    key INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    components TEXT NOT NULL
) STRICT;
CREATE TABLE line (
    key INTEGER PRIMARY KEY,
    installation INTEGER NOT NULL REFERENCES installation (key),
    content INTEGER NOT NULL REFERENCES content (key),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT;
CREATE INDEX line_installation ON line (installation);
CREATE TABLE marker (number INTEGER NOT NULL) STRICT;
INSERT INTO marker VALUES (0);
"""

_SUSPENSION = """
ALTER TABLE customer ADD COLUMN suspended INTEGER;
ALTER TABLE customer ADD COLUMN suspended_why TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX installation_customer ON installation (customer, id);
"""

# Keys of customers and installations are numbers of the marker from here on, so that none is ever given twice.
_CHANGES = """
CREATE TABLE change (number INTEGER PRIMARY KEY, customer TEXT NOT NULL) STRICT;
UPDATE marker SET number = max(
    number,
    (SELECT coalesce(max(key), 0) FROM customer),
    (SELECT coalesce(max(key), 0) FROM installation)
);
ALTER TABLE marker ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
UPDATE marker SET forgotten = number;
"""

_REQUESTS = """
CREATE TABLE request (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    installation INTEGER NOT NULL REFERENCES installation (key),
    customer INTEGER NOT NULL REFERENCES customer (key),
    enrols INTEGER NOT NULL,
    request BLOB NOT NULL,
    requester BLOB NOT NULL,
    received INTEGER NOT NULL,
    answered INTEGER,
    certificate BLOB,
    denied TEXT
) STRICT;
CREATE INDEX request_waiting ON request (number) WHERE answered IS NULL;
CREATE INDEX request_customer ON request (customer) WHERE answered IS NULL;
CREATE INDEX request_installation ON request (installation, answered);
ALTER TABLE installation ADD COLUMN own INTEGER;
CREATE UNIQUE INDEX installation_own ON installation (own) WHERE own IS NOT NULL;
"""


def _tables(db: Database) -> None:
    db.executescript(_TABLES)


def _suspension(db: Database) -> None:
    db.executescript(_SUSPENSION)


def _changes(db: Database) -> None:
    db.executescript(_CHANGES)


def _requests(db: Database) -> None:
    db.executescript(_REQUESTS)


_STEPS: Final = {
    "0001-tables": _tables,
    "0002-suspension": _suspension,
    "0003-changes": _changes,
    "0004-requests": _requests,
}

_NO_RECORDS: Final = "The records' file holds no records: restore it from a backup."

_migrations = Migrations("records")
for _name, _step in _STEPS.items():
    _migrations(name=_name)(_step)


def migrate(connection: sqlite3.Connection, *, new: bool) -> None:
    """Bring a file up to date: a write-ahead log, and every step it lacks. The caller holds the lock around it.

    Args:
        new: the file has just been made; otherwise one without any step is refused, since it lost its tables.

    Raises:
        StoreFault: reason `newer` or `damaged`; the file stays as it was.
    """
    db = Database(connection, execute_plugins=False)
    try:
        applied = {step.name for step in _migrations.applied(db)}
    except KeyError as error:  # its own table has other columns
        raise StoreFault("damaged", _NO_RECORDS) from error
    if applied - _STEPS.keys():
        raise StoreFault("newer", "The records were written by a newer spot-mirror: update this one, then try again.")
    if not applied and not new:
        raise StoreFault("damaged", _NO_RECORDS)
    db.enable_wal()
    _migrations.apply(db)


def lost(connection: sqlite3.Connection) -> list[str]:
    """The names of tables and indexes that the steps made which a file has been through, and that it has not as such.

    Reads only. What somebody added is let be.
    """
    db = Database(connection, execute_plugins=False)
    pending = [step.name for step in _migrations.pending(db)]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        fresh = Database(memory, execute_plugins=False)
        _migrations.apply(fresh, stop_before=pending[:1])
        return sorted(name for name, _ in _shape(fresh) - _shape(db))


def _shape(db: Database) -> set[tuple[str, str | None]]:
    found = db.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%sqlite_migrations%'").fetchall()
    return {(name, sql) for name, sql in found}
