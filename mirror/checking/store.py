"""The records' file, opened so that nothing can be written to it: by SQLite's own word, not by our restraint.

A file that nobody has open is read as one that cannot change (`immutable`): otherwise SQLite would lay a log beside it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

from ca.finding import Finding, good
from mirror.checking.noted import Licences, Noted
from mirror.errors import StoreFault
from mirror.records.schema import lost, migrate
from mirror.records.sqlite import walk

_WAIT_SECONDS: Final = 5.0
_SOON: Final = timedelta(days=30)
_COUNT_LICENCES: Final = """
SELECT count(*) FILTER (WHERE valid_from <= :today AND (valid_until IS NULL OR valid_until >= :soon)),
    count(*) FILTER (WHERE valid_from <= :today AND valid_until >= :today AND valid_until < :soon),
    count(*) FILTER (WHERE valid_from > :today AND (valid_until IS NULL OR valid_until >= :today)),
    count(*) FILTER (WHERE valid_until < :today),
    min(valid_until) FILTER (WHERE valid_from <= :today AND valid_until >= :today)
FROM licence
"""
_RESTORE: Final = "Stop the mirror, and restore them from a backup."
_CODES: Final = {
    sqlite3.SQLITE_BUSY: ("locked", "Try again when the other process is done."),
    sqlite3.SQLITE_LOCKED: ("locked", "Try again when the other process is done."),
    sqlite3.SQLITE_CANTOPEN: ("no-permission", "Run the check as the mirror's own user."),
    sqlite3.SQLITE_PERM: ("no-permission", "Run the check as the mirror's own user."),
}


def look(path: Path, now: datetime, noted: Noted, *, deep: bool) -> Iterator[Finding]:
    """Findings about the records; notes licences. `deep`: also walk through all of them."""
    if not path.exists():
        yield Finding("problem", "no-store", f"There are no records at {path}.", "Run 'spot-mirror init', or restore.")
        return
    try:
        with closing(_open(path)) as db:
            yield _version(path, db)
            damage = _damage(db) or (_deep_damage(db) if deep else "")
            customers = db.execute("SELECT count(*) FROM customer").fetchone()[0] if not damage else 0
            if not damage:
                noted.licences.append(_licences(db, now.astimezone(UTC).date()))
    except StoreFault as error:
        yield Finding("problem", error.reason, str(error))
    except UnicodeDecodeError:  # SQLite's own message quotes the file
        yield Finding("problem", "damaged", f"The records {path} are damaged: they hold what is no text.", _RESTORE)
    except sqlite3.Error as error:
        code, step = _CODES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, ("damaged", _RESTORE))
        yield Finding("problem", code, f"The records {path} cannot be read: {error}.", step)
    else:
        if damage:
            yield Finding("problem", "damaged", f"The records {path} are damaged: {damage}.", _RESTORE)
        else:
            yield good(f"The records open, and name {customers} customer{'' if customers == 1 else 's'}.")


def _licences(db: sqlite3.Connection, today: date) -> Licences:
    """Days are written so that they sort as text."""
    days = {"today": today.isoformat(), "soon": (today + _SOON).isoformat()}
    in_force, ending, coming, over, last = db.execute(_COUNT_LICENCES, days).fetchone()
    midnight = datetime.combine(date.fromisoformat(last), time(), UTC) + timedelta(days=1) if last else None
    return Licences(in_force, ending, coming, over, midnight)


def _damage(db: sqlite3.Connection) -> str:
    """What keeps `serve` from using them, without reading all of them; empty if there is nothing."""
    if names := lost(db):
        return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} missing or changed"
    if db.execute("SELECT number FROM marker").fetchone() is None:
        return "the row of marker is missing"
    return ""


def _deep_damage(db: sqlite3.Connection) -> str:
    if (told := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        return str(told)
    if row := db.execute("PRAGMA foreign_key_check").fetchone():
        return f"a row of {row[0]} points to one of {row[2]} that is not there"
    walk(db)
    return ""


def _open(path: Path) -> sqlite3.Connection:
    in_use = Path(f"{path}-wal").exists()
    how = "mode=ro" if in_use else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=_WAIT_SECONDS, isolation_level=None)


def _version(path: Path, db: sqlite3.Connection) -> Finding:
    """What bringing them up to date would run into. Raises StoreFault, sqlite3.Error."""
    try:
        migrate(db, new=False)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise
        what = f"The records {path} are of an older spot-mirror."
        return Finding("advice", "older", what, "Back them up: the next start of 'serve' brings them up to date.")
    return good("The records are of this version of spot-mirror.")
