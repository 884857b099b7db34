"""The vault: one at a time, whole or not at all, and nothing leaves it that the ledger does not know."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from ca.errors import IdentityError, IssueError, VaultError
from ca.handout import hand_out
from ca.issue import Issuer
from ca.ledger import Ledger
from ca.profiles import CLIENT, SERVER, KeyType
from ca.revocation import Revocations, read_crl
from ca.subjects import Hosts
from ca.vault import Vault, open_vault
from tests.ca.house import HOSTS, NOW, House, client, key_pem
from tests.ca.spot_ca import PASSPHRASE, Spot, certificate, issue_client


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path, Ledger(tmp_path / "ledger.sqlite", create=True))


def issued(vault: Vault) -> list[str]:
    with vault.ledger as ledger:
        return [entry.who for entry in ledger.entries()]


def test_what_the_ledger_cannot_take_is_handed_out_to_nobody(vault: Vault, house: House, tmp_path: Path) -> None:
    vault.ledger.close()
    broken = Ledger(tmp_path / "other.sqlite", create=True)
    (tmp_path / "other.sqlite").write_bytes(b"x" * 4096)
    with pytest.raises(VaultError):
        hand_out(
            Vault(tmp_path, broken),
            client(),
            CLIENT,
            house.issuing.issuer,
            out=tmp_path / "out",
            key_type=KeyType.ECDSA_P256,
            now=NOW,
        )
    broken.close()
    assert list((tmp_path / "out").iterdir()) == []


def hand(vault: Vault, house: House, subject: Hosts = HOSTS, signer: Issuer | None = None) -> Path:
    signer = signer or house.issuing.issuer
    out = vault.folder / "out"
    return hand_out(vault, subject, SERVER, signer, out=out, key_type=KeyType.ECDSA_P256, now=NOW).certificate_path


def test_a_key_without_certificate_is_taken_up(vault: Vault, house: House) -> None:
    """Whether or not the ledger knows a certificate for it already: it gets one, and never two."""
    path = hand(vault, house)
    first = certificate(path)
    path.unlink()
    assert certificate(hand(vault, house)) == first
    assert issued(vault) == ["localhost, 127.0.0.1, ::1"]


def test_a_key_of_other_names_is_refused(vault: Vault, house: House) -> None:
    path = hand(vault, house)
    path.unlink()
    with pytest.raises(IssueError, match="is that of server mirror-1 ") as refused:
        hand(vault, house, Hosts("mirror-1", ("example.com",)))
    assert refused.value.reason == "exists"
    assert path.with_suffix(".key").exists()
    assert issued(vault) == ["localhost, 127.0.0.1, ::1"]


def test_a_revoked_certificate_is_not_handed_back(vault: Vault, house: House) -> None:
    path = hand(vault, house)
    first = certificate(path)
    path.unlink()
    vault.ledger.revoke([f"{first.serial_number:x}"], NOW, "superseded")
    assert certificate(hand(vault, house)).serial_number != first.serial_number
    vault.ledger.close()


def test_a_key_of_others_is_not_taken_up(vault: Vault, house: House) -> None:
    (vault.folder / "out").mkdir()
    key = vault.folder / "out" / "mirror-1.key"
    key.write_bytes(key_pem(house.keys["leaf"]))
    key.chmod(0o644)
    with pytest.raises(VaultError) as refused:
        hand(vault, house)
    assert refused.value.reason == "bad-mode"
    assert issued(vault) == []


def test_a_name_never_leads_out_of_the_folder(vault: Vault, house: House) -> None:
    with pytest.raises(IdentityError):
        hand(vault, house, Hosts("../mirror-1", ("localhost",)))
    assert not (vault.folder / "mirror-1.key").exists()
    assert issued(vault) == []


def test_only_one_works_in_a_vault(spot: Spot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ca.vault._LOCK_SECONDS", 0.1)
    with FileLock(spot.folder / ".lock"):
        assert "Another spot-ca" in spot.refused(5, "list")
    with open_vault(spot.folder) as vault:
        assert vault.realm == "build.example.com"
        assert vault.unlock("root", PASSPHRASE).certificate == vault.certificate("root")


def published(spot: Spot) -> Revocations:
    raw = (spot.folder / "crl/issuing.crl").read_bytes()
    later = datetime.now(UTC) + timedelta(days=2)
    return read_crl(raw, certificate(spot.folder / "issuing.crt"), now=later, previous=None)


@pytest.fixture
def backup(spot: Spot, tmp_path: Path) -> Path:
    """The ledger as it was when acme and globex had certificates, and nobody was revoked."""
    issue_client(spot)
    issue_client(spot, "globex")
    path = tmp_path / "backup.sqlite"
    shutil.copy(spot.folder / "ledger.sqlite", path)
    return path


def test_after_a_restore_a_crl_is_still_newer_than_the_published_one(spot: Spot, backup: Path) -> None:
    for _ in range(3):
        spot("crl")
    before = published(spot)
    shutil.copy(backup, spot.folder / "ledger.sqlite")
    spot("crl")
    after = published(spot)
    assert after.number == before.number + 1
    assert after.this_update > before.this_update


def test_a_restored_ledger_takes_no_revocation_back(spot: Spot, backup: Path) -> None:
    spot("revoke", "acme")
    spot("revoke", "globex")
    before = published(spot)
    acme, globex = (certificate(spot.folder / f"issued/{name}.crt").serial_number for name in ("acme", "globex"))
    shutil.copy(backup, spot.folder / "ledger.sqlite")
    with open_vault(spot.folder) as vault, pytest.raises(VaultError) as behind:
        vault.sign_crl("issuing", vault.unlock("issuing", PASSPHRASE), datetime.now(UTC))
    assert behind.value.reason == "ledger-behind"
    refused = spot.refused(5, "crl")
    assert "Restore a newer ledger.sqlite" in refused
    assert f"{acme:x}" in refused
    assert f"{globex:x}" in refused
    first = spot.refused(5, "revoke", f"{acme:x}")
    assert f"{acme:x}" not in first
    assert f"{globex:x}" in first
    assert published(spot) == before
    spot("revoke", f"{globex:x}")
    assert spot.revoked() == {acme, globex}
    assert published(spot).number > before.number


def test_what_the_ledger_never_had_cannot_be_revoked_again(spot: Spot, backup: Path) -> None:
    serial = certificate(issue_client(spot, "initech")).serial_number
    spot("revoke", "initech")
    shutil.copy(backup, spot.folder / "ledger.sqlite")
    refused = spot.refused(5, "crl")
    assert f"{serial:x}" in refused
    assert "Restore a newer ledger.sqlite" in refused
    assert "spot-ca revoke" not in refused
    assert spot.revoked() == {serial}


def test_after_a_restore_a_crl_from_the_future_still_tells_of_the_clock(spot: Spot, backup: Path) -> None:
    with open_vault(spot.folder) as vault:
        signer = vault.unlock("issuing", PASSPHRASE)
        vault.sign_crl("issuing", signer, datetime.now(UTC) + timedelta(days=1))
    before = published(spot)
    shutil.copy(backup, spot.folder / "ledger.sqlite")
    assert "clock" in spot.refused(5, "crl")
    assert published(spot) == before


@pytest.mark.parametrize("other", ["none", "garbage", "of another CA"])
def test_what_is_no_crl_of_this_ca_is_replaced(spot: Spot, other: str) -> None:
    path = spot.folder / "crl/issuing.crl"
    match other:
        case "none":
            path.unlink()
        case "garbage":
            path.write_bytes(b"\xff" * 100)
        case _:
            shutil.copy(spot.folder / "crl/root.crl", path)
    spot("crl")
    assert published(spot).number == 2


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from ca.cli import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("most", [300, 6000, 25_000])
def test_a_disk_that_fills_up_leaves_no_half_vault(tmp_path: Path, most: int) -> None:
    """A limit on file sizes fails like a full disk, at the ledger's first or a later page."""
    arguments = ["--dir", str(tmp_path / "ca"), "init", "--realm", "b.example.com", "--key-type", "ecdsa-p256"]
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(most), *arguments],
        env={"SPOT_CA_PASSPHRASE": PASSPHRASE, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {1, 5}, done.stderr
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {".ca.lock"}
