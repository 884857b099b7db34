"""mirror.checking: on a real mirror, whole and then damaged in one place at a time."""

import os
import re
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlite_utils import Database

from ca.finding import Finding
from ca.profiles import SERVER
from ca.subjects import Hosts
from mirror.certificates import PUSHED, pushed_list
from mirror.checking import host
from mirror.checking.look import look
from mirror.checking.noted import Licences, Noted
from mirror.records import schema
from mirror.records.protocol import Licence
from tests.ca.house import NOW, House, make_house, pem_of
from tests.hostile.needs import need_root
from tests.mirror.content.rig import Mirror

RELEASE = "releases/sdk/botocore/1.40.0/any"
ONE_KEY = ("advice", "one-key")
NO_TIMER = ("warning", "no-timer")
SCRUB_OLD = ("warning", "scrub-old")


def checked(mirror: Mirror, now: datetime | None = None, *, deep: bool = False) -> list[Finding]:
    path = mirror.folder / "mirror.toml"
    return list(look(path, now or datetime.now(UTC), Noted(), deep=deep, progress=lambda _what, _done, _total: None))


def told(mirror: Mirror, now: datetime | None = None, *, deep: bool = False) -> set[tuple[str, str]]:
    """Severity and code of all that is not good."""
    return {(one.severity, one.code) for one in checked(mirror, now, deep=deep) if one.severity != "ok"}


def tree(folder: Path) -> Iterator[tuple[str, int, int, bytes]]:
    """Everything in a folder: name, mode, time of change, content."""
    for path in sorted(folder.rglob("*")):
        status = path.stat()
        yield str(path), status.st_mode, status.st_mtime_ns, path.read_bytes() if path.is_file() else b""


@pytest.mark.parametrize("deep", [False, True])
def test_a_mirror_in_order_gets_only_the_advice_not_to_sign_alone(mirror: Mirror, deep: bool) -> None:
    assert told(mirror, deep=deep) == {ONE_KEY}


def test_nothing_is_changed(mirror: Mirror) -> None:
    before = list(tree(mirror.folder))
    checked(mirror, deep=True)
    assert list(tree(mirror.folder)) == before


def test_a_mirror_that_serves_is_looked_over_and_goes_on(mirror: Mirror) -> None:
    with mirror.running():
        mirror.config(listen=f"127.0.0.1:{mirror.port}")
        assert told(mirror, deep=True) == {ONE_KEY, ("advice", "port-in-use")}
        assert mirror.caller(mirror.party())("/licences")[0] == 200
    assert "error" not in mirror.stderr()


def no_config(mirror: Mirror) -> None:
    (mirror.folder / "mirror.toml").unlink()


def odd_config(mirror: Mirror) -> None:
    mirror.config("unknown = 1")


def no_content(mirror: Mirror) -> None:
    (mirror.folder / "mirror.toml").write_text('realm = "build.example.com"\n')


def open_config(mirror: Mirror) -> None:
    (mirror.folder / "mirror.toml").chmod(0o664)


def open_data(mirror: Mirror) -> None:
    mirror.data.chmod(0o755)


def open_records(mirror: Mirror) -> None:
    (mirror.data / "records.sqlite").chmod(0o644)


def no_data(mirror: Mirror) -> None:
    shutil.rmtree(mirror.data)


def data_is_a_file(mirror: Mirror) -> None:
    shutil.rmtree(mirror.data)
    mirror.data.touch(0o600)


def open_key(mirror: Mirror) -> None:
    mirror.server["key"].chmod(0o640)


def no_key(mirror: Mirror) -> None:
    mirror.server["key"].unlink()


def certificate_is_a_folder(mirror: Mirror) -> None:
    mirror.server["certificate"].unlink()
    mirror.server["certificate"].mkdir()


def other_key(mirror: Mirror) -> None:
    shutil.copy(mirror.house.client.files(mirror.folder, "client")["certificate"], mirror.server["certificate"])


def wrong_key(mirror: Mirror) -> None:
    another = make_house(lambda: ec.generate_private_key(ec.SECP256R1()))
    another.server.files(mirror.folder, "another")
    shutil.copy(mirror.folder / "another.key", mirror.server["key"])


def other_address(mirror: Mirror) -> None:
    elsewhere = mirror.house.leaf(Hosts("mirror", ("mirror.example.com",)), SERVER)
    elsewhere.files(mirror.folder, "server")


def root_as_issuer(mirror: Mirror) -> None:
    (mirror.folder / "issuing.crt").write_bytes(pem_of(mirror.house.root.certificate))


def other_realm(mirror: Mirror) -> None:
    path = mirror.config()
    path.write_text(path.read_text().replace("build.example.com", "other.example.com"))


def no_issuer(mirror: Mirror) -> None:
    (mirror.folder / "issuing.crt").write_bytes(b"nothing")


def no_list(mirror: Mirror) -> None:
    (mirror.folder / "issuing.crl").unlink()


def other_list(mirror: Mirror) -> None:
    another = make_house(lambda: ec.generate_private_key(ec.SECP256R1()))
    mirror.put_crl(another.issuing.issuer, [], 5)


def future_list(mirror: Mirror) -> None:
    mirror.put_crl(mirror.house.issuing.issuer, [], 5, NOW + timedelta(days=1))


def no_catalogue(mirror: Mirror) -> None:
    shutil.rmtree(mirror.data / "catalogue")


def damaged_catalogue(mirror: Mirror) -> None:
    (mirror.data / "catalogue/timestamp.json").write_bytes(b"{}")


def future_file(mirror: Mirror) -> None:
    later = (NOW + timedelta(days=1)).timestamp()
    os.utime(mirror.data / "catalogue/timestamp.json", (later, later))


def no_pack(mirror: Mirror) -> None:
    (mirror.data / RELEASE / "pack").unlink()


def short_pack(mirror: Mirror) -> None:
    os.truncate(mirror.data / RELEASE / "pack", 100)


def odd_manifest(mirror: Mirror) -> None:
    path = mirror.data / RELEASE / "manifest"
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def pack_is_a_folder(mirror: Mirror) -> None:
    no_pack(mirror)
    (mirror.data / RELEASE / "pack").mkdir()


def no_records(mirror: Mirror) -> None:
    for path in mirror.data.glob("records.sqlite*"):
        path.unlink()


def damaged_records(mirror: Mirror) -> None:
    (mirror.data / "records.sqlite").write_bytes(b"no database at all" * 1000)


def empty_records(mirror: Mirror) -> None:
    os.truncate(mirror.data / "records.sqlite", 0)


def newer_records(mirror: Mirror) -> None:
    with closing(sqlite3.connect(mirror.data / "records.sqlite")) as db, db:
        db.execute("INSERT INTO _sqlite_migrations VALUES (99, 'records', '9999-later', '')")


def older_records(mirror: Mirror) -> None:
    """A file as it was before the newest step."""
    path = mirror.data / "records.sqlite"
    path.unlink()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        older = Database(db)
        older.enable_wal()
        schema._migrations.apply(older, stop_before=list(schema._STEPS)[-1])
    path.chmod(0o600)


def killed_publish(mirror: Mirror) -> None:
    (mirror.data / "publishing/staging").mkdir(parents=True)
    (mirror.data / "publishing/journal.json").touch()


def open_passphrase(mirror: Mirror) -> None:
    mirror.config('[publishing]\npassphrase_file = "passphrase"')
    (mirror.folder / "passphrase").touch(0o644)


def no_passphrase(mirror: Mirror) -> None:
    mirror.config('[publishing]\npassphrase_file = "passphrase"')


def open_token(mirror: Mirror) -> None:
    no_token(mirror)
    (mirror.folder / "token").touch(0o640)


def no_token(mirror: Mirror) -> None:
    mirror.config('[health]\nlisten = "127.0.0.1:0"\ntoken_file = "token"')


def no_such_health_address(mirror: Mirror) -> None:
    mirror.config('[health]\nlisten = "192.0.2.1:9109"\ntoken_file = "token"')


def open_signing_key(mirror: Mirror) -> None:
    keys = mirror.folder / "keys"
    keys.mkdir(0o700)
    os.mkfifo(keys / "root-0.pem", 0o600)  # whoever opens it waits for ever
    (keys / "sdk-0.pem").touch(0o640)


def no_such_address(mirror: Mirror) -> None:
    mirror.config(listen="192.0.2.1:8443")


@pytest.mark.parametrize(
    ("damage", "severity", "code"),
    [
        (no_config, "problem", "missing-file"),
        (odd_config, "problem", "bad-value"),
        (no_content, "advice", "no-content"),
        (open_config, "problem", "bad-mode"),
        (open_data, "problem", "bad-mode"),
        (open_records, "problem", "bad-mode"),
        (no_data, "problem", "missing-folder"),
        (data_is_a_file, "problem", "not-a-folder"),
        (open_key, "problem", "bad-mode"),
        (no_key, "problem", "missing-file"),
        (certificate_is_a_folder, "problem", "unreadable-file"),
        (other_key, "problem", "not-a-server"),
        (wrong_key, "problem", "key-mismatch"),
        (other_address, "advice", "other-name"),
        (root_as_issuer, "problem", "not-an-issuing-ca"),
        (other_realm, "problem", "wrong-realm"),
        (no_issuer, "problem", "bad-certificate"),
        (no_list, "problem", "no-crl"),
        (other_list, "problem", "wrong-issuer"),
        (future_list, "problem", "not-yet-valid"),
        (no_catalogue, "problem", "missing"),
        (damaged_catalogue, "problem", "damaged"),
        (future_file, "warning", "clock-behind"),
        (no_pack, "problem", "missing"),
        (short_pack, "problem", "wrong-length"),
        (odd_manifest, "problem", "wrong-digest"),
        (pack_is_a_folder, "problem", "missing"),
        (no_records, "problem", "no-store"),
        (damaged_records, "problem", "damaged"),
        (empty_records, "problem", "damaged"),
        (newer_records, "problem", "newer"),
        (older_records, "advice", "older"),
        (killed_publish, "advice", "unfinished"),
        (open_passphrase, "problem", "bad-mode"),
        (no_passphrase, "warning", "missing-file"),
        (open_signing_key, "problem", "bad-mode"),
        (no_such_address, "problem", "no-such-address"),
        (open_token, "problem", "bad-mode"),
        (no_token, "problem", "missing-file"),
        (no_such_health_address, "problem", "no-such-address"),
    ],
)
def test_what_is_wrong_is_found_and_told_with_the_next_step(
    mirror: Mirror, damage: Callable[[Mirror], None], severity: str, code: str
) -> None:
    damage(mirror)
    (found, *_) = [one for one in checked(mirror) if (one.severity, one.code) == (severity, code)]
    assert found.what.endswith(".")
    assert found.next.endswith(".") or re.search(r"[:.] ", found.what)


def test_content_that_was_changed_in_place_is_found_by_its_digest_only(mirror: Mirror) -> None:
    pack = mirror.data / RELEASE / "pack"
    pack.write_bytes(bytes(pack.stat().st_size))
    assert told(mirror) == {ONE_KEY}
    assert told(mirror, deep=True) == {ONE_KEY, ("problem", "wrong-digest")}


def test_records_damaged_inside_are_found_by_walking_through_them(mirror: Mirror) -> None:
    path = mirror.data / "records.sqlite"
    raw = bytearray(path.read_bytes())
    raw[-4096:] = b"\xff" * 4096
    path.write_bytes(raw)
    assert ("problem", "damaged") in told(mirror, deep=True)


def test_every_release_that_is_not_whole_is_named(mirror: Mirror) -> None:
    for pack in mirror.data.rglob("pack"):
        pack.unlink()
    broken = [one.what for one in checked(mirror) if one.code == "missing"]
    assert [what.split(" is not whole")[0] for what in broken] == [
        "The release sdk/botocore 1.40.0 for any",
        "The release science/numpy 2.2.5 for any",
    ]


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (timedelta(days=2, hours=1), {("warning", "expires-soon")}),
        (timedelta(days=6), {("problem", "expired"), ("warning", "expires-soon")}),
        (timedelta(days=31), {("problem", "expired"), SCRUB_OLD}),
        (timedelta(days=500), {("problem", "expired"), ("warning", "expires-soon"), SCRUB_OLD}),
    ],
)
def test_what_lapses_is_told_of_with_time_to_act(
    mirror: Mirror, later: timedelta, expected: set[tuple[str, str]]
) -> None:
    assert told(mirror, NOW + later) == {ONE_KEY, NO_TIMER, *expected}


def test_a_timer_that_stands_still_is_noticed_long_before_the_timestamp_lapses(mirror: Mirror) -> None:
    assert told(mirror, NOW + timedelta(hours=11)) == {ONE_KEY}
    assert told(mirror, NOW + timedelta(hours=13)) == {ONE_KEY, NO_TIMER}


def test_a_clock_that_is_behind_is_noticed_by_what_lies_there(mirror: Mirror) -> None:
    found = checked(mirror, NOW - timedelta(days=1))
    assert ("warning", "clock-behind") in {(one.severity, one.code) for one in found}


def test_records_that_another_process_holds_back_are_said_to_be_locked(mirror: Mirror) -> None:
    with closing(sqlite3.connect(mirror.data / "records.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE marker SET number = number + 1")
        assert ("problem", "locked") in told(mirror)
        db.execute("ROLLBACK")


def test_an_address_in_use_is_only_advice_and_a_free_one_stays_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert [one.code for one in host.addresses([address])] == ["port-in-use"]
    assert [one.code for _ in range(2) for one in host.addresses([address])] == ["good", "good"]


def test_a_port_that_this_user_may_not_have_is_advice_with_the_way_to_it() -> None:
    need_root()
    os.seteuid(65534)
    try:
        (found,) = host.addresses(["127.0.0.1:1"])
    finally:
        os.seteuid(0)
    assert (found.severity, found.code) == ("advice", "no-permission")
    assert "systemd" in found.text
    assert "setpriv" in found.text


def test_addresses_that_cannot_both_be_listened_on_are_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for other in (f"127.0.0.1:{port}", f"0.0.0.0:{port}"):
        assert [one.code for one in host.addresses([f"127.0.0.1:{port}", other])] == ["good", "address-twice"]
    assert [one.code for one in host.addresses([f"127.0.0.1:{port}", f"127.0.0.2:{port}"])] == ["good", "good"]
    assert [one.code for one in host.addresses(["127.0.0.1:0", "127.0.0.1:0"])] == ["good", "good"]


def change(mirror: Mirror, statement: str) -> None:
    with closing(sqlite3.connect(mirror.data / "records.sqlite")) as db, db:
        db.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE line",
        "DROP TABLE marker",
        "DROP INDEX installation_short",
        "ALTER TABLE licence DROP COLUMN installations",
        "DELETE FROM marker",
    ],
)
def test_records_that_lack_a_table_an_index_a_column_or_the_marker_are_damaged(mirror: Mirror, statement: str) -> None:
    change(mirror, statement)
    assert ("problem", "damaged") in told(mirror)


def test_an_index_that_somebody_added_is_let_be(mirror: Mirror) -> None:
    change(mirror, "CREATE INDEX ours ON customer (added)")
    assert told(mirror, deep=True) == {ONE_KEY}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE customer SET added = -1",
        "UPDATE licence SET valid_from = 'someday'",
        "INSERT INTO licence VALUES (99, 'sdk', 'stable', '2026-01-01', NULL, 1)",
        "INSERT INTO line VALUES (1, 98, 99, 1, 1)",
    ],
)
def test_rows_that_serve_could_not_read_are_found_by_walking_through_them(mirror: Mirror, statement: str) -> None:
    change(mirror, statement)
    assert told(mirror) == {ONE_KEY}
    assert told(mirror, deep=True) == {ONE_KEY, ("problem", "damaged")}


@pytest.mark.parametrize("name", ["server.crt", "issuing.crt", "issuing.crl", "."])
@pytest.mark.parametrize("more", [0o020, 0o002])
def test_what_decides_on_trust_may_be_written_by_its_owner_only(mirror: Mirror, name: str, more: int) -> None:
    path = mirror.folder / name
    path.chmod(path.stat().st_mode | more)
    (found,) = [one for one in checked(mirror) if one.code == "bad-mode"]
    assert f"chmod go-w {path}" in found.next


@pytest.mark.parametrize(
    "name", ["data/records.sqlite", "data/catalogue", "data/catalogue/timestamp.json", "server.key"]
)
def test_a_file_of_another_user_than_the_data_is_told_with_the_chown(mirror: Mirror, name: str) -> None:
    need_root()
    os.chown(mirror.folder / name, 65534, -1)
    (found,) = [one for one in checked(mirror) if one.code == "other-owner"]
    assert re.search(r"Run chown (-R )?0 /", found.next)


@pytest.mark.parametrize("closed", ["data", "data/catalogue", "data/publishing", "data/releases"])
def test_what_may_not_be_looked_at_is_a_finding_and_the_rest_is_looked_at(house: House, closed: str) -> None:
    need_root()
    with TemporaryDirectory() as name:
        mirror = Mirror(Path(name), house)
        mirror.publish()
        mirror.config()
        for path in (mirror.folder, *mirror.folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        (mirror.folder / closed).mkdir(exist_ok=True)
        (mirror.folder / closed).chmod(0o700)
        os.seteuid(65534)
        try:
            found = checked(mirror, deep=True)
        finally:
            os.seteuid(0)
    assert {"unreadable", "io"} & {one.code for one in found if one.severity == "problem"}
    assert "The clock says" in found[-1].what


def test_licences_are_counted_by_what_they_are_on_this_day(mirror: Mirror) -> None:
    today = datetime.now(UTC).date()
    ends = {"soon": today + timedelta(days=29), "later": today + timedelta(days=30), "today": today}
    with mirror.records() as records:
        for customer, end in ends.items():
            records.add_customer(customer, NOW)
            records.grant(Licence(customer, "sdk", ("stable",), today, end, 1))
        records.add_customer("next", NOW)
        records.grant(Licence("next", "sdk", ("stable",), today + timedelta(days=1), None, 1))
    noted = Noted()
    list(look(mirror.folder / "mirror.toml", datetime.now(UTC), noted, deep=False, progress=lambda *_: None))
    (licences,) = noted.licences
    midnight = datetime.combine(today, time(), UTC) + timedelta(days=1)
    # Three of the mirror's own have no end; one of them ended long ago.
    assert licences == Licences(in_force=4, ending=2, coming=1, over=1, next_end=midnight)


def push(mirror: Mirror, number: int, age: timedelta) -> Path:
    """A list that the issuing host pushed, signed so long ago."""
    before = (mirror.folder / "issuing.crl").read_bytes()
    mirror.put_crl(mirror.house.issuing.issuer, [], number, NOW - age)
    path = pushed_list(mirror.data / PUSHED, mirror.house.issuing.certificate)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes((mirror.folder / "issuing.crl").read_bytes())
    (mirror.folder / "issuing.crl").write_bytes(before)
    return path


def test_of_the_list_that_was_brought_and_the_one_that_was_pushed_the_newer_counts(mirror: Mirror) -> None:
    mirror.put_crl(mirror.house.issuing.issuer, [], 5, NOW - timedelta(days=25))
    assert told(mirror) == {ONE_KEY, ("warning", "expires-soon")}
    push(mirror, 4, timedelta(days=28))
    assert told(mirror) == {ONE_KEY, ("warning", "expires-soon")}
    pushed = push(mirror, 6, timedelta(days=1))
    assert told(mirror) == {ONE_KEY}
    pushed.write_bytes(b"not a list")
    assert told(mirror) == {ONE_KEY, ("warning", "expires-soon"), ("warning", "not-a-crl")}


def test_the_operator_listener_s_own_certificate_is_looked_at(mirror: Mirror) -> None:
    old = mirror.house.leaf(Hosts("operators", ("localhost",), ()), SERVER, NOW - timedelta(days=600))
    old.files(mirror.folder, "operators")
    mirror.config('[operator]\nlisten = "127.0.0.1:0"\ncertificate = "operators.crt"\nkey = "operators.key"')
    assert ("warning", "expires-soon") in told(mirror)
    assert "The operator listener's certificate lapses on " in "".join(one.text for one in checked(mirror))
    (mirror.folder / "operators.crt").write_text("nothing")
    assert ("problem", "bad-certificate") in told(mirror)
    assert "expires-soon" not in {one.code for one in checked(mirror)}
