"""The ledger's tables: made, migrated, and refused where they are not ours.

A ledger with a migration that this program does not know is of a newer version, and refused. Migrations do not lock
one another out: the vault does, which holds its file lock before it opens the ledger.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.db import Table
from sqlite_utils.migrations import Migrations

from ca.errors import VaultError

_FIRST = {"certificates", "crls"}
_TABLES = {*_FIRST, "lost"}
_migrations = Migrations("spot-ca")


@_migrations()
def m001_certificates_and_crls(db: Database) -> None:
    """The first shape."""
    table(db, "certificates").create(
        {
            "serial": str,
            "profile": str,
            "name": str,
            "who": str,
            "issuer_key": str,
            "not_before": int,
            "not_after": int,
            "fingerprint": str,
            "created": int,
            "certificate": bytes,
            "revoked_at": int,
            "reason": str,
        },
        pk="serial",
        not_null={"profile", "name", "who", "issuer_key", "not_before", "not_after", "fingerprint", "certificate"},
        strict=True,
    )
    table(db, "crls").create(
        {"issuer_key": str, "number": int, "this_update": int}, pk="issuer_key", not_null={"number"}, strict=True
    )


@_migrations()
def m002_descent(db: Database) -> None:
    """Under which certificate one was asked for, with which request, and how many may enrol with it."""
    for column in ("parent text", "request text", "uses integer"):
        db.execute(f"alter table certificates add column {column}")
    db.execute("create unique index certificates_request on certificates (request) where request is not null")


@_migrations()
def m003_lost(db: Database) -> None:
    """What a CRL of ours revokes, and this ledger has lost: after a restore from a backup."""
    table(db, "lost").create(
        {"serial": str, "issuer_key": str, "revoked_at": int, "reason": str},
        pk=("serial", "issuer_key"),
        not_null={"revoked_at", "reason"},
        strict=True,
    )


def prepare(connection: sqlite3.Connection, path: Path) -> Database:
    """A connection's database, with all its tables in the shape of today.

    Args:
        path: names the ledger in errors.

    Raises:
        VaultError: reason `damaged-ledger`, or `newer-version` for a ledger of a later program.
    """
    connection.execute("pragma synchronous = extra")
    if connection.execute("pragma quick_check").fetchall() != [("ok",)]:
        raise VaultError("damaged-ledger", f"The ledger {path} is damaged: restore it from a backup.")
    db = Database(connection, execute_plugins=False)
    known = {migration.name for migration in _migrations.pending(Database(memory=True, execute_plugins=False))}
    applied = {migration.name for migration in _migrations.applied(db)}
    if applied - known:
        raise VaultError("newer-version", f"The ledger {path} was written by a newer spot-ca: use that one.")
    if applied:
        _check_tables(db, path, _FIRST)  # before they are changed
    _migrations.apply(db)
    _check_tables(db, path, _TABLES)
    return db


def table(db: Database, name: str) -> Table:
    """A table by its name.

    Raises:
        VaultError: reason `damaged-ledger`.
    """
    found = db[name]
    if not isinstance(found, Table):
        raise VaultError("damaged-ledger", f"In the ledger, {name} is not a table: restore it from a backup.")
    return found


@contextmanager
def explained() -> Iterator[None]:
    """What the database says, in our words.

    Raises:
        VaultError: reason `locked`, `ledger-unwritable` or `damaged-ledger`.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise VaultError("locked", "The ledger is in use by another program: try again.") from error
        raise VaultError("ledger-unwritable", f"The ledger cannot be used: {error}. Nothing was recorded.") from error
    except sqlite3.DatabaseError as error:
        raise VaultError("damaged-ledger", f"The ledger is damaged: {error}. Restore it from a backup.") from error


def _check_tables(db: Database, path: Path, wanted: set[str]) -> None:
    if not wanted <= set(db.table_names()):  # a table that is missing reads like an empty one
        raise VaultError("damaged-ledger", f"The ledger {path} lacks a table: restore it from a backup.")
