"""spot-ca's further profiles, key types and lifetimes, and what ends a command early: a person, a disk, a folder."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import Certificate

from ca.peer import read_peer
from tests.ca.house import der_of
from tests.ca.spot_ca import PASSPHRASE, ROOT_JSON, Spot, certificate, issue_client, issue_server, tree
from tests.hostile.needs import need_program, need_root

P256 = ("--key-type", "ecdsa-p256")


def life(issued: Certificate) -> timedelta:
    return issued.not_valid_after_utc - issued.not_valid_before_utc - timedelta(minutes=5)


@pytest.mark.parametrize(("role", "days"), [("mirror", 730), ("support", 365), ("ca-operator", 365)])
def test_each_role_gets_a_certificate_of_its_own(spot: Spot, role: str, days: int) -> None:
    told = spot("issue", role, "eu", *P256)
    path = spot.folder / f"issued/eu.{role}.crt"
    assert f"Wrote {path} and {path.with_suffix('.key')}." in told
    peer = read_peer(der_of(certificate(path)))
    assert peer.identity is not None
    assert (peer.identity.uri, peer.problems) == (f"spiffe://build.example.com/{role}/eu", ())
    assert life(certificate(path)) == timedelta(days=days)
    assert path.with_suffix(".key").stat().st_mode & 0o777 == 0o600
    assert "already" in spot.refused(3, "issue", role, "eu")
    assert "valid name" in spot.refused(3, "issue", role, "../eu")
    assert "valid name" in spot.refused(3, "issue", role, "Eu")


def test_the_files_of_a_name_never_stand_in_for_one_another(spot: Spot) -> None:
    """A mirror serves with one certificate and is a client of another mirror with a second; names hold no dot."""
    issue_server(spot, "eu")
    for role in ("mirror", "support", "ca-operator"):
        spot("issue", role, "eu", *P256)
    names = {"eu", "eu.mirror", "eu.support", "eu.ca-operator"}
    assert {path.stem for path in (spot.folder / "issued").iterdir()} == names
    assert "valid customer" in spot.refused(3, "issue", "client", "eu.mirror")
    assert "several certificates" in spot.refused(3, "revoke", "eu")
    assert spot.try_("check", "--quiet").stdout == ""


def test_a_left_over_key_is_taken_up_only_for_what_it_was_made_for(spot: Spot) -> None:
    issue = ("issue", "client", "acme")
    path = issue_client(spot)
    serial = certificate(path).serial_number
    path.unlink()
    assert "ecdsa-p256, not rsa2048" in spot.refused(3, *issue, "--key-type", "rsa2048")
    for other in ("globex", "acme.support"):
        path.with_suffix(".key").rename(path.with_name(f"{other}.key"))
        role, name = ("support", "acme") if "." in other else ("client", other)
        assert "is that of client acme " in spot.refused(3, "issue", role, name, *P256)
        path.with_name(f"{other}.key").rename(path.with_suffix(".key"))
    told = spot(*issue, *P256, "--days", "5")
    assert "days asked for now do not count" in told
    assert certificate(path).serial_number == serial
    path.unlink()
    made = json.loads(spot(*issue, *P256, "--json"))
    assert (made["resumed"], made["handed_back"], made["certificate"]["serial"]) == (True, True, f"{serial:x}")
    spot("revoke", f"{serial:x}")
    path.unlink()
    made = json.loads(spot(*issue, *P256, "--json"))
    assert (made["resumed"], made["handed_back"]) == (True, False)


@pytest.mark.slow
def test_rsa3072_is_made_wherever_a_key_is(tmp_path: Path) -> None:
    spot = Spot(tmp_path / "ca")
    spot("init", "--realm", "build.example.com", "--key-type", "rsa3072")
    spot("issue", "client", "acme", "--key-type", "rsa3072")
    for name in ("root.crt", "issuing.crt", "issued/acme.crt"):
        key = certificate(spot.folder / name).public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        assert key.key_size == 3072
    server = issue_server(spot)
    (tmp_path / "root.json").write_text(ROOT_JSON)
    side = ["--mirror", f"https://localhost={server}", "--catalogue-root", str(tmp_path / "root.json")]
    spot("bundle", "globex", *side, "--out", tmp_path / "out.bundle", "--key-type", "rsa3072")
    assert "rsa3072" in spot("show", tmp_path / "out.bundle")


def test_lifetimes_are_chosen_in_a_file_and_for_once_by_hand(spot: Spot) -> None:
    (spot.folder / "lifetimes.toml").write_text("client = 90\ncrl = 7\n")
    assert life(certificate(issue_client(spot))) == timedelta(days=90)
    spot("issue", "client", "globex", "--days", "3", *P256)
    assert life(certificate(spot.folder / "issued/globex.crt")) == timedelta(days=3)
    assert life(certificate(issue_server(spot))) == timedelta(days=730)
    told = spot("crl")
    assert "issuing.crl, good for 7 days" in told
    assert "root.crl, good for 365 days" in told
    (spot.folder / "lifetimes.toml").unlink()
    assert "issuing.crl, good for 30 days" in spot("crl")
    assert spot.try_("issue", "client", "hooli", "--days", "0").exit_code == 2
    assert spot.try_("issue", "client", "hooli", "--days", "7301").exit_code == 2


def test_days_beyond_the_issuing_ca_are_refused_and_lifetimes_are_cut_there(tmp_path: Path) -> None:
    spot = Spot(tmp_path / "ca")
    own = tmp_path / "own.toml"
    own.write_text("root = 40\nissuing = 20\nserver=5\nclient=5\nmirror=5\nsupport=5\nca-operator=5\nenrol=5\n")
    spot("init", "--realm", "build.example.com", "--lifetimes", own, *P256)
    assert (spot.folder / "lifetimes.toml").read_bytes() == own.read_bytes()
    assert [life(certificate(spot.folder / f"{name}.crt")).days for name in ("root", "issuing")] == [40, 20]
    assert "19 days at most" in spot.refused(3, "issue", "client", "acme", "--days", "21")
    assert list((spot.folder / "issued").iterdir()) == []
    (spot.folder / "lifetimes.toml").unlink()
    assert "ends sooner" in spot("issue", "client", "acme", *P256)
    issuing = certificate(spot.folder / "issuing.crt")
    assert certificate(spot.folder / "issued/acme.crt").not_valid_after_utc == issuing.not_valid_after_utc


def test_wrong_lifetimes_stop_what_signs_before_anybody_is_asked(spot: Spot, tmp_path: Path) -> None:
    issue_client(spot)
    path = spot.folder / "lifetimes.toml"
    path.write_text("client = [")
    before = tree(spot.folder)
    for command in (["issue", "client", "globex"], ["revoke", "acme"], ["crl"]):
        assert str(path) in spot.refused(5, *command, env={})
    assert tree(spot.folder) == before
    assert "acme" in spot("list")
    assert "acme" in spot("show", "acme")
    path.unlink()
    path.mkdir()
    assert "cannot be read" in spot.refused(5, "crl")
    fresh = Spot(tmp_path / "fresh")
    (tmp_path / "bad.toml").write_text("clients = 5")
    init = ["init", "--realm", "b.example.com", "--lifetimes"]
    assert "'clients' is not one of" in fresh.refused(3, *init, tmp_path / "bad.toml", env={})
    assert "There is no file" in fresh.refused(3, *init, tmp_path / "none.toml", env={})
    assert not fresh.folder.exists()


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("something")
    for command in (["list"], ["check"], ["crl"], ["init", "--realm", "b.example.com"]):
        assert "is a file" in Spot(file).refused(2, *command)
    for command in (["list"], ["check"], ["crl"]):
        assert "There is no CA" in Spot(file / "below").refused(5, *command)
    assert "File exists" in Spot(file / "below").refused(1, "init", "--realm", "b.example.com", *P256)
    assert file.read_text() == "something"


@pytest.fixture
def read_only(spot: Spot) -> Iterator[Spot]:
    need_root()
    need_program("mount")
    issue_client(spot)
    folder = str(spot.folder)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield spot
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_read_only_disk_gets_one_sentence(read_only: Spot) -> None:
    before = tree(read_only.folder)
    for command in (["issue", "client", "globex", *P256], ["revoke", "acme"], ["crl"], ["list"], ["check"]):
        message = read_only.refused(1, *command)
        assert "Read-only file system" in message
        assert len(message.splitlines()) == 1
    assert tree(read_only.folder) == before


@pytest.mark.slow
def test_a_person_who_stops_at_the_prompt_is_told_that_nothing_more_was_done(spot: Spot) -> None:
    ours, theirs = pty.openpty()
    program = ["-c", "from ca.cli import main; main()", "--dir", str(spot.folder), "issue", "client", "acme"]
    environment = {name: value for name, value in os.environ.items() if name != "SPOT_CA_PASSPHRASE"}
    with subprocess.Popen(
        [sys.executable, *program], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        while not shown.endswith(b": "):
            shown += os.read(ours, 1024)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        while b"rest." not in shown:
            shown += os.read(ours, 1024)
        assert process.wait(timeout=20) == 1
    os.close(ours)
    assert b"Error: Stopped by you. What was finished stays; run the same command again for the rest." in shown
    assert b"Traceback" not in shown
    assert PASSPHRASE.encode() not in shown
    assert list((spot.folder / "issued").iterdir()) == []
