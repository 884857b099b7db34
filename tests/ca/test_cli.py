"""spot-ca as people use it: what it makes, and what it refuses with which exit code."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from ca.bundle import check, decode
from ca.cli import cli
from ca.ledger import Ledger
from ca.tls import client_context, read_pins, server_context
from tests.ca.house import REALM
from tests.ca.spot_ca import PASSPHRASE, Spot, certificate, issue_client, issue_server, tree
from tests.hostile.needs import need_root

ROOT_JSON = '{"signed":{"_type":"root"}}'


def test_init_makes_a_vault_that_is_private(made: Path) -> None:
    assert set(tree(made)) == {
        ".lock",
        "ledger.sqlite",
        "lifetimes.toml",
        "root.crt",
        "root.key",
        "issuing.crt",
        "issuing.key",
        "crl/root.crl",
        "crl/issuing.crl",
    }
    for name in (".", "crl", "issued"):
        assert (made / name).stat().st_mode & 0o777 == 0o700
    for name in ("root.key", "issuing.key", "ledger.sqlite"):
        assert (made / name).stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in (made / "root.key").read_bytes()


def test_init_makes_what_openssl_believes_strictly(spot: Spot, tmp_path: Path) -> None:
    crls = tmp_path / "all.crl"
    crls.write_bytes(b"".join((spot.folder / "crl" / f"{name}.crl").read_bytes() for name in ("root", "issuing")))
    for role in ("mirror", "support", "ca-operator"):
        spot("issue", role, "eu", "--key-type", "ecdsa-p256")
    others = [spot.folder / f"issued/eu.{role}.crt" for role in ("mirror", "support", "ca-operator")]
    for leaf in (issue_server(spot), issue_client(spot), *others):
        authorities = ["-CAfile", spot.folder / "root.crt", "-untrusted", spot.folder / "issuing.crt"]
        revocation = ["-crl_check_all", "-CRLfile", crls]
        command = ["openssl", "verify", "-x509_strict", *authorities, *revocation, leaf]
        assert subprocess.run(list(map(str, command)), capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_rsa_is_the_default(tmp_path: Path) -> None:
    spot = Spot(tmp_path / "ca")
    spot("init", "--realm", REALM)
    spot("issue", "client", "acme")
    for name in ("root.crt", "issuing.crt", "issued/acme.crt"):
        key = certificate(spot.folder / name).public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        assert key.key_size == 2048


def test_init_tells_scripts_what_it_made(tmp_path: Path) -> None:
    spot = Spot(tmp_path / "ca")
    made = json.loads(spot("init", "--realm", REALM, "--json"))
    assert set(made) == {"folder", "realm", "root", "issuing"}
    assert (made["realm"], made["folder"]) == (REALM, str(tmp_path / "ca"))
    for name in ("root", "issuing"):
        (shown,) = json.loads(spot("show", name, "--json"))["certificates"]
        assert shown == made[name]


def test_init_overwrites_nothing(spot: Spot, tmp_path: Path) -> None:
    before = tree(spot.folder)
    assert "already" in spot.refused(5, "init", "--realm", REALM)
    assert tree(spot.folder) == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").touch()
    assert "already" in Spot(other).refused(5, "init", "--realm", REALM)
    assert [path.name for path in other.iterdir()] == ["file"]


def test_init_refuses_what_it_is_given_before_it_makes_anything(tmp_path: Path) -> None:
    spot = Spot(tmp_path / "ca")
    assert "not a realm" in spot.refused(3, "init", "--realm", "localhost")
    assert "too short" in spot.refused(4, "init", "--realm", REALM, env={"SPOT_CA_PASSPHRASE": "short"})
    assert "--passphrase-file" in spot.refused(4, "init", "--realm", REALM, env={})
    assert spot.try_("init", "--realm", REALM, "--key-type", "rsa1024").exit_code == 2
    assert spot.try_("init").exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_what_is_issued_serves_both_ends_of_a_connection(spot: Spot) -> None:
    server, client = issue_server(spot), issue_client(spot)
    issuing = certificate(spot.folder / "issuing.crt")
    server_context(certificate=server, key=server.with_suffix(".key"), issuing_cas=[issuing])
    client_context(certificate=client, key=client.with_suffix(".key"), pins=read_pins(server.read_bytes()))


def test_a_key_that_was_handed_out_is_its_owners_only(spot: Spot, tmp_path: Path) -> None:
    spot("issue", "client", "acme", "--out", tmp_path / "new/out", "--key-type", "ecdsa-p256")
    key = tmp_path / "new/out/acme.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert isinstance(load_pem_private_key(key.read_bytes(), None), ec.EllipticCurvePrivateKey)


def test_issue_overwrites_nothing(spot: Spot) -> None:
    issued = issue_client(spot)
    before = tree(spot.folder)
    assert "already" in spot.refused(3, "issue", "client", "acme")
    assert tree(spot.folder) == before
    issued.unlink()
    issued.with_suffix(".key").write_text("something else")
    assert "private key" in spot.refused(5, "issue", "client", "acme")
    assert issued.with_suffix(".key").read_text() == "something else"


def test_issue_refuses_what_cannot_be_certified(spot: Spot) -> None:
    assert "valid customer" in spot.refused(3, "issue", "client", "../acme")
    assert "names or IP" in spot.refused(3, "issue", "server", "mirror-1")
    assert "DNS name" in spot.refused(3, "issue", "server", "mirror-1", "--dns", "*.example.com")
    assert "IP address" in spot.refused(3, "issue", "server", "mirror-1", "--ip", "localhost")
    with Ledger(spot.folder / "ledger.sqlite") as ledger:
        assert {entry.profile for entry in ledger.entries()} == {"root", "issuing"}


def test_refusal_of_a_certificate_leaves_no_key_behind(spot: Spot) -> None:
    spot.refused(3, "issue", "server", "mirror-1", "--dns", "*.example.com")
    spot.refused(3, "issue", "server", "Mirror", "--dns", "localhost")
    assert list((spot.folder / "issued").iterdir()) == []


def test_list_shows_who_has_what(spot: Spot) -> None:
    issue_server(spot)
    issue_client(spot)
    issue_client(spot, "globex")
    spot("revoke", "globex")
    names = [line.split()[2] for line in spot("list").splitlines()]
    assert names == ["NAME", "mirror-1", "acme"]
    names = [line.split()[2] for line in spot("list", "--all").splitlines()]
    assert names == ["NAME", "root", "issuing", "mirror-1", "acme", "globex"]
    assert "spiffe://build.example.com/client/acme" in spot("list")


def test_a_revocation_stands_in_the_crl_at_once(spot: Spot) -> None:
    acme, globex = (certificate(issue_client(spot, name)).serial_number for name in ("acme", "globex"))
    assert str(spot.folder / "crl/issuing.crl") in spot("revoke", "acme", "--reason", "key-compromise")
    assert spot.revoked() == {acme}
    spot("revoke", f"{globex:X}")
    assert spot.revoked() == {acme, globex}
    spot("crl")
    assert spot.revoked() == {acme, globex}
    assert f"Next: bring {spot.folder / 'crl/issuing.crl'} to the mirrors." in spot("crl")
    assert "no certificate" in spot.refused(3, "revoke", "initech")
    assert "no certificate" in spot.refused(3, "revoke", "issuing")


def test_a_second_revocation_tells_of_the_first_and_signs_again(spot: Spot) -> None:
    serial = certificate(issue_client(spot)).serial_number
    assert spot("revoke", "acme").startswith(f"Revoked {serial:x} (client acme).")
    before = (spot.folder / "crl/issuing.crl").read_bytes()
    again = spot("revoke", "acme", "--reason", "key-compromise")
    with Ledger(spot.folder / "ledger.sqlite") as ledger:
        entry = ledger.entries()[-1]
    assert entry.revoked_at is not None
    assert f"{serial:x} (client acme) was revoked on {entry.revoked_at:%Y-%m-%d} (unspecified)" in again
    assert "Next: bring" in again
    assert (spot.folder / "crl/issuing.crl").read_bytes() != before
    assert spot.revoked() == {serial}


def test_of_several_certificates_one_goes_alone_if_that_is_said(spot: Spot) -> None:
    serials = []
    for folder in ("one", "two"):
        spot("issue", "client", "acme", "--out", spot.folder / folder, "--key-type", "ecdsa-p256")
        serials.append(certificate(spot.folder / folder / "acme.crt").serial_number)
    assert f"{serials[1]:x}" in spot.refused(3, "revoke", "acme", "--only")
    assert spot.revoked() == frozenset()
    spot("revoke", f"{serials[0]:x}", "--only")
    assert spot.revoked() == {serials[0]}


def test_all_but_the_roots_crl_works_with_its_key_offline(spot: Spot, tmp_path: Path) -> None:
    before = (spot.folder / "crl/root.crl").read_bytes()
    (spot.folder / "root.key").rename(tmp_path / "root.key")
    issue_client(spot)
    spot("revoke", "acme")
    assert "root.key is not here" in spot("crl")
    assert (spot.folder / "crl/root.crl").read_bytes() == before
    (tmp_path / "root.key").rename(spot.folder / "root.key")
    assert "root.crl" in spot("crl")
    assert (spot.folder / "crl/root.crl").read_bytes() != before


def test_a_bundle_carries_what_an_installation_needs(spot: Spot, tmp_path: Path) -> None:
    first, second = issue_server(spot), issue_server(spot, "mirror-2")
    (tmp_path / "root.json").write_text(ROOT_JSON)
    out = tmp_path / "acme.bundle"
    mirrors = ["--mirror", f"https://localhost:8443={first},{second}", "--mirror", f"https://127.0.0.1={second}"]
    told = spot(
        "bundle", "acme", *mirrors, "--catalogue-root", tmp_path / "root.json", "--out", out, "--key-type", "ecdsa-p256"
    )
    bundle = decode(out.read_bytes())
    check(bundle)
    issued = load_pem_x509_certificate(bundle.client_certificate.encode())
    assert f"  serial  {issued.serial_number:x}\n  until   {issued.not_valid_after_utc:%Y-%m-%d}\n" in told
    assert (bundle.realm, bundle.customer, bundle.catalogue_root) == (REALM, "acme", ROOT_JSON)
    assert [len(mirror.pins) for mirror in bundle.mirrors] == [2, 1]
    assert bundle.mirrors[0].pins[0] == first.read_text()
    assert out.stat().st_mode & 0o777 == 0o600
    assert "spiffe://build.example.com/client/acme" in spot("list")


def test_a_bundle_that_would_not_work_costs_no_certificate(spot: Spot, tmp_path: Path) -> None:
    server, root = issue_server(spot), tmp_path / "root.json"
    root.write_text(ROOT_JSON)
    before = tree(spot.folder)
    out = tmp_path / "out"

    def refused(mirror: str, catalogue_root: Path = root, out: Path = out, customer: str = "acme") -> str:
        return spot.refused(3, "bundle", customer, "--mirror", mirror, "--catalogue-root", catalogue_root, "--out", out)

    assert "has no pin" in refused("https://localhost")
    assert "not of the form" in refused(f"http://localhost={server}")
    assert "CA certificate" in refused(f"https://localhost={spot.folder / 'issuing.crt'}")
    assert "not a certificate for example.com" in refused(f"https://example.com={server}")
    assert "There is no file" in refused(f"https://localhost={tmp_path / 'none'}")
    assert "There is no file" in refused(f"https://localhost={server}", tmp_path / "none")
    assert "not a TUF root.json" in refused(f"https://localhost={server}", server)
    assert "no folder" in refused(f"https://localhost={server}", out=tmp_path / "none/out")
    assert "already" in refused(f"https://localhost={server}", out=root)
    assert "valid customer" in refused(f"https://localhost={server}", customer="Acme")
    assert tree(spot.folder) == before
    assert not out.exists()


def test_a_wrong_or_missing_passphrase_has_its_own_code(spot: Spot, tmp_path: Path) -> None:
    before = tree(spot.folder)
    for command in (["issue", "client", "acme"], ["crl"], ["revoke", "acme"]):
        assert "wrong" in spot.refused(4, *command, env={"SPOT_CA_PASSPHRASE": "another one"})
        assert "SPOT_CA_PASSPHRASE" in spot.refused(4, *command, env={})
    assert tree(spot.folder) == before
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE)
    file.chmod(0o644)
    assert "chmod 600" in spot.refused(4, "--passphrase-file", file, "crl", env={})
    file.chmod(0o600)
    assert spot.try_("--passphrase-file", file, "crl", env={}).exit_code == 0


def test_a_vault_that_cannot_be_trusted_has_its_own_code(spot: Spot, tmp_path: Path) -> None:
    for command in (["list"], ["crl"], ["issue", "client", "acme"]):
        assert "spot-ca init" in Spot(tmp_path / "none").refused(5, *command)
    spot.folder.chmod(0o755)
    assert "chmod 700" in spot.refused(5, "list")
    spot.folder.chmod(0o700)
    (spot.folder / "issuing.key").chmod(0o644)
    assert "chmod 600" in spot.refused(5, "crl")
    (spot.folder / "issuing.key").chmod(0o600)
    shutil.copy(spot.folder / "root.key", spot.folder / "issuing.key")
    assert "do not belong together" in spot.refused(5, "crl")
    (spot.folder / "issuing.crt").write_text("")
    assert "damaged" in spot.refused(5, "issue", "client", "acme")
    (spot.folder / "issuing.key").write_text("")
    assert "damaged" in spot.refused(5, "crl")
    (spot.folder / "issuing.key").unlink()
    assert "There is no file" in spot.refused(5, "crl")
    (spot.folder / "ledger.sqlite").write_bytes(b"x" * 5000)
    assert "damaged" in spot.refused(5, "list")


def test_a_machine_that_fails_gets_a_sentence(spot: Spot, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "Not a directory" in spot.refused(1, "issue", "client", "acme", "--out", tmp_path / "file" / "below")


def walk(command: click.Command, path: str = "spot-ca") -> Iterator[tuple[str, click.Command]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, f"{path} {name}")


def test_every_command_and_option_is_explained() -> None:
    commands = dict(walk(cli))
    assert len(commands) == 23
    for path, command in commands.items():
        assert command.help, path
        for parameter in command.params:
            record = parameter.to_info_dict()
            assert record["param_type_name"] == "argument" or record["help"], f"{path} {parameter.name}"
    for path in commands:
        help_text = CliRunner().invoke(cli, [*path.split()[1:], "--help"]).output
        assert all(f"\n    {code}  " in help_text for code in range(7)), path


def test_what_is_written_holds_no_secret_in_clear(spot: Spot, tmp_path: Path) -> None:
    server = issue_server(spot)
    (tmp_path / "root.json").write_text(ROOT_JSON)
    arguments = ["--mirror", f"https://localhost={server}", "--catalogue-root", str(tmp_path / "root.json")]
    spot("bundle", "acme", *arguments, "--out", tmp_path / "out")
    document = json.loads((tmp_path / "out").read_bytes())
    secret = document["client_key"].splitlines()[1].encode()
    for name, content in tree(spot.folder).items():
        assert secret not in content, name
        assert PASSPHRASE.encode() not in content, name


def test_a_folder_that_this_user_may_not_enter_is_not_taken_for_an_empty_one() -> None:
    need_root()
    with TemporaryDirectory(dir="/tmp") as name:
        os.seteuid(65534)
        try:
            said = Spot(Path(name)).refused(1, "list")
        finally:
            os.seteuid(0)
    assert f"{name}/issuing.crt: Permission denied. Run spot-ca as the user to whom that belongs, or as root." in said
