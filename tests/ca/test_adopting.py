"""What was issued after the backup is known again, by its own signature; nothing else is."""

import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ca.ledger import Ledger
from tests.ca.house import House, make_house, pem_of
from tests.ca.spot_ca import ROOT_JSON, Spot, certificate, issue_client, issue_server, tree

P256 = ("--key-type", "ecdsa-p256")


@pytest.fixture
def lost(spot: Spot, tmp_path: Path) -> Spot:
    """A server, two clients, one of them revoked, an operator, and a bundle for enrolment: the ledger has lost all."""
    backup = shutil.copy(spot.folder / "ledger.sqlite", tmp_path / "ledger.sqlite")
    server = issue_server(spot)
    issue_client(spot)
    issue_client(spot, "globex")
    spot("issue", "ca-operator", "host", *P256)
    (tmp_path / "root.json").write_text(ROOT_JSON)
    vendor = ("--mirror", f"https://localhost={server}", "--catalogue-root", tmp_path / "root.json")
    enrolling = ("--enrol-only", "--installations", "5", "--out", tmp_path / "acme.bundle")
    spot("bundle", "acme", *vendor, *enrolling, *P256)
    spot("revoke", "globex", "--reason", "key-compromise")
    newest = shutil.copy(spot.folder / "crl/issuing.crl", tmp_path / "newest.crl")
    shutil.copy(backup, spot.folder / "ledger.sqlite")
    spot("crl", "--take-over", newest)
    return spot


def test_what_is_at_hand_is_taken_in_as_it_was(lost: Spot, tmp_path: Path) -> None:
    files = [*sorted((lost.folder / "issued").glob("*.crt")), tmp_path / "acme.bundle"]
    told = lost.try_("adopt", *files, env={})
    assert told.exit_code == 0, told.output
    assert told.stdout.count("Took in ") == 5
    found = {(one["profile"], one["name"]): one for one in json.loads(lost("list", "--all", "--json"))}
    assert set(found) >= {
        ("server", "mirror-1"),
        ("client", "acme"),
        ("client", "globex"),
        ("ca-operator", "host"),
        ("enrol", "acme"),
    }
    assert found["client", "acme"]["state"] == "valid"
    globex = found["client", "globex"]
    assert (globex["state"], globex["reason"]) == ("revoked", "key-compromise")
    assert found["server", "mirror-1"]["names"] == ["localhost", "127.0.0.1"]
    assert found["enrol", "acme"]["uses"] is None
    lost("revoke", "acme")
    assert certificate(lost.folder / "issued/acme.crt").serial_number in lost.revoked()
    assert certificate(lost.folder / "issued/globex.crt").serial_number in lost.revoked()


def test_what_is_known_is_taken_in_once(lost: Spot) -> None:
    acme = lost.folder / "issued/acme.crt"
    (first,) = json.loads(lost("adopt", acme, "--json"))
    assert first["name"] == "acme"
    before = tree(lost.folder)
    assert "knew 1 of them already" in lost("adopt", acme)
    assert json.loads(lost("adopt", acme, "--json")) == []
    assert tree(lost.folder) == before


def test_what_others_have_signed_is_not_ours(lost: Spot, tmp_path: Path) -> None:
    foreign: House = make_house(lambda: ec.generate_private_key(ec.SECP256R1()))
    (tmp_path / "foreign.crt").write_bytes(pem_of(foreign.client.certificate))
    (tmp_path / "garbage.crt").write_bytes(b"\xff" * 100)
    before = tree(lost.folder)
    assert "not signed by the issuing CA" in lost.refused(3, "adopt", tmp_path / "foreign.crt")
    assert "not signed by the issuing CA" in lost.refused(3, "adopt", lost.folder / "root.crt")
    for name in ("garbage.crt", "none.crt", "root.json"):
        assert lost.refused(3, "adopt", tmp_path / name)
    assert tree(lost.folder) == before
    with Ledger(lost.folder / "ledger.sqlite") as ledger:
        assert {entry.profile for entry in ledger.entries()} == {"root", "issuing"}
