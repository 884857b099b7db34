"""mirror.content.seen: moments go to the store in batches, and none is lost when it cannot take them."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mirror.content.seen import Seen
from mirror.errors import StoreFault
from mirror.records.sqlite import open_records

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INSTALLATION = "0000000000000000"


def test_moments_are_kept_until_the_store_takes_them(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    records = open_records(path, create=True, wait_seconds=0.05)
    records.add_customer("acme", NOW)
    records.mint("acme", b"1", lambda: INSTALLATION, NOW)
    seen = Seen(records)
    later = NOW + timedelta(minutes=1)
    seen.note(INSTALLATION, later)
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFault):
        seen.flush()
    locker.rollback()
    locker.close()
    seen.flush()
    found = records.installation(INSTALLATION)
    records.close()
    assert found is not None
    assert found.last_seen == later
