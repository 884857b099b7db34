"""`list` and `show`: all about a certificate, a CRL or a bundle, for people and for scripts; never a key."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_crl
from cryptography.x509.oid import NameOID

from ca.bundle import encode
from tests.ca.house import NOW, House, der_of, key_pem, pem_of
from tests.ca.spot_ca import Spot, certificate, issue_client, issue_server
from tests.ca.test_bundle import bundle_of

FIELDS = [
    "serial",
    "profile",
    "name",
    "identity",
    "names",
    "subject",
    "issuer",
    "issuer_key",
    "not_before",
    "not_after",
    "days_left",
    "state",
    "revoked",
    "reason",
    "issued",
    "key",
    "strong",
    "fingerprint",
    "file",
    "parent",
    "children",
    "uses",
    "used",
]


def shown(spot: Spot, what: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(spot("show", what, "--json"))
    return found


def test_a_certificate_is_shown_by_serial_name_and_file(spot: Spot) -> None:
    path = issue_client(spot)
    serial = f"{certificate(path).serial_number:x}"
    found = shown(spot, "acme")
    assert shown(spot, serial) == shown(spot, serial.upper()) == found
    one = found["certificates"][0]
    assert list(one) == FIELDS
    assert (one["serial"], one["profile"], one["key"], one["strong"]) == (serial, "client", "ecdsa-p256", True)
    assert one["identity"] == "spiffe://build.example.com/client/acme"
    assert (one["days_left"], one["state"], one["file"]) == (729, "valid", str(path))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["not_after"])
    assert shown(spot, path)["certificates"] == [{**one, "file": None}]
    text = spot("show", "acme")
    for part in ("client acme: valid", serial, "729 days left", "ecdsa-p256", str(path)):
        assert part in text


def test_all_certificates_of_a_name_are_shown(spot: Spot) -> None:
    server = issue_server(spot, "eu")
    spot("issue", "mirror", "eu", "--key-type", "ecdsa-p256")
    found = shown(spot, "eu")["certificates"]
    assert [one["profile"] for one in found] == ["server", "mirror"]
    assert [one["file"] for one in found] == [str(server), str(server.with_name("eu.mirror.crt"))]
    assert found[0]["names"] == ["localhost", "127.0.0.1"]
    assert [shown(spot, name)["certificates"][0]["profile"] for name in ("root", "issuing")] == ["root", "issuing"]


def test_a_revocation_is_shown_with_date_and_reason(spot: Spot) -> None:
    path = issue_client(spot)
    spot("revoke", "acme", "--reason", "key-compromise")
    for what in ("acme", path):
        one = shown(spot, what)["certificates"][0]
        assert (one["state"], one["reason"]) == ("revoked", "key-compromise")
    assert re.search(r"client acme: revoked on \d{4}-\d\d-\d\d \(key-compromise\)", spot("show", "acme"))


def test_a_crl_is_shown_and_judged(spot: Spot, house: House, tmp_path: Path) -> None:
    issue_client(spot)
    spot("revoke", "acme")
    path = spot.folder / "crl/issuing.crl"
    crl = shown(spot, path)["crl"]
    assert (crl["number"], crl["revoked"], crl["days_left"], crl["believed"]) == (2, 1, 29, True)
    assert "checked   good" in spot("show", path)
    der = tmp_path / "issuing.der"
    der.write_bytes(load_pem_x509_crl(path.read_bytes()).public_bytes(Encoding.DER))
    assert shown(spot, der)["crl"] == crl
    content = bytearray(der.read_bytes())
    content[-1] ^= 1
    der.write_bytes(content)
    assert shown(spot, der)["crl"]["believed"] is False
    assert "REFUSED" in spot("show", der)
    elsewhere = Spot(tmp_path / "none")
    assert shown(elsewhere, path)["crl"]["believed"] is None


def test_a_bundle_is_shown_without_its_key(spot: Spot, tmp_path: Path) -> None:
    server, root = issue_server(spot), tmp_path / "root.json"
    root.write_text('{"signed":{"_type":"root","expires":"2030-01-01T00:00:00Z","version":3}}')
    out = tmp_path / "acme.bundle"
    mirror = f"https://localhost={server}"
    spot("bundle", "acme", "--mirror", mirror, "--catalogue-root", root, "--out", out, "--key-type", "ecdsa-p256")
    secret = json.loads(out.read_bytes())["client_key"].splitlines()[1]
    found = shown(spot, out)["bundle"]
    assert (found["customer"], found["realm"], found["format"]) == ("acme", "build.example.com", 1)
    assert (found["catalogue_root_version"], found["catalogue_root_expires"]) == (3, "2030-01-01T00:00:00Z")
    assert found["client_certificate"]["name"] == "acme"
    assert found["mirrors"][0]["url"] == "https://localhost"
    assert found["mirrors"][0]["pins"][0]["profile"] == "server"
    text = spot("show", out)
    assert "Bundle of acme in build.example.com" in text
    assert "Mirror https://localhost, pinned:" in text
    assert secret not in text + json.dumps(found)


def test_what_this_ca_did_not_issue_is_shown_as_such(spot: Spot, house: House, tmp_path: Path) -> None:
    path = tmp_path / "foreign.crt"
    parties = (house.client, house.server, house.issuing, house.root)
    path.write_bytes(b"".join(pem_of(party.certificate) for party in parties))
    found = shown(spot, path)["certificates"]
    assert [one["profile"] for one in found] == ["client", "server", "issuing", "root"]
    assert {one["name"] for one in found} == {None}
    assert "not by the CA of this folder" in spot("show", path)
    path.write_bytes(der_of(house.client.certificate))
    assert shown(spot, path)["certificates"] == found[:1]
    assert shown(Spot(tmp_path / "none"), path)["certificates"] == found[:1]


def test_a_foreign_file_gives_a_terminal_no_orders(spot: Spot, tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x9b2J\rvalid\u202e"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, evil)])
    day = timedelta(days=1)
    # IA5String: what is ASCII goes into a SAN as it is.
    names = x509.SubjectAlternativeName([x509.DNSName("\x1b[2Jdns"), x509.UniformResourceIdentifier("\x1b[2Juri")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW - day, NOW + day).add_extension(
        names, critical=False
    )
    revoking = x509.CertificateRevocationListBuilder(name, NOW - day, NOW + day).sign(key, SHA256())
    (tmp_path / "evil.crt").write_bytes(pem_of(made.sign(key, SHA256())))
    (tmp_path / "evil.crl").write_bytes(revoking.public_bytes(Encoding.PEM))
    for file in ("evil.crt", "evil.crl"):
        text = spot("show", tmp_path / file)
        assert "owned" in text
        assert all(line.isprintable() for line in text.split("\n"))
    assert "[2Jdns" in spot("show", tmp_path / "evil.crt")


def test_the_catalogue_root_of_a_bundle_gives_a_terminal_no_orders(spot: Spot, tmp_path: Path) -> None:
    server, root, out = issue_server(spot), tmp_path / "root.json", tmp_path / "acme.bundle"
    root.write_text('{"signed":{"_type":"root","expires":"\\u001b[2Jsoon","version":3}}')
    mirror = f"https://localhost={server}"
    spot("bundle", "acme", "--mirror", mirror, "--catalogue-root", root, "--out", out, "--key-type", "ecdsa-p256")
    text = spot("show", out)
    assert "until  [2Jsoon" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_file_next_to_a_name_is_told_apart(spot: Spot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something with a dot or a slash is a file; anything else means the ledger first."""
    path = issue_client(spot)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acme").write_text("something else")
    (tmp_path / "globex").write_bytes(path.read_bytes())
    assert shown(spot, "acme")["certificates"][0]["name"] == "acme"
    assert "nothing to show" in spot.refused(3, "show", "./acme")
    assert shown(spot, "globex")["certificates"][0]["name"] == "acme"
    assert shown(Spot(tmp_path / "none"), "globex")["certificates"][0]["name"] is None
    assert "nor such a file" in spot.refused(3, "show", "initech")
    assert "There is no file" in spot.refused(3, "show", "initech.crt")
    assert "spot-ca init" in Spot(tmp_path / "none").refused(5, "show", "initech")


def test_keys_and_other_things_are_not_shown(spot: Spot, house: House, tmp_path: Path) -> None:
    path = tmp_path / "file.pem"
    secret = key_pem(house.client.key)
    for content, told in (
        (secret, "private key"),
        (b"", "none that this program knows"),
        (b"\x30\x82", "none that this program knows"),
        (b"{", "not a bundle"),
        (b'{"format":2}', "update it"),
        (b'{"format":1,"customer":NaN}', "not-json"),
        (b'{"format":1,"x":' + b"[" * 600_000 + b"]" * 600_000 + b"}", "too-large"),
        (b'{"format":1,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too-deep"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "nothing to show"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "nothing to show"),
        (encode(bundle_of(house)).replace(b'"customer":"acme"', b'"customer":"globex"'), "do not belong together"),
        (encode(bundle_of(house)).replace(b"build.example.com", b"other.example.com"), "do not belong together"),
    ):
        path.write_bytes(content)
        message = spot.refused(3, "show", path)
        assert told in message
        assert secret.splitlines()[1].decode() not in message
        assert len(message.splitlines()) == 1
    path.write_bytes(secret + pem_of(house.client.certificate))
    text = spot("show", path)
    assert secret.splitlines()[1].decode() not in text
    assert "client" in text
    with path.open("wb") as file:
        file.truncate(17 * 2**20)
    assert "bytes allowed" in spot.refused(3, "show", path)
    assert "cannot be read" in spot.refused(3, "show", f"{tmp_path}/")


def test_a_list_is_narrowed_and_told_to_scripts(spot: Spot) -> None:
    issue_server(spot)
    issue_client(spot)
    spot("issue", "client", "globex", "--days", "5", "--key-type", "ecdsa-p256")
    assert "no such certificate" in spot("list", "--name", "initech")
    assert json.loads(spot("list", "--name", "initech", "--json")) == []
    for arguments, names in (
        ([], ["mirror-1", "acme", "globex"]),
        (["--profile", "client"], ["acme", "globex"]),
        (["--profile", "root"], ["root"]),
        (["--expiring", "6"], ["globex"]),
        (["--name", "acme"], ["acme"]),
        (["--all", "--profile", "issuing"], ["issuing"]),
    ):
        found = json.loads(spot("list", "--json", *arguments))
        assert [one["name"] for one in found] == names
        assert all(list(one) == FIELDS for one in found)
        assert [line.split()[2] for line in spot("list", *arguments).splitlines()[1:]] == names
    assert spot.try_("list", "--profile", "other").exit_code == 2
    assert spot.try_("list", "--expiring", "-1").exit_code == 2


def test_what_init_made_is_an_empty_list(spot: Spot) -> None:
    assert "spot-ca issue" in spot("list")
    assert json.loads(spot("list", "--json")) == []


def test_what_is_done_is_told_to_scripts(spot: Spot) -> None:
    made = json.loads(spot("issue", "client", "acme", "--key-type", "ecdsa-p256", "--json"))
    assert list(made) == ["certificate", "certificate_path", "key_path", "resumed", "handed_back"]
    assert made["certificate_path"] == str(spot.folder / "issued/acme.crt")
    assert made["certificate"]["serial"] == f"{certificate(spot.folder / 'issued/acme.crt').serial_number:x}"
    planned = json.loads(spot("revoke", "acme", "--dry-run", "--json"))
    (told,) = planned["certificates"]
    assert (planned["dry_run"], told["certificate"]["state"], planned["crl"]) == (True, "valid", None)
    done = json.loads(spot("revoke", "acme", "--reason", "superseded", "--json"))
    (told,) = done["certificates"]
    assert (done["dry_run"], done["already_revoked"], told["why"]) == (False, False, "itself")
    assert (told["certificate"]["state"], told["certificate"]["reason"]) == ("revoked", "superseded")
    assert done["crl"]["number"] == 2
    assert json.loads(spot("revoke", "acme", "--json"))["already_revoked"] is True
    signed = json.loads(spot("crl", "--json"))
    assert (signed["issuing"]["number"], signed["root"]["number"]) == (4, 2)
    assert signed["issuing"]["path"] == str(spot.folder / "crl/issuing.crl")
    (spot.folder / "root.key").unlink()
    assert json.loads(spot("crl", "--json"))["root"] is None


def test_a_dry_run_of_a_revocation_revokes_nothing_and_needs_no_passphrase(spot: Spot) -> None:
    issue_client(spot)
    done = spot.try_("revoke", "acme", "--dry-run", env={})
    assert (done.exit_code, "would be revoked" in done.stdout) == (0, True)
    assert spot.revoked() == frozenset()
    assert shown(spot, "acme")["certificates"][0]["state"] == "valid"
    assert "no certificate" in spot.refused(3, "revoke", "globex", "--dry-run")
