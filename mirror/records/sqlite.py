"""Records in one SQLite file: the default store.

The identical thin snapshot is stored once, whoever sends it: a line of history points to its content, which is found by
the SHA-256 of its canonical bytes. No call that serving a request makes looks at more rows than it returns or writes.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Final

from mirror.errors import RecordsError
from mirror.records import asking, checks, following, history, licensing, rows
from mirror.records.protocol import C, Customer, Holder, Installation, Licence, Records, ThinSnapshot
from mirror.records.requests import Answered, Asked, Owned, Waiting
from mirror.records.sqlite_file import SqliteFile, open_file
from mirror.records.told import Changed, Holdings, Minted, Received
from spot_client.wire.installation import INSTALLATION_ID

FILE_NAME: Final = "records.sqlite"
"""What the file is called in the mirror's data folder."""

_WAIT_SECONDS = 10
_MAX_DRAWS = 100  # of a million installations, one draw in a million is taken: a hundred in a row are a broken source
_AFTER_IDS = "~"  # sorts behind every character of an id

_INSTALLATIONS = """SELECT i.id, c.name, i.enrolled, i.last_seen,
        (SELECT last FROM line WHERE installation = i.key ORDER BY key DESC LIMIT 1)
    FROM installation i JOIN customer c ON c.key = i.customer"""
_LINES = """SELECT i.id, l.content, t.components, l.first, l.last
    FROM installation i JOIN customer c ON c.key = i.customer
    JOIN line l ON l.installation = i.key JOIN content t ON t.key = l.content"""
_NEWEST = "WHERE l.key = (SELECT max(key) FROM line WHERE installation = i.key)"


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


def walk(db: Connection) -> None:
    """Read all that a mirror reads: customers, licences, installations, their newest thin snapshots.

    Raises:
        StoreFault: reason `damaged`: a row cannot be read.
        sqlite3.Error: the file cannot be read.
    """
    licensing.customers(db)
    licensing.licences(db)
    for row in db.execute(_INSTALLATIONS):
        rows.installation(row)
    for row in db.execute(f"{_LINES} {_NEWEST}"):
        rows.thin_snapshots([row])


class _SqliteRecords(Records):
    """What each call does stands in the protocol."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def add_customer(self, name: str, now: datetime) -> Customer:
        with self._file.writing() as db:
            return licensing.add(db, name, rows.seconds(now))

    def customers(self) -> Sequence[Customer]:
        with self._file.reading() as db:
            return licensing.customers(db)

    def suspend(self, name: str, reason: str, now: datetime) -> Customer:
        checks.check_reason(reason)
        with self._file.writing() as db:
            return licensing.set_suspended(db, name, rows.seconds(now), reason)

    def resume(self, name: str) -> Customer:
        with self._file.writing() as db:
            return licensing.set_suspended(db, name, None, "")

    def remove_customer(self, name: str, today: date, *, dry_run: bool = False) -> Holdings:
        with self._file.writing(wipe=not dry_run) as db:
            return licensing.remove(db, name, today, dry_run=dry_run)

    def change(self, decide: Callable[[Sequence[Customer], Sequence[Licence]], C], now: datetime) -> C:
        with self._file.writing() as db:
            changes = decide(licensing.customers(db), licensing.licences(db))
            for name in changes.add:
                licensing.add(db, name, rows.seconds(now))
            for licence in changes.grant:
                licensing.grant(db, licence)
            for licence in changes.end:
                licensing.end(db, licence.customer, licence.product, licence.valid_until or date.max)
        return changes

    def grant(self, licence: Licence) -> Licence | None:
        with self._file.writing() as db:
            return licensing.grant(db, licence)

    def end_licence(self, customer: str, product: str, last_day: date) -> Licence:
        with self._file.writing() as db:
            return licensing.end(db, customer, product, last_day)

    def licences(self, customer: str | None = None) -> Sequence[Licence]:
        with self._file.reading() as db:
            return licensing.licences(db, customer)

    def mint(self, customer: str, request: bytes, draw: Callable[[], str], now: datetime) -> Installation:
        same = f"{_INSTALLATIONS} WHERE i.customer = ? AND i.request = ?"
        with self._file.writing() as db:
            key = licensing.customer_key(db, customer)
            row = db.execute(same, (key, request)).fetchone()
            if row is None:
                db.execute(
                    "INSERT INTO installation (key, id, customer, request, enrolled, last_seen)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
                    (following.next_number(db), _draw_free(db, draw), key, request, rows.seconds(now)),
                )
                row = db.execute(same, (key, request)).fetchone()
        return rows.installation(row)

    def installation(self, installation: str) -> Installation | None:
        with self._file.reading() as db:
            row = db.execute(f"{_INSTALLATIONS} WHERE i.id = ?", (installation,)).fetchone()
        return None if row is None else rows.installation(row)

    def installations(
        self, customer: str | None = None, prefix: str = "", *, after: str = "", limit: int | None = None
    ) -> Sequence[Installation]:
        condition, values = "WHERE i.id BETWEEN ? AND ? AND i.id > ?", [prefix, prefix + _AFTER_IDS, after]
        if customer is not None:
            condition, values = f"{condition} AND c.name = ?", [*values, customer]
        order = f"ORDER BY c.name, i.id LIMIT {-1 if limit is None else limit:d}"
        with self._file.reading() as db:
            found = db.execute(f"{_INSTALLATIONS} {condition} {order}", values).fetchall()
        return [rows.installation(row) for row in found]

    def seen(self, moments: Mapping[str, datetime]) -> None:
        with self._file.writing() as db:
            db.executemany(
                "UPDATE installation SET last_seen = ?1 WHERE id = ?2 AND last_seen < ?1",
                ((rows.seconds(moment), installation) for installation, moment in moments.items()),
            )

    def put_thin_snapshot(self, installation: str, components: Mapping[str, str], now: datetime) -> bool:
        content = history.content(components)
        with self._file.writing() as db:
            return history.put(db, installation, content, rows.seconds(now))

    def put_thin_snapshots(self, batch: Sequence[Received]) -> Sequence[bool | RecordsError]:
        with self._file.writing() as db:
            return [history.put_received(db, one) for one in batch]

    def thin_snapshots(self, installation: str, limit: int | None = None) -> Sequence[ThinSnapshot]:
        values = (installation, -1 if limit is None else limit)
        with self._file.reading() as db:
            found = db.execute(f"{_LINES} WHERE i.id = ? ORDER BY l.key DESC LIMIT ?", values).fetchall()
        return rows.thin_snapshots(found)

    def newest_thin_snapshots(self, customer: str | None = None) -> Sequence[ThinSnapshot]:
        condition, values = _NEWEST, []
        if customer is not None:
            condition, values = f"{condition} AND c.name = ?", [customer]
        with self._file.reading() as db:
            found = db.execute(f"{_LINES} {condition} ORDER BY i.id", values).fetchall()
        return rows.thin_snapshots(found)

    def marker(self) -> int:
        with self._file.reading() as db:
            number: int = db.execute("SELECT number FROM marker").fetchone()[0]
        return number

    def changes(self, since: int) -> Changed:
        with self._file.reading() as db:
            return following.changes(db, since)

    def holder(self, name: str) -> Holder | None:
        with self._file.reading() as db:
            return following.holder(db, name)

    def holders(self, after: str, limit: int) -> Sequence[Holder]:
        with self._file.reading() as db:
            return following.holders(db, after, limit)

    def minted(self, after: int, limit: int) -> Sequence[Minted]:
        with self._file.reading() as db:
            return following.minted(db, after, limit)

    def ask(self, asked: Asked, now: datetime) -> Answered:
        with self._file.writing() as db:
            return asking.ask(db, asked, rows.seconds(now))

    def waiting(self, after: int, limit: int) -> Sequence[Waiting]:
        with self._file.reading() as db:
            return asking.waiting(db, after, limit)

    def find_request(self, digest: bytes) -> Asked | None:
        with self._file.reading() as db:
            return asking.find(db, digest)

    def answer(self, digest: bytes, answered: Answered, now: datetime) -> bool:
        with self._file.writing() as db:
            return asking.answer(db, digest, answered, rows.seconds(now))

    def owned(self, after: int, limit: int) -> Sequence[Owned]:
        with self._file.reading() as db:
            return asking.owned(db, after, limit)

    def close(self) -> None:
        self._file.close()


def _draw_free(db: Connection, draw: Callable[[], str]) -> str:
    for _ in range(_MAX_DRAWS):
        drawn = draw()
        if not INSTALLATION_ID.fullmatch(drawn):
            raise RecordsError("bad-name", "What was drawn is not an id of an installation: nothing was stored.")
        if not db.execute("SELECT 1 FROM installation WHERE substr(id, 1, 8) = ?", (drawn[:8],)).fetchone():
            return drawn
    raise RecordsError("no-free-id", f"{_MAX_DRAWS} ids in a row were taken: look to this machine's random numbers.")
