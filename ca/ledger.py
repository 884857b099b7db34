"""The ledger: every certificate this CA ever signed, written before it is handed out, and never deleted.

SQLite through sqlite-utils. The classic rollback journal with full flushing, not WAL: few write at a time, and one
file is easily backed up. A row holds the certificate itself, so a run killed before it wrote the file loses nothing.
Numbers of CRLs are taken from here and never given twice, whether or not a CRL with that number came to be.

It knows descent: a certificate that was asked for under another one names that as its parent, and the request that it
answers. So all that came of a stolen key can be revoked with it, and no request is answered twice.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import msgspec

from ca.entry import Entry
from ca.errors import VaultError
from ca.issue import Revoked
from ca.tables import explained, prepare, table

_LOCK_SECONDS = 10
_MAX_STEP = timedelta(minutes=5)  # how far the last CRL may lie ahead of the clock
_NEVER = datetime.fromtimestamp(0, UTC)
_TIMES = ("not_before", "not_after", "created", "revoked_at")


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
        with explained():
            connection = sqlite3.connect(f"file:{quote(str(path))}", uri=True, timeout=_LOCK_SECONDS)
        try:
            with explained():
                self._db = prepare(connection, path)
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
        """Record a certificate. When this returns, it is on the disk.

        Raises:
            VaultError: also reason `already-answered`, if its request has a certificate already.
        """
        row: dict[str, Any] = msgspec.structs.asdict(entry)
        row.update({column: _seconds(row[column]) for column in _TIMES})
        with self._write():
            if entry.request is not None and self.by_request(entry.request) is not None:
                sentence = "That request has its certificate already, and gets no second one: hand out the first."
                raise VaultError("already-answered", sentence)
            table(self._db, "certificates").insert(row)

    def entries(self) -> list[Entry]:
        """Everything ever recorded, oldest first."""
        with explained():
            return [_entry(row) for row in table(self._db, "certificates").rows_where(order_by="rowid")]

    def entry(self, serial: str) -> Entry | None:
        """The certificate with this serial number, lower-case hex; None if it was never recorded."""
        return self._one("serial = ?", serial)

    def by_request(self, digest: str) -> Entry | None:
        """The certificate that answers a request, by the SHA-256 of its DER in hex; None if it has none yet."""
        return self._one("request = ?", digest)

    def revoke(self, serials: Iterable[str], at: datetime, reason: str) -> None:
        """Mark certificates as revoked, all or none; one that already is keeps its first date and reason."""
        with self._write():
            self._mark((serial, at, reason) for serial in serials)

    def take_over(self, issuer_key: str, *, forgotten: Iterable[Revoked], lost: Iterable[Revoked]) -> None:
        """Know as revoked what a CRL of this issuer revokes, all or nothing of it.

        Args:
            forgotten: certificates that are recorded here. lost: those that are not.
        """
        with self._write():
            self._mark((f"{one.serial:x}", one.at, one.reason) for one in forgotten)
            rows = [(f"{one.serial:x}", issuer_key, _seconds(one.at), one.reason) for one in lost]
            for row in rows:
                self._db.execute("insert or ignore into lost values (?, ?, ?, ?)", row)

    def lost(self, issuer_key: str) -> list[Revoked]:
        """What is revoked of this issuer without being recorded here, from `take_over`."""
        with explained():
            rows = self._db.execute(
                "select serial, revoked_at, reason from lost where issuer_key = ? order by rowid", [issuer_key]
            ).fetchall()
        try:
            return [Revoked(int(serial, 16), _time(at), reason) for serial, at, reason in rows]
        except (ArithmeticError, OSError, ValueError) as error:
            sentence = f"A row of the ledger cannot be read ({error}): restore it from a backup."
            raise VaultError("damaged-ledger", sentence) from error

    def copy(self, path: Path) -> None:
        """Write all of this ledger to a new file, as it is at one moment."""
        with explained():
            target = sqlite3.connect(f"file:{quote(str(path))}", uri=True)
            try:
                self._db.conn.backup(target)
            finally:
                target.close()

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
        with explained():
            row = self._db.execute("select number, this_update from crls where issuer_key = ?", [issuer_key]).fetchone()
        return None if row is None else (row[0], _time(row[1]))

    def _mark(self, revoked: Iterable[tuple[str, datetime, str]]) -> None:
        for serial, at, reason in revoked:
            self._db.execute(
                "update certificates set revoked_at = ?, reason = ? where serial = ? and revoked_at is null",
                [_seconds(at), reason, serial],
            )

    def _one(self, condition: str, value: str) -> Entry | None:
        with explained():
            rows = list(table(self._db, "certificates").rows_where(condition, [value]))
        return _entry(rows[0]) if rows else None

    @contextmanager
    def _write(self) -> Iterator[None]:
        with explained():
            self._db.execute("begin immediate")  # sqlite-utils' own `atomic` would be deferred
            try:
                yield
                self._db.conn.commit()
            except BaseException:
                self._db.conn.rollback()
                raise


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
