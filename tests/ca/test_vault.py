"""The vault: one at a time, whole or not at all, and nothing leaves it that the ledger does not know."""

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from ca.errors import IdentityError, VaultError
from ca.handout import hand_out
from ca.issue import Issuer
from ca.ledger import Ledger
from ca.profiles import CLIENT, SERVER, KeyType
from ca.subjects import Hosts
from ca.vault import Vault, open_vault
from tests.ca.house import HOSTS, NOW, House, client, key_pem
from tests.ca.spot_ca import PASSPHRASE, Spot, certificate


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


def test_a_certificate_for_other_names_or_revoked_is_not_taken_up(vault: Vault, house: House) -> None:
    path = hand(vault, house)
    first = certificate(path)
    path.unlink()
    other = certificate(hand(vault, house, Hosts("mirror-1", ("example.com",))))
    assert other.serial_number != first.serial_number
    path.unlink()
    vault.ledger.revoke(f"{first.serial_number:x}", NOW, "superseded")
    assert certificate(hand(vault, house)).serial_number not in {first.serial_number, other.serial_number}
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
