"""Records in one SQLite file: the default store.

The identical thin snapshot is stored once, whoever sends it: a line of history points to its content, which is found by
the SHA-256 of its canonical bytes. No call that serving a request makes looks at more rows than it returns or writes.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from sqlite3 import Connection
from typing import Final

from ca import strict_json
from mirror.errors import AlreadyThere, NotThere, RecordsError
from mirror.records import rows
from mirror.records.protocol import Customer, Installation, Licence, Records, ThinSnapshot
from mirror.records.sqlite_file import SqliteFile, open_file
from spot_client.wire import names, thin_snapshot
from spot_client.wire.installation import INSTALLATION_ID

FILE_NAME: Final = "records.sqlite"
"""What the file is called in the mirror's data folder."""

_WAIT_SECONDS = 10
_MAX_DRAWS = 100  # of a million installations, one draw in a million is taken: a hundred in a row are a broken source
_AFTER_IDS = "~"  # sorts behind every character of an id

_LICENCES = """SELECT c.name, l.product, l.channels, l.valid_from, l.valid_until, l.installations
    FROM licence l JOIN customer c ON c.key = l.customer"""
_INSTALLATIONS = """SELECT i.id, c.name, i.enrolled, i.last_seen,
        (SELECT last FROM line WHERE installation = i.key ORDER BY key DESC LIMIT 1)
    FROM installation i JOIN customer c ON c.key = i.customer"""
_LINES = """SELECT i.id, l.content, t.components, l.first, l.last
    FROM installation i JOIN customer c ON c.key = i.customer
    JOIN line l ON l.installation = i.key JOIN content t ON t.key = l.content"""


def open_records(path: Path, *, create: bool = False, wait_seconds: float = _WAIT_SECONDS) -> Records:
    """Open the store at `path`; with `create`, make it (readable by its owner only) if there is none.

    Args:
        wait_seconds: how long a call waits for other processes that write.

    Raises:
        NotThere: reason `no-store`.
        StoreFault: reason `locked`, `damaged`, `newer`, `no-space`, `no-permission` or `unusable`; any call may.
        OSError: the folder is missing or cannot be written.
    """
    return _SqliteRecords(open_file(path, create=create, wait_seconds=wait_seconds))


class _SqliteRecords(Records):
    """What each call does stands in the protocol."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def add_customer(self, name: str, now: datetime) -> Customer:
        with rows.checking():
            names.check_id("customer", name)
        added = rows.seconds(now)
        with self._file.writing() as db:
            if db.execute("SELECT 1 FROM customer WHERE name = ?", (name,)).fetchone():
                raise AlreadyThere("customer-exists", f"There is a customer {name} already; nothing was changed.")
            db.execute("INSERT INTO customer (name, added) VALUES (?, ?)", (name, added))
            _mark(db)
        return Customer(name, rows.moment(added))

    def customers(self) -> Sequence[Customer]:
        with self._file.reading() as db:
            found = db.execute("SELECT name, added FROM customer ORDER BY name").fetchall()
        return [Customer(name, rows.moment(added)) for name, added in found]

    def grant(self, licence: Licence) -> Licence | None:
        rows.check_licence(licence)
        with self._file.writing() as db:
            customer = _customer_key(db, licence.customer)
            older = _licence_of(db, customer, licence.product)
            db.execute(
                "INSERT OR REPLACE INTO licence"
                " (customer, product, channels, valid_from, valid_until, installations) VALUES (?, ?, ?, ?, ?, ?)",
                (customer, *rows.licence_values(licence)),
            )
            _mark(db)
        return older

    def end_licence(self, customer: str, product: str, last_day: date) -> Licence:
        with self._file.writing() as db:
            key = _customer_key(db, customer)
            db.execute(
                "UPDATE licence SET valid_until = min(coalesce(valid_until, ?1), ?1)"
                " WHERE customer = ?2 AND product = ?3",
                (last_day.isoformat(), key, product),
            )
            licence = _licence_of(db, key, product)
            if licence is None:
                raise NotThere(
                    "no-licence", f"{customer} has no licence for {product}: see 'spot-mirror licence list'."
                )
            _mark(db)
        return licence

    def licences(self, customer: str | None = None) -> Sequence[Licence]:
        condition, values = ("", ()) if customer is None else ("WHERE c.name = ?", (customer,))
        with self._file.reading() as db:
            found = db.execute(f"{_LICENCES} {condition} ORDER BY c.name, l.product", values).fetchall()
        return [rows.licence(row) for row in found]

    def mint(self, customer: str, request: bytes, draw: Callable[[], str], now: datetime) -> Installation:
        same = f"{_INSTALLATIONS} WHERE i.customer = ? AND i.request = ?"
        with self._file.writing() as db:
            key = _customer_key(db, customer)
            row = db.execute(same, (key, request)).fetchone()
            if row is None:
                db.execute(
                    "INSERT INTO installation (id, customer, request, enrolled, last_seen) VALUES (?1, ?2, ?3, ?4, ?4)",
                    (_draw_free(db, draw), key, request, rows.seconds(now)),
                )
                _mark(db)
                row = db.execute(same, (key, request)).fetchone()
        return rows.installation(row)

    def installation(self, installation: str) -> Installation | None:
        with self._file.reading() as db:
            row = db.execute(f"{_INSTALLATIONS} WHERE i.id = ?", (installation,)).fetchone()
        return None if row is None else rows.installation(row)

    def installations(self, customer: str | None = None, prefix: str = "") -> Sequence[Installation]:
        condition, values = "WHERE i.id BETWEEN ? AND ?", [prefix, prefix + _AFTER_IDS]
        if customer is not None:
            condition, values = f"{condition} AND c.name = ?", [*values, customer]
        with self._file.reading() as db:
            found = db.execute(f"{_INSTALLATIONS} {condition} ORDER BY c.name, i.id", values).fetchall()
        return [rows.installation(row) for row in found]

    def seen(self, moments: Mapping[str, datetime]) -> None:
        with self._file.writing() as db:
            db.executemany(
                "UPDATE installation SET last_seen = ?1 WHERE id = ?2 AND last_seen < ?1",
                ((rows.seconds(moment), installation) for installation, moment in moments.items()),
            )

    def put_thin_snapshot(self, installation: str, components: Mapping[str, str], now: datetime) -> bool:
        with rows.checking():
            thin_snapshot.encode(components)
        content = strict_json.encode(dict(components))  # without the format's number: a new one is no new content
        with self._file.writing() as db:
            return _put_line(db, installation, content, rows.seconds(now))

    def thin_snapshots(self, installation: str, limit: int | None = None) -> Sequence[ThinSnapshot]:
        values = (installation, -1 if limit is None else limit)
        with self._file.reading() as db:
            found = db.execute(f"{_LINES} WHERE i.id = ? ORDER BY l.key DESC LIMIT ?", values).fetchall()
        return rows.thin_snapshots(found)

    def newest_thin_snapshots(self, customer: str | None = None) -> Sequence[ThinSnapshot]:
        condition, values = "WHERE l.key = (SELECT max(key) FROM line WHERE installation = i.key)", []
        if customer is not None:
            condition, values = f"{condition} AND c.name = ?", [customer]
        with self._file.reading() as db:
            found = db.execute(f"{_LINES} {condition} ORDER BY i.id", values).fetchall()
        return rows.thin_snapshots(found)

    def marker(self) -> int:
        with self._file.reading() as db:
            number: int = db.execute("SELECT number FROM marker").fetchone()[0]
        return number

    def close(self) -> None:
        self._file.close()


def _mark(db: Connection) -> None:
    db.execute("UPDATE marker SET number = number + 1")


def _customer_key(db: Connection, name: str) -> int:
    row = db.execute("SELECT key FROM customer WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise NotThere("no-customer", f"There is no customer {name}: run 'spot-mirror customer add {name}' first.")
    key: int = row[0]
    return key


def _licence_of(db: Connection, customer: int, product: str) -> Licence | None:
    row = db.execute(f"{_LICENCES} WHERE l.customer = ? AND l.product = ?", (customer, product)).fetchone()
    return None if row is None else rows.licence(row)


def _draw_free(db: Connection, draw: Callable[[], str]) -> str:
    for _ in range(_MAX_DRAWS):
        drawn = draw()
        if not INSTALLATION_ID.fullmatch(drawn):
            raise RecordsError("bad-name", "What was drawn is not an id of an installation: nothing was stored.")
        if not db.execute("SELECT 1 FROM installation WHERE substr(id, 1, 8) = ?", (drawn[:8],)).fetchone():
            return drawn
    raise RecordsError("no-free-id", f"{_MAX_DRAWS} ids in a row were taken: look to this machine's random numbers.")


def _put_line(db: Connection, installation: str, content: bytes, now: int) -> bool:
    """Store a line of history, or move the newest one's end; True if it is a new line. `now` in seconds since 1970."""
    seen = "UPDATE installation SET last_seen = max(last_seen, ?) WHERE id = ? RETURNING key"
    found = db.execute(seen, (now, installation)).fetchall()
    if not found:
        raise NotThere("no-installation", f"There is no installation {installation[:80]!r}.")
    key, digest = found[0][0], sha256(content).digest()
    newest = db.execute(
        "SELECT l.key, t.digest FROM line l JOIN content t ON t.key = l.content"
        " WHERE l.installation = ? ORDER BY l.key DESC LIMIT 1",
        (key,),
    ).fetchone()
    if newest is not None and newest[1] == digest:
        db.execute("UPDATE line SET last = max(last, ?) WHERE key = ?", (now, newest[0]))
        return False
    db.execute(
        "INSERT INTO content (digest, components) VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, content.decode())
    )
    db.execute(
        "INSERT INTO line (installation, content, first, last)"
        " VALUES (?1, (SELECT key FROM content WHERE digest = ?2), ?3, ?3)",
        (key, digest, now),
    )
    return True
