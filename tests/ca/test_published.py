"""What mirrors know as revoked stays revoked, also where the ledger has lost it."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ca.errors import VaultError
from ca.ledger import Ledger
from ca.revocation import read_crl
from tests.ca.spot_ca import Spot, certificate, issue_client


@pytest.fixture
def behind(spot: Spot, tmp_path: Path) -> tuple[int, int]:
    """The ledger is put back to where acme was not revoked, and initech not issued. Their serials."""
    acme = certificate(issue_client(spot)).serial_number
    backup = shutil.copy(spot.folder / "ledger.sqlite", tmp_path / "ledger.sqlite")
    initech = certificate(issue_client(spot, "initech")).serial_number
    spot("revoke", "acme", "--reason", "superseded")
    spot("revoke", "initech", "--reason", "key-compromise")
    shutil.copy(spot.folder / "crl/issuing.crl", tmp_path / "newest.crl")
    shutil.copy(backup, spot.folder / "ledger.sqlite")
    return acme, initech


def number(spot: Spot) -> int:
    raw = (spot.folder / "crl/issuing.crl").read_bytes()
    issuer = certificate(spot.folder / "issuing.crt")
    return read_crl(raw, issuer, now=datetime.now(UTC) + timedelta(minutes=1), previous=None).number


def test_what_the_newest_list_revokes_is_carried_on(spot: Spot, behind: tuple[int, int], tmp_path: Path) -> None:
    acme, initech = behind
    before = number(spot)
    assert f"--take-over {spot.folder / 'crl/issuing.crl'}" in spot.refused(5, "crl")
    told = spot("crl", "--take-over", tmp_path / "newest.crl")
    assert "1 that the ledger had not as revoked, 1 that it had lost" in told
    assert number(spot) == before + 1
    assert spot.revoked() == {acme, initech}
    spot("crl")
    globex = certificate(issue_client(spot, "globex")).serial_number
    spot("revoke", "globex")
    assert spot.revoked() == {acme, initech, globex}
    (shown,) = json.loads(spot("show", "acme", "--json"))["certificates"]
    assert (shown["state"], shown["reason"]) == ("revoked", "superseded")
    with Ledger(spot.folder / "ledger.sqlite") as ledger:
        (entry,) = (one for one in ledger.entries() if one.name == "acme")
        (lost,) = ledger.lost(entry.issuer_key)
    assert (lost.serial, lost.reason) == (initech, "key-compromise")
    found = {one["code"] for one in json.loads(spot.try_("check", "--json").stdout)["findings"]}
    assert found.isdisjoint({"ledger-behind", "unpublished", "crl-behind"})


def test_it_may_be_taken_over_again_and_when_the_list_here_is_gone(
    spot: Spot, behind: tuple[int, int], tmp_path: Path
) -> None:
    (spot.folder / "crl/issuing.crl").unlink()
    spot("crl", "--take-over", tmp_path / "newest.crl")
    shutil.copy(spot.folder / "crl/issuing.crl", tmp_path / "newer.crl")
    assert "0 that the ledger had not as revoked, 0 that it had lost" in spot(
        "crl", "--take-over", tmp_path / "newer.crl"
    )
    assert spot.revoked() == set(behind)


def test_an_older_list_or_one_of_others_changes_nothing(
    spot: Spot, behind: tuple[int, int], tmp_path: Path, made: Path
) -> None:
    ledger = (spot.folder / "ledger.sqlite").read_bytes()
    assert "older than" in spot.refused(3, "crl", "--take-over", made / "crl/issuing.crl")
    assert "is not one of" in spot.refused(3, "crl", "--take-over", spot.folder / "crl/root.crl")
    assert "no file" in spot.refused(3, "crl", "--take-over", tmp_path / "none.crl")
    assert (spot.folder / "ledger.sqlite").read_bytes() == ledger


def test_a_certificate_that_the_ledger_has_lost_is_revoked_by_its_number(
    spot: Spot, behind: tuple[int, int], tmp_path: Path
) -> None:
    spot("crl", "--take-over", tmp_path / "newest.crl")
    assert "would be revoked" in spot.try_("revoke", "ABCD", "--unknown", "--dry-run", env={}).stdout
    spot("revoke", "ab:cd:ef", "--unknown", "--reason", "key-compromise")
    assert spot.revoked() == {*behind, 0xABCDEF}
    assert "without --unknown" in spot.refused(3, "revoke", f"{behind[0]:x}", "--unknown")
    for wrong in ("acme/one", "0", "", "g1", "f" * 41):
        assert "not a serial number" in spot.refused(3, "revoke", wrong, "--unknown")


def test_a_row_that_cannot_be_read_is_damage(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite", create=True) as ledger:
        ledger._db.execute("insert into lost values ('x', 'aa', 0, 'superseded')")
        with pytest.raises(VaultError) as damaged:
            ledger.lost("aa")
        assert damaged.value.reason == "damaged-ledger"
        assert ledger.lost("bb") == []
