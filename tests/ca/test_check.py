"""`spot-ca check` finds what ends and what is wrong, says what to do, and tells cron by its exit code."""

import json
import os
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec

from ca.ledger import Ledger
from tests.ca.house import House, der_of, key_pem, odd_certificate, pem_of
from tests.ca.spot_ca import Spot, issue_client, issue_server
from tests.hostile.needs import need_root


@pytest.fixture
def kept(spot: Spot) -> Spot:
    """A CA as it should be: the root's key is elsewhere."""
    (spot.folder / "root.key").unlink()
    return spot


def findings(spot: Spot, *options: str) -> list[dict[str, Any]]:
    result = spot.try_("check", "--json", *options, env={})
    document = json.loads(result.stdout)
    assert list(document) == ["worst", "findings"]
    assert result.exit_code == (6 if document["worst"] in ("warning", "problem") else 0)
    found: list[dict[str, Any]] = document["findings"]
    assert all(list(one) == ["severity", "code", "what", "next"] for one in found)
    return found


def wrong(spot: Spot) -> list[tuple[str, str]]:
    """Severity and code of all that is not good; each says what to do."""
    found = [one for one in findings(spot) if one["severity"] != "ok"]
    assert all(one["next"] for one in found)
    return [(one["severity"], one["code"]) for one in found]


def sentence(spot: Spot, code: str) -> str:
    return " ".join(f"{one['what']} {one['next']}" for one in findings(spot) if one["code"] == code)


def rows(spot: Spot, sql: str, *values: object) -> None:
    with sqlite3.connect(spot.folder / "ledger.sqlite") as connection:
        connection.execute(sql, values)
    connection.close()


def test_a_ca_as_it_should_be_is_told_so(kept: Spot) -> None:
    issue_server(kept)
    issue_client(kept)
    assert wrong(kept) == []
    text = kept("check")
    for part in ("root.crt is good", "issuing.crt is good", "crl/issuing.crl is good"):
        assert part in text
    assert "Leaf certificates that are good: 2;" in text
    assert "Certificates in issued/ that are in the ledger, and not revoked: 2." in text
    assert kept("check", "--quiet") == ""
    assert findings(kept, "--quiet") == []


def test_a_roots_key_on_this_host_is_advice_and_no_alarm(spot: Spot) -> None:
    assert wrong(spot) == [("advice", "root-key-here")]
    assert spot("check", "--quiet") == ""
    assert "offline" in spot("check")


def test_what_ends_is_told_a_third_before_and_when_it_has(kept: Spot) -> None:
    now = datetime.now(UTC)
    issue_client(kept)

    def at(days: int) -> set[tuple[str, str]]:
        with time_machine.travel(now + timedelta(days=days), tick=False):
            return {(one["severity"], one["what"].split()[0]) for one in findings(kept) if one["severity"] != "ok"}

    assert at(19) == set()
    assert at(21) == {("warning", "crl/issuing.crl")}
    assert at(31) == {("problem", "crl/issuing.crl")}
    assert at(480) == {("problem", "crl/issuing.crl"), ("problem", "crl/root.crl")}
    assert ("warning", "client") in at(490)
    assert ("problem", "client") in at(731)
    assert ("warning", "issuing.crt") in at(1300)
    assert {("problem", "issuing.crt"), ("warning", "root.crt")} <= at(4000)
    with time_machine.travel(now + timedelta(days=21), tick=False):
        assert "spot-ca crl" in sentence(kept, "expires-soon")
        result = kept.try_("check", "--quiet")
        assert result.exit_code == 6
        assert [line.split()[0] for line in result.stdout.splitlines()] == ["warning", "Run"]


def test_a_leaf_with_a_successor_or_revoked_needs_nobody(kept: Spot) -> None:
    for days in ("5", "200"):
        spot_out = kept.folder / days
        kept("issue", "client", "acme", "--days", days, "--out", spot_out, "--key-type", "ecdsa-p256")
    kept("issue", "client", "globex", "--days", "5", "--key-type", "ecdsa-p256")
    with time_machine.travel(datetime.now(UTC) + timedelta(days=6), tick=False):
        assert "client globex" in sentence(kept, "expired")
        assert "acme" not in sentence(kept, "expired")
    kept("revoke", "globex")
    shutil.rmtree(kept.folder / "issued")
    with time_machine.travel(datetime.now(UTC) + timedelta(days=6), tick=False):
        assert wrong(kept) == []


@pytest.mark.parametrize("name", [".", "crl", "issued", "issuing.key", "ledger.sqlite", "issued/acme.key"])
def test_what_others_may_touch_is_a_problem(kept: Spot, name: str) -> None:
    issue_client(kept)
    path = kept.folder / name
    path.chmod(path.stat().st_mode | 0o004)
    assert wrong(kept) == [("problem", "bad-mode")]
    assert f"chmod {'700' if path.is_dir() else '600'} {path.resolve()}" in sentence(kept, "bad-mode")


@pytest.mark.parametrize("name", ["acme.key", "acme.bundle", ".acme.bundle.key", ".acme.bundle.part"])
def test_what_holds_a_key_below_issued_is_looked_at_too(kept: Spot, name: str) -> None:
    path = kept.folder / "issued/customers/2026" / name
    path.parent.mkdir(parents=True, mode=0o700)
    path.touch(mode=0o600)
    assert wrong(kept) == []
    path.chmod(0o640)
    assert wrong(kept) == [("problem", "bad-mode")]
    assert f"chmod 600 {path.resolve()}" in sentence(kept, "bad-mode")


@pytest.mark.parametrize("name", ["issuing.key", "crl", "crl/issuing.crl", "issued/acme.crt", "issued/link"])
def test_a_file_of_another_user_is_a_problem(kept: Spot, name: str) -> None:
    need_root()
    issue_client(kept)
    (kept.folder / "issued/link").symlink_to("nowhere")
    assert wrong(kept) == []
    os.chown(kept.folder / name, 12345, -1, follow_symlinks=False)
    assert wrong(kept) == [("problem", "wrong-owner")]
    assert f": {name}. " in sentence(kept, "wrong-owner")
    os.chown(kept.folder / name, 0, -1, follow_symlinks=False)
    assert wrong(kept) == []


def test_a_weak_key_in_the_ledger_is_a_problem(kept: Spot) -> None:
    issue_client(kept)
    weak = odd_certificate(ec.generate_private_key(ec.SECP521R1()))  # a curve that we do not accept
    rows(kept, "update certificates set certificate = ? where name = 'acme'", der_of(weak))
    assert ("problem", "weak-key") in wrong(kept)
    assert "spot-ca revoke" in sentence(kept, "weak-key")


def test_authorities_that_are_not_of_this_ca_are_a_problem(kept: Spot, other_house: House) -> None:
    (kept.folder / "root.crt").write_bytes(pem_of(other_house.root.certificate))
    assert set(wrong(kept)) == {("problem", "not-in-ledger"), ("problem", "bad-crl"), ("problem", "wrong-chain")}
    (kept.folder / "root.crt").write_bytes(b"garbage")
    assert wrong(kept) == [("problem", "damaged-certificate")]
    (kept.folder / "root.crt").unlink()
    assert wrong(kept) == [("problem", "missing-file")]


def test_keys_of_the_ca_are_there_and_sealed(kept: Spot, house: House) -> None:
    sealed = (kept.folder / "issuing.key").read_bytes()
    (kept.folder / "issuing.key").write_bytes(key_pem(house.keys["issuing"]))
    assert wrong(kept) == [("problem", "not-sealed")]
    (kept.folder / "issuing.key").write_bytes(sealed[:-200])
    assert wrong(kept) == [("problem", "not-sealed")]
    (kept.folder / "issuing.key").unlink()
    assert wrong(kept) == [("problem", "missing-file")]


def test_files_in_issued_are_held_against_the_ledger(kept: Spot, house: House) -> None:
    issued = kept.folder / "issued"
    for name in ("acme", "globex", "initech"):
        issue_client(kept, name)
    assert wrong(kept) == []
    kept("revoke", "acme")
    assert wrong(kept) == [("warning", "revoked-here")]
    for path in issued.glob("acme.*"):
        path.unlink()
    (issued / "foreign.crt").write_bytes(pem_of(house.client.certificate))
    assert wrong(kept) == [("problem", "not-in-ledger")]
    (issued / "foreign.crt").unlink()
    (issued / "globex.key").rename(issued / "initech.key")
    assert wrong(kept) == [("problem", "key-mismatch")]
    (issued / "initech.crt").unlink()
    assert wrong(kept) == [("warning", "unfinished")]
    (issued / "initech.key").write_text("garbage")
    assert wrong(kept) == [("warning", "bad-key")]
    (issued / "initech.key").unlink()
    (issued / "globex.crt").write_text("garbage")
    assert wrong(kept) == [("warning", "bad-certificate")]
    (issued / "globex.crt").unlink()
    (issued / ".globex.key.part").touch(mode=0o600)
    (issued / ".globex.bundle.key").touch(mode=0o600)
    (issued / "notes.txt").touch()
    assert wrong(kept) == [("advice", "left-over")] * 2


def test_a_damaged_certificate_beside_a_key_is_told_once(kept: Spot) -> None:
    issue_client(kept).write_text("garbage")
    assert wrong(kept) == [("warning", "bad-certificate")]


def test_a_crl_is_held_against_the_ledger(kept: Spot) -> None:
    crl = kept.folder / "crl/issuing.crl"
    issue_client(kept)
    shutil.rmtree(kept.folder / "issued")
    first = crl.read_bytes()
    kept("revoke", "acme")
    newest = crl.read_bytes()
    crl.write_bytes(first)
    assert wrong(kept) == [("problem", "unpublished"), ("warning", "crl-behind")]
    crl.write_bytes(newest)
    assert wrong(kept) == []
    rows(kept, "update certificates set revoked_at = null, reason = null")
    assert wrong(kept) == [("problem", "ledger-behind")]
    rows(kept, "update certificates set revoked_at = created, reason = 'unspecified' where name = 'acme'")
    rows(kept, "update crls set number = 1")
    assert wrong(kept) == [("warning", "ledger-behind")]
    rows(kept, "delete from crls")
    assert wrong(kept) == [("warning", "ledger-behind")] * 2
    crl.write_bytes(b"garbage")
    assert ("problem", "bad-crl") in wrong(kept)
    crl.unlink()
    assert ("problem", "bad-crl") in wrong(kept)


def test_a_clock_behind_the_last_crl_is_a_problem(kept: Spot) -> None:
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=1), tick=False):
        assert {"problem"} == {severity for severity, _ in wrong(kept)}
    rows(kept, "update crls set this_update = this_update + 3600")
    assert ("problem", "clock-behind") in wrong(kept)


def test_a_roots_crl_asks_for_the_roots_key(kept: Spot) -> None:
    (kept.folder / "crl/root.crl").unlink()
    assert "Bring root.key back" in sentence(kept, "bad-crl")


def test_wrong_lifetimes_are_a_problem(kept: Spot) -> None:
    (kept.folder / "lifetimes.toml").write_text("client = 0")
    assert wrong(kept) == [("problem", "bad-lifetimes")]
    (kept.folder / "lifetimes.toml").unlink()
    assert wrong(kept) == []
    (kept.folder / "lifetimes.toml").symlink_to("nowhere")
    assert wrong(kept) == [("problem", "missing-file")]
    assert "lifetimes.toml" in kept.refused(5, "issue", "client", "acme", "--key-type", "ecdsa-p256")


def test_check_changes_nothing_and_needs_a_ca(kept: Spot, tmp_path: Path) -> None:
    issue_client(kept)
    before = {path: path.read_bytes() for path in kept.folder.rglob("*") if path.is_file()}
    kept("check")
    assert {path: path.read_bytes() for path in kept.folder.rglob("*") if path.is_file()} == before
    assert "spot-ca init" in Spot(tmp_path / "none").refused(5, "check")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("update certificates set certificate = x'00'", "cannot be read"),
        ("update certificates set serial = 'xyz' where name = 'acme'", "cannot be read"),
        ("update certificates set not_after = 9000000000000000000", "cannot be read"),
        ("drop table certificates", "ledger"),
        ("insert into _sqlite_migrations (migration_set, name, applied_at) values ('spot-ca', 'm999', '')", "newer"),
    ],
)
def test_a_ledger_that_cannot_be_read_ends_every_command_with_a_sentence(spot: Spot, sql: str, told: str) -> None:
    issue_client(spot)
    rows(spot, sql)
    for command in (["check"], ["show", "acme"], ["list", "--json"]):
        message = spot.refused(5, *command)
        assert told in message
        assert len(message.splitlines()) == 1


def test_a_locked_ledger_is_waited_for_and_told(spot: Spot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ca.ledger._LOCK_SECONDS", 0.1)
    other = sqlite3.connect(spot.folder / "ledger.sqlite", isolation_level=None)
    other.execute("begin exclusive")
    for command in (["check"], ["list"], ["revoke", "acme"], ["issue", "client", "acme", "--key-type", "ecdsa-p256"]):
        assert "in use" in spot.refused(5, *command)
    other.close()
    with Ledger(spot.folder / "ledger.sqlite") as ledger:
        assert len(ledger.entries()) == 2
