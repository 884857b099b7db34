"""What ops does to customers binds within about a second; a store in trouble keeps nobody from what was good."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from mirror.records.protocol import Licence
from mirror.records.sqlite import FILE_NAME
from spot_client.wire import thin_snapshot
from tests.mirror.content.rig import LONG_AGO, Caller, Mirror

SOON = 8.0  # seconds: the store is not waited for, which would take ten; the machine may be busy
PACK = "/releases/sdk/botocore/1.40.0/any/pack"
TIMESTAMP = "/catalogue/timestamp.json"


@pytest.mark.slow
def test_a_customer_is_suspended_and_resumed_on_its_open_connections(own: Mirror) -> None:
    acme, globex = own.caller(own.party()), own.caller(own.party("globex"))
    status, _, raw = acme("/installations", "POST")
    assert (status, acme(PACK)[0]) == (201, 200)
    name = raw.decode().split('"installation":"')[1][:16]
    with own.records() as records:
        records.suspend("acme", "unpaid", datetime.now(UTC))
        own.until(lambda: acme(PACK)[0] == 403)
        body = thin_snapshot.encode({})
        for path, method, sent in (
            (PACK, "GET", None),
            (TIMESTAMP, "GET", None),
            ("/licences", "GET", None),
            ("/installations", "POST", None),
            (f"/installations/{name}/thin-snapshot", "PUT", body),
        ):
            assert acme.reason(path, method, sent) == (403, "suspended")
        assert own.audited(customer="acme", route="licences")["reason"] == "suspended"
        assert b"unpaid" not in acme(PACK)[2]
        assert globex(PACK)[0] == 200
        records.resume("acme")
        own.until(lambda: acme(PACK)[0] == 200)
        assert acme(f"/installations/{name}/thin-snapshot", "PUT", body)[0] == 204


@pytest.mark.slow
def test_a_removed_customer_is_unknown_and_its_installations_do_not_come_back_with_its_name(own: Mirror) -> None:
    acme = own.caller(own.party())
    raw = acme("/installations", "POST")[2]
    name = raw.decode().split('"installation":"')[1][:16]
    now = datetime.now(UTC)
    with own.records() as records:
        records.suspend("acme", "", now)
        records.remove_customer("acme", now.date())
        own.until(lambda: acme("/licences")[0] == 403 and acme.reason("/licences")[1] == "unknown-customer")
        records.add_customer("acme", now)
        records.grant(Licence("acme", "sdk", ("stable",), LONG_AGO, None, 1))
        own.until(lambda: acme(PACK)[0] == 200)
    assert acme.reason(PACK, Spot_Installation=name) == (403, "not-your-installation")
    put = acme.reason(f"/installations/{name}/thin-snapshot", "PUT", thin_snapshot.encode({}))
    assert put == (403, "not-your-installation")


@contextmanager
def locked(mirror: Mirror) -> Iterator[None]:
    """Another process writes, and does not come to an end."""
    with closing(sqlite3.connect(mirror.data / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.slow
def test_while_the_store_is_locked_all_is_served_but_what_has_to_be_written(own: Mirror) -> None:
    reader, party = own.caller(own.party()), own.party()
    writers = [own.caller(party) for _ in range(4)]
    for writer in writers:
        writer.connection.timeout = 60
    with locked(own), ThreadPoolExecutor(len(writers)) as pool:
        began = time.monotonic()
        waiting = [pool.submit(writer.reason, "/installations", "POST") for writer in writers]
        time.sleep(0.5)
        for path in (PACK, TIMESTAMP, "/licences"):
            asked = time.monotonic()
            assert reader(path)[0] == 200
            assert time.monotonic() - asked < SOON
        assert {one.result() for one in waiting} == {(503, "unavailable")}
        assert time.monotonic() - began < 15  # and not four times the ten seconds that one waits
    assert reader("/installations", "POST")[0] == 201
    assert "Traceback" not in own.stderr()


def garbage(path: Path) -> None:
    path.write_bytes(b"damaged " * (path.stat().st_size // 8 + 1))


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def torn(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[4096:] = bytes(len(raw) - 4096)
    path.write_bytes(raw)


def gone(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.slow
@pytest.mark.parametrize("damage", [garbage, cut, torn, gone, folder])
def test_a_mirror_whose_store_is_damaged_goes_on_with_what_it_knew(own: Mirror, damage: Callable[[Path], None]) -> None:
    acme = own.caller(own.party())
    assert acme("/installations", "POST")[0] == 201
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        damage(own.data / name)
    time.sleep(2.2)  # two turns, which look at the store
    for path in (PACK, TIMESTAMP, "/licences"):
        assert acme(path)[0] == 200
    status, _, _ = acme("/installations", "POST")
    assert status in {201, 503}  # a file that is gone lives on in the process that holds it open
    revoked = own.party()
    assert own.caller(revoked)("/licences")[0] == 200
    own.revoke(revoked)
    own.until(partial(refused, own.caller(revoked)))
    assert "Traceback" not in own.stderr()


def refused(caller: Caller) -> bool:
    return caller("/licences")[0] == 403
