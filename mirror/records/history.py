"""Thin snapshots in the SQLite file: lines of history. Every call runs inside a transaction of its caller.

What each one does stands in `mirror.records.protocol`.
"""

from collections.abc import Mapping
from hashlib import sha256
from sqlite3 import Connection

from ca import strict_json
from mirror.errors import NotThere, RecordsError, StoreFault
from mirror.records import checks, rows
from mirror.records.told import Received
from spot_client.wire import thin_snapshot


def content(components: Mapping[str, str]) -> bytes:
    """The canonical bytes of what is stored, without the format's number: a new one is no new content.

    Raises:
        RecordsError: reason `bad-name`, or that of a format.
    """
    with checks.checking():
        thin_snapshot.encode(components)
    return strict_json.encode(dict(components))


def put_received(db: Connection, one: Received) -> bool | RecordsError:
    """As `put`; what is wrong with this one only is returned, and nothing of it was stored."""
    try:
        return put(db, one.installation, content(one.components), rows.seconds(one.at))
    except StoreFault:
        raise
    except RecordsError as error:
        return error


def put(db: Connection, installation: str, content: bytes, now: int) -> bool:
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
