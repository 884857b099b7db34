"""Requests for certificates in the SQLite file. Every call runs inside one of its caller's."""

from sqlite3 import Connection
from typing import Final

import msgspec

from mirror.errors import NotThere, RecordsError, TooOften
from mirror.records import following, rows
from mirror.records.requests import Answered, Asked, Owned, Waiting

MAX_WAITING: Final = 4
"""Most requests of one installation that wait: somebody who makes a new one every time is a mistake, or a thief."""

MAX_OF_CUSTOMER: Final = 10_000
"""Most that wait of one customer, all its installations together: some 30 MB."""

_KEPT: Final = 90 * 86400  # seconds that an answer is kept
_LATER: Final = 3600
_ASKED = "r.digest, i.id, r.enrols, r.request, r.requester"
_JOINED = "FROM request r JOIN installation i ON i.key = r.installation"


def ask(db: Connection, asked: Asked, now: int) -> Answered:
    """Have a request wait; returns what has come of it. Raises as the protocol says."""
    find = "SELECT key, own, customer FROM installation WHERE id = ?"
    place = db.execute(find, (asked.installation,)).fetchone()
    if place is None:
        raise NotThere("no-installation", f"There is no installation {asked.installation}.")
    known = "SELECT installation, answered, received, certificate, denied FROM request WHERE digest = ?"
    found = db.execute(known, (asked.digest,)).fetchone()
    if found is not None:
        if found[0] != place[0]:
            raise RecordsError("other-installation", "This request was sent for another installation.")
        return Answered(*found[3:]) if found[1] is not None else Answered(since=rows.moment(found[2]))
    if asked.enrols and place[1] is not None:
        raise RecordsError("own-certificate", f"{asked.installation} has a certificate of its own.")
    _make_room(db, place[0], place[2], now)
    db.execute(
        "INSERT INTO request (digest, installation, customer, enrols, request, requester, received)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (asked.digest, place[0], place[2], asked.enrols, asked.request, asked.requester, now),
    )
    return Answered(since=rows.moment(now))


def waiting(db: Connection, after: int, limit: int) -> list[Waiting]:
    """A page of those that wait."""
    statement = (
        f"SELECT r.number, r.received, {_ASKED} {_JOINED} WHERE r.answered IS NULL AND r.number > ?"
        " ORDER BY r.number LIMIT ?"
    )
    found = db.execute(statement, (after, limit)).fetchall()
    return [Waiting(number, _asked(asked), rows.moment(received)) for number, received, *asked in found]


def find(db: Connection, digest: bytes) -> Asked | None:
    """A request, whether it waits or not."""
    row = db.execute(f"SELECT {_ASKED} {_JOINED} WHERE r.digest = ?", (digest,)).fetchone()
    return None if row is None else _asked(row)


def answer(db: Connection, digest: bytes, answered: Answered, now: int) -> bool:
    """Answer a request; False if it was answered otherwise. Raises NotThere."""
    found = db.execute("SELECT installation, answered, certificate, denied FROM request WHERE digest = ?", (digest,))
    row = found.fetchone()
    if row is None:
        raise NotThere("no-request", "There is no such request: it was answered long ago, or never came here.")
    if row[1] is not None:
        return Answered(*row[2:]) == answered
    db.execute(
        "UPDATE request SET answered = ?, certificate = ?, denied = ? WHERE digest = ?",
        (now, answered.certificate, answered.denied, digest),
    )
    if answered.certificate is not None:
        own = "UPDATE installation SET own = ? WHERE key = ? AND own IS NULL"
        db.execute(own, (following.next_number(db), row[0]))
    return True


def owned(db: Connection, after: int, limit: int) -> list[Owned]:
    """A page of installations that have a certificate of their own."""
    statement = "SELECT own, id, customer FROM installation WHERE own > ? ORDER BY own LIMIT ?"
    found = db.execute(statement, (after, limit)).fetchall()
    try:
        return [Owned(*row) for row in msgspec.convert(found, list[tuple[int, str, int]])]
    except msgspec.ValidationError as error:
        raise rows.damaged() from error


def _make_room(db: Connection, installation: int, customer: int, now: int) -> None:
    old = "DELETE FROM request WHERE installation = ? AND answered < ?"
    db.execute(old, (installation, now - _KEPT))
    count = "SELECT count(*) FROM request WHERE installation = ? AND answered IS NULL"
    if db.execute(count, (installation,)).fetchone()[0] >= MAX_WAITING:
        raise TooOften("too-many-waiting", f"{MAX_WAITING} requests of this installation wait already.", _LATER)
    count = "SELECT count(*) FROM request WHERE customer = ? AND answered IS NULL"
    if db.execute(count, (customer,)).fetchone()[0] >= MAX_OF_CUSTOMER:
        raise TooOften("too-many-waiting", f"{MAX_OF_CUSTOMER} requests of this customer wait already.", _LATER)


def _asked(row: rows.Row) -> Asked:
    try:
        digest, installation, enrols, request, requester = msgspec.convert(row, tuple[bytes, str, int, bytes, bytes])
    except msgspec.ValidationError as error:
        raise rows.damaged() from error
    return Asked(digest, installation, bool(enrols), request, requester)
