"""Fills a store of records with many customers, installations and lines of history, for `bench.growth`.

    python -m bench.filled CUSTOMERS INSTALLATIONS LINES      with SPOT_MIRROR_CONFIG set

Customers and licences go through the mirror's own store, each as the tools would write it; so do the lists of versions.
Installations and lines go into its tables by SQL in bulk, in the form that the store gives them: one by one, with a
write to the disk for each, ten million would take a day.
"""

import hashlib
import os
import random
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Final

from mirror import config
from mirror.records.protocol import Changes, Customer, Licence
from mirror.records.sqlite import FILE_NAME, open_records
from spot_client.wire import installation

PRODUCTS: Final = 50
_LICENCES = 2  # a customer
_LISTS = 200  # of versions that installations have
_DAY = 86_400
_SINCE = date(2020, 1, 1)


def main() -> None:
    """Fill the store of SPOT_MIRROR_CONFIG."""
    customers, installations, lines = map(int, sys.argv[1:])
    path = config.load(Path(os.environ["SPOT_MIRROR_CONFIG"])).data_dir / FILE_NAME
    now = datetime.now(UTC)
    names = [customer_name(number) for number in range(customers)]
    granted = tuple(
        Licence(name, f"p{(number + step) % PRODUCTS:02}", ("beta", "stable"), _SINCE, None, 1000)
        for number, name in enumerate(names)
        for step in range(_LICENCES)
    )
    with closing(open_records(path)) as records:
        records.change(partial(_all, Changes(add=tuple(names), grant=granted)), now)
        first = records.mint(names[0], b"first", lambda: installation.mint(bytes(installation.ID_BYTES)), now)
        for number in range(_LISTS):
            records.put_thin_snapshot(first.id, {f"p00/c{step:02}": f"1.{number}" for step in range(10)}, now)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
            db.execute(f"PRAGMA {setting}")  # nothing is lost if this is killed but this itself
        db.execute("BEGIN IMMEDIATE")
        _install(db, installations)
        _lines(db, lines // installations)
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")


def customer_name(number: int) -> str:
    """What a customer is called here."""
    return f"customer-{number}"


def _all(changes: Changes, _customers: Sequence[Customer], _licences: Sequence[Licence]) -> Changes:
    return changes


def _install(db: sqlite3.Connection, count: int) -> None:
    """Installations of all customers in turn; a few less where two draws have the same beginning."""
    owners = [key for (key,) in db.execute("SELECT key FROM customer WHERE name LIKE 'customer-%'")]
    (marker,) = db.execute("SELECT number FROM marker").fetchone()
    db.executemany(
        "INSERT OR IGNORE INTO installation (key, id, customer, request, enrolled, last_seen)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        _drawn(owners, marker, count),
    )
    db.execute("UPDATE marker SET number = number + ?", (count,))


def _drawn(owners: Sequence[int], marker: int, count: int) -> Iterator[tuple[int, str, int, bytes, int, int]]:
    draw, now = random.Random(5), int(time.time())  # noqa: S311  not for secrets
    for number in range(1, count + 1):
        raw = draw.randbytes(installation.ID_BYTES)
        request = hashlib.sha256(raw).digest()
        yield marker + number, installation.mint(raw), owners[number % len(owners)], request, now - _DAY, now


def _lines(db: sqlite3.Connection, each: int) -> None:
    """So many lines of history for each installation, a day apart, each with other versions than the one before."""
    contents = [key for (key,) in db.execute("SELECT key FROM content ORDER BY key")]
    begin = int(time.time()) - each * _DAY
    for number in range(each):
        db.execute(
            "INSERT INTO line (installation, content, first, last)"
            " SELECT key, ?1 + (key + ?2) % ?3, ?4, ?4 FROM installation",
            (contents[0], number, len(contents), begin + number * _DAY),
        )


if __name__ == "__main__":
    main()
