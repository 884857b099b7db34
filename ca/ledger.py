"""The ledger: every certificate this CA ever signed, written before it is handed out, and never deleted.

SQLite through sqlite-utils. The classic rollback journal with full flushing, not WAL: few write at a time, and one
file is easily backed up. A row holds the certificate itself, so a run killed before it wrote the file loses nothing.
Numbers of CRLs are taken from here and never given twice, whether or not a CRL with that number came to be.

A ledger with a migration that this program does not know is of a newer version, and refused. Migrations do not lock
one another out: the vault does, which holds its file lock before it opens the ledger.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import msgspec
from cryptography import x509
from sqlite_utils import Database
from sqlite_utils.db import Table
from sqlite_utils.migrations import Migrations

from ca.errors import VaultError
from ca.reading import UNREADABLE

_LOCK_SECONDS = 10
_MAX_STEP = timedelta(minutes=5)  # how far the last CRL may lie ahead of the clock
_NEVER = datetime.fromtimestamp(0, UTC)
_migrations = Migrations("spot-ca")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate. `serial` and the key identifiers are lower-case hex; times are whole seconds, UTC.

    who: the realm of a CA, the identity's URI of a client, DNS names and addresses of a server.
    issuer_key: key identifier of the CA that signed it.
    fingerprint: SHA-256 of the DER, hex.
    certificate: DER.
    """

    serial: str
    profile: str
    name: str
    who: str
    issuer_key: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    created: datetime
    certificate: bytes
    revoked_at: datetime | None = None
    reason: str | None = None


_TIMES = ("not_before", "not_after", "created", "revoked_at")


@_migrations()
def m001_certificates_and_crls(db: Database) -> None:
    """The first shape."""
    _table(db, "certificates").create(
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
    _table(db, "crls").create(
        {"issuer_key": str, "number": int, "this_update": int}, pk="issuer_key", not_null={"number"}, strict=True
    )


def certificate_of(entry: Entry) -> x509.Certificate:
    """The certificate of an entry.

    Raises:
        VaultError: reason `damaged-ledger`.
    """
    try:
        return x509.load_der_x509_certificate(entry.certificate)
    except UNREADABLE as error:
        sentence = f"The ledger's certificate {entry.serial} cannot be read: restore the ledger from a backup."
        raise VaultError("damaged-ledger", sentence) from error


class Ledger:
    """One open ledger; close it, or use it as a context manager. Every method may raise VaultError (`damaged-ledger`,
    `locked`, or `ledger-unwritable`, of which a full disk is one)."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Open the ledger at `path`.

        Raises:
            VaultError: also reason `missing-file`, and `newer-version` for a ledger of a later program.
        """
        if not create and not path.is_file():
            raise VaultError("missing-file", f"There is no ledger {path}: restore it from a backup.")
        with _explained():
            connection = sqlite3.connect(f"file:{quote(str(path))}", uri=True, timeout=_LOCK_SECONDS)
        try:
            with _explained():
                self._db = _prepare(connection, path)
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def add(self, entry: Entry) -> None:
        """Record a certificate. When this returns, it is on the disk."""
        row: dict[str, Any] = msgspec.structs.asdict(entry)
        row.update({column: _seconds(row[column]) for column in _TIMES})
        with self._write():
            _table(self._db, "certificates").insert(row)

    def entries(self) -> list[Entry]:
        """Everything ever recorded, oldest first."""
        with _explained():
            return [_entry(row) for row in _table(self._db, "certificates").rows_where(order_by="rowid")]

    def entry(self, serial: str) -> Entry | None:
        """The certificate with this serial number, lower-case hex; None if it was never recorded."""
        with _explained():
            rows = list(_table(self._db, "certificates").rows_where("serial = ?", [serial]))
        return _entry(rows[0]) if rows else None

    def revoke(self, serial: str, at: datetime, reason: str) -> None:
        """Mark a certificate as revoked; one that already is keeps its first date and reason."""
        with self._write():
            self._db.execute(
                "update certificates set revoked_at = ?, reason = ? where serial = ? and revoked_at is null",
                [_seconds(at), reason, serial],
            )

    def next_crl(
        self, issuer_key: str, now: datetime, published: tuple[int, datetime] = (0, _NEVER)
    ) -> tuple[int, datetime]:
        """The number and thisUpdate for the next CRL of an issuer, both greater than any before.

        Args:
            published: those of the CRL that was published last; after a restore, this ledger may not know of it.

        Raises:
            VaultError: also reason `clock-behind`, if the last CRL lies in the future.
        """
        with self._write():
            recorded = self._db.execute(
                "select number, this_update from crls where issuer_key = ?", [issuer_key]
            ).fetchone() or (0, 0)
            number = max(recorded[0], published[0]) + 1
            last = max(_time(recorded[1]), published[1])
            this_update = max(now.replace(microsecond=0), last + timedelta(seconds=1))
            if this_update > now + _MAX_STEP:
                raise VaultError("clock-behind", _clock_behind(last, now))
            self._db.execute(
                "insert or replace into crls (issuer_key, number, this_update) values (?, ?, ?)",
                [issuer_key, number, _seconds(this_update)],
            )
        return number, this_update

    def last_crl(self, issuer_key: str) -> tuple[int, datetime] | None:
        """Number and thisUpdate that the last CRL of an issuer was given; None before the first."""
        with _explained():
            row = self._db.execute("select number, this_update from crls where issuer_key = ?", [issuer_key]).fetchone()
        return None if row is None else (row[0], _time(row[1]))

    @contextmanager
    def _write(self) -> Iterator[None]:
        with _explained():
            self._db.execute("begin immediate")  # sqlite-utils' own `atomic` would be deferred
            try:
                yield
                self._db.conn.commit()
            except BaseException:
                self._db.conn.rollback()
                raise


def _prepare(connection: sqlite3.Connection, path: Path) -> Database:
    connection.execute("pragma synchronous = extra")
    if connection.execute("pragma quick_check").fetchall() != [("ok",)]:
        raise VaultError("damaged-ledger", f"The ledger {path} is damaged: restore it from a backup.")
    db = Database(connection, execute_plugins=False)
    known = {migration.name for migration in _migrations.pending(Database(memory=True, execute_plugins=False))}
    if {migration.name for migration in _migrations.applied(db)} - known:
        raise VaultError("newer-version", f"The ledger {path} was written by a newer spot-ca: use that one.")
    _migrations.apply(db)
    if not {"certificates", "crls"} <= set(db.table_names()):  # a table that is missing reads like an empty one
        raise VaultError("damaged-ledger", f"The ledger {path} lacks a table: restore it from a backup.")
    return db


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise VaultError("locked", "The ledger is in use by another program: try again.") from error
        raise VaultError("ledger-unwritable", f"The ledger cannot be used: {error}. Nothing was recorded.") from error
    except sqlite3.DatabaseError as error:
        raise VaultError("damaged-ledger", f"The ledger is damaged: {error}. Restore it from a backup.") from error


def _clock_behind(last: datetime, now: datetime) -> str:
    # A mirror whose clock is right refuses a CRL from the future: it will take one from before that instead.
    return (
        f"The last CRL is of {last:%Y-%m-%d %H:%M:%S} UTC, and this host's clock says {now:%Y-%m-%d %H:%M:%S} UTC: "
        "set the clock right. If it is right now, it was wrong then: wait until that time, or restore ledger.sqlite "
        "and crl/ from a backup made before it, and issue and revoke again what came after."
    )


def _entry(row: dict[str, Any]) -> Entry:
    try:
        int(row["serial"], 16)  # whoever reads an entry counts on it
        row.update({column: _time(row[column]) for column in _TIMES if row[column] is not None})
        return Entry(**row)
    except (ArithmeticError, KeyError, OSError, TypeError, ValueError) as error:  # a date beyond all calendars
        sentence = f"A row of the ledger cannot be read ({error}): restore it from a backup."
        raise VaultError("damaged-ledger", sentence) from error


def _seconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp())


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _table(db: Database, name: str) -> Table:
    table = db[name]
    if not isinstance(table, Table):
        raise VaultError("damaged-ledger", f"In the ledger, {name} is not a table: restore it from a backup.")
    return table
