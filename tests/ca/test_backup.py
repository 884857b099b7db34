"""A backup holds all of a CA, for whoever has its passphrase; a restore brings all of it back, or nothing."""

import json
import shutil
import signal
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest

from ca.backup import Contents, Member, _stream
from ca.files import write_new
from ca.sealing import seal
from tests.ca.spot_ca import PASSPHRASE, Spot, certificate, issue_client, issue_server, tree
from tests.ca.test_killed import finish, start

PASSING = {".lock"}


@pytest.fixture
def kept(spot: Spot) -> Spot:
    """A CA that has issued and revoked."""
    issue_server(spot)
    issue_client(spot)
    issue_client(spot, "globex")
    spot("revoke", "globex")
    return spot


@pytest.fixture
def backup(kept: Spot, tmp_path: Path) -> Path:
    kept("backup", tmp_path / "ca.backup")
    return tmp_path / "ca.backup"


def lose(spot: Spot) -> dict[str, bytes]:
    """The CA's host is lost; what lay there."""
    before = tree(spot.folder)
    shutil.rmtree(spot.folder)
    return before


def test_all_comes_back_but_keys_in_clear(kept: Spot, backup: Path) -> None:
    serials = json.loads(kept("list", "--all", "--json"))
    before = lose(kept)
    told = kept("restore", backup, "--no-crl")
    assert "spot-ca crl" in told
    after = tree(kept.folder)
    gone = {name for name in before if name.startswith("issued/") and name.endswith(".key")}
    assert set(after) - PASSING == set(before) - gone - PASSING
    assert len(gone) == 3
    for name in set(after) - PASSING - {"ledger.sqlite"}:
        assert after[name] == before[name]
    assert json.loads(kept("list", "--all", "--json")) == serials
    found = json.loads(kept.try_("check", "--json").stdout)["findings"]
    assert [one["code"] for one in found if one["severity"] in ("warning", "problem")] == ["revoked-here"]
    kept("crl")
    assert kept.revoked() == {certificate(kept.folder / "issued/globex.crt").serial_number}


def test_modes_are_as_they_have_to_be(kept: Spot, backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    lose(kept)
    kept("restore", backup, "--no-crl")
    modes = {path.name: path.stat().st_mode & 0o777 for path in [kept.folder, *kept.folder.rglob("*")]}
    for name in (kept.folder.name, "crl", "issued"):
        assert modes[name] == 0o700
    for name in ("root.key", "issuing.key", "ledger.sqlite"):
        assert modes[name] == 0o600


def test_keys_in_clear_come_along_if_they_are_asked_for(kept: Spot, tmp_path: Path) -> None:
    kept("backup", tmp_path / "b", "--issued-keys")
    before = lose(kept)
    kept("restore", tmp_path / "b", "--no-crl")
    assert set(tree(kept.folder)) - PASSING == set(before) - PASSING
    assert (kept.folder / "issued/acme.key").stat().st_mode & 0o777 == 0o600


def test_nothing_in_it_is_in_clear(kept: Spot, backup: Path) -> None:
    raw = backup.read_bytes()
    for part in (b"SQLite", b"BEGIN", b"acme", b"build.example.com", PASSPHRASE.encode()):
        assert part not in raw


def test_in_a_folder_each_has_the_time_in_its_name(kept: Spot, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    told = json.loads(kept("backup", folder, "--json"))
    (path,) = folder.iterdir()
    assert told["path"] == str(path)
    assert path.suffix == ".backup"
    assert "ledger.sqlite" in told["files"]
    assert "issued/acme.key" not in told["files"]
    assert kept.try_("restore", path, "--verify").exit_code == 0


def test_nothing_is_overwritten(kept: Spot, backup: Path) -> None:
    before = backup.read_bytes()
    assert "File exists" in kept.refused(1, "backup", backup)
    assert backup.read_bytes() == before
    folder = tree(kept.folder)
    assert "already" in kept.refused(5, "restore", backup, "--no-crl")
    assert tree(kept.folder) == folder


def test_a_backup_needs_the_right_passphrase_and_so_does_a_restore(kept: Spot, tmp_path: Path, backup: Path) -> None:
    wrong = {"SPOT_CA_PASSPHRASE": "another one"}
    assert "wrong" in kept.refused(4, "backup", tmp_path / "b", env=wrong)
    assert not (tmp_path / "b").exists()
    lose(kept)
    assert "wrong" in kept.refused(4, "restore", backup, "--no-crl", env=wrong)
    assert "wrong" in kept.refused(4, "restore", backup, "--verify", env=wrong)
    assert not kept.folder.exists()


def test_a_passphrase_of_its_own_does_without_that_of_the_ca(kept: Spot, tmp_path: Path) -> None:
    own = {"SPOT_CA_BACKUP_PASSPHRASE": "battery staple"}
    assert kept.try_("backup", tmp_path / "b", env=own).exit_code == 0
    file = tmp_path / "passphrase"
    file.touch(mode=0o600)
    file.write_text("battery staple\n")
    lose(kept)
    assert kept.try_("restore", tmp_path / "b", "--verify", "--backup-passphrase-file", file, env={}).exit_code == 0
    assert "wrong" in kept.refused(4, "restore", tmp_path / "b", "--no-crl")
    restored = ("restore", tmp_path / "b", "--no-crl", "--backup-passphrase-file", file)
    assert "wrong" in kept.refused(4, *restored, env={"SPOT_CA_PASSPHRASE": "battery staple"})
    assert not kept.folder.exists()
    kept(*restored)
    kept("crl")


def test_a_passphrase_that_is_chosen_is_long_enough(kept: Spot, tmp_path: Path) -> None:
    assert "too short" in kept.refused(4, "backup", tmp_path / "b", env={"SPOT_CA_BACKUP_PASSPHRASE": "short"})


def test_what_was_revoked_since_stays_so_by_the_list_of_the_mirrors(kept: Spot, backup: Path, tmp_path: Path) -> None:
    issue_client(kept, "initech")
    kept("revoke", "initech")
    kept("revoke", "acme")
    revoked = kept.revoked()
    newest = shutil.copy(kept.folder / "crl/issuing.crl", tmp_path / "mirror.crl")
    lose(kept)
    taken = json.loads(kept("restore", backup, "--crl", newest, "--json"))["crl"]
    assert (len(taken["forgotten"]), len(taken["lost"])) == (1, 1)
    assert kept.revoked() == revoked
    kept("crl")
    assert kept.revoked() == revoked
    signed = json.loads(kept("show", kept.folder / "crl/issuing.crl", "--json"))["crl"]["number"]
    assert signed == taken["number"] + 1
    assert "no certificate" in kept.refused(3, "revoke", "initech")


def test_it_is_said_what_is_known_of_revocations(kept: Spot, backup: Path, tmp_path: Path, made: Path) -> None:
    """Without the newest list, what was revoked since would come back as soon as numbers have caught up."""
    lose(kept)
    for wrong in ([], ["--no-crl", "--verify"], ["--no-crl", "--crl", made / "crl/issuing.crl"]):
        assert kept.try_("restore", backup, *wrong).exit_code == 2
    assert "older than" in kept.refused(3, "restore", backup, "--crl", made / "crl/issuing.crl")
    assert "is not one of" in kept.refused(3, "restore", backup, "--crl", made / "crl/root.crl")
    assert not kept.folder.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"ca.backup", ".ca.lock"}


def mix(spot: Spot, backup: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    """A backup of which somebody with the passphrase has changed the content."""
    files = {name: raw for name, raw in tree(spot.folder).items() if name != ".lock"}
    change(files)
    members = tuple(Member(name, len(raw), sha256(raw).hexdigest()) for name, raw in files.items())
    contents = Contents(made="2026-01-01T00:00:00Z", realm="build.example.com", files=members)
    raw = b"".join([*list(_stream(contents, ()))[:2], *files.values()])
    backup.unlink()
    write_new(backup, seal([raw], PASSPHRASE, bytes(16)), 0o600)


BROKEN: dict[str, Callable[[dict[str, bytes]], object]] = {
    "no ledger": lambda files: files.pop("ledger.sqlite"),
    "no issuing CA": lambda files: files.pop("issuing.crt"),
    "no key": lambda files: files.pop("issuing.key"),
    "another key": lambda files: files.update({"issuing.key": files["root.key"]}),
    "another root": lambda files: files.update({"root.crt": files["issuing.crt"]}),
    "no database": lambda files: files.update({"ledger.sqlite": b"x" * 5000}),
    "a name that leads out": lambda files: files.update({"../escaped.crt": b"x"}),
    "an absolute name": lambda files: files.update({"/tmp/escaped.crt": b"x"}),
    "a name with a line end": lambda files: files.update({"issued/a\nb.crt": b"x"}),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_parts_that_do_not_belong_together_restore_nothing(
    kept: Spot, backup: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], object]
) -> None:
    mix(kept, backup, change)
    lose(kept)
    kept.refused(5, "restore", backup, "--no-crl")
    assert {path.name for path in tmp_path.iterdir()} == {"ca.backup", ".ca.lock"}


def test_what_was_mixed_but_belongs_together_is_restored(kept: Spot, backup: Path) -> None:
    mix(kept, backup, lambda _: None)
    lose(kept)
    kept("restore", backup, "--no-crl")


def test_another_ca_is_not_mixed_in(kept: Spot, backup: Path, tmp_path: Path) -> None:
    other = Spot(tmp_path / "other/ca")
    other("init", "--realm", "build.example.com", "--key-type", "ecdsa-p256")
    theirs = tree(other.folder)
    mix(kept, backup, lambda files: files.update({"ledger.sqlite": theirs["ledger.sqlite"]}))
    lose(kept)
    assert "does not know its own" in kept.refused(5, "restore", backup, "--no-crl")


def test_damage_and_other_files_are_told(kept: Spot, backup: Path, tmp_path: Path) -> None:
    raw = backup.read_bytes()
    lose(kept)
    backup.write_bytes(raw[:-1])
    assert "damaged" in kept.refused(4, "restore", backup, "--no-crl")
    assert "no backup" in kept.refused(5, "restore", shutil.copy("README.md", tmp_path / "x"), "--no-crl")
    assert "cannot be read" in kept.refused(5, "restore", tmp_path / "none", "--no-crl")
    assert not kept.folder.exists()


@pytest.mark.slow
def test_a_restore_killed_at_any_step_leaves_a_whole_ca_or_none(kept: Spot, backup: Path, tmp_path: Path) -> None:
    before = lose(kept)
    for step in count(1, 7):
        folder = tmp_path / str(step) / "ca"
        folder.parent.mkdir()
        command = ["--dir", str(folder), "restore", str(backup), "--no-crl"]
        code, _, err = finish(start(*command, killed_at=step, folder=folder.parent))
        if code != -signal.SIGKILL:
            assert (code, err) == (0, "")
            break
        if not folder.exists():
            Spot(folder)(*command[2:])
        assert set(tree(folder)) - PASSING <= set(before)
        assert "issuing" in Spot(folder)("list", "--all")
        assert {path.name for path in folder.parent.iterdir()} <= {"ca", ".ca.lock"}
    assert step > 20


@pytest.mark.slow
def test_a_backup_killed_at_any_step_is_no_backup_or_a_whole_one(kept: Spot, tmp_path: Path) -> None:
    for step in count(1, 5):
        out = tmp_path / f"{step}.backup"
        code, _, err = finish(start("--dir", kept.folder, "backup", out, killed_at=step, folder=tmp_path))
        if out.exists():
            kept("restore", out, "--verify")
        if code != -signal.SIGKILL:
            assert (code, err) == (0, "")
            break
    assert step > 10
    kept("backup", tmp_path / "last.backup")
    assert "ledger.sqlite.part" not in "".join(tree(kept.folder))


def test_a_key_that_lies_elsewhere_is_in_no_backup_and_is_needed_for_a_restore(kept: Spot, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.key"
    (kept.folder / "issuing.key").rename(elsewhere)
    uri = ("--issuing-key", f"file://{elsewhere}")
    told = kept(*uri, "backup", tmp_path / "b")
    assert "issuing.key is not here, and so not in it" in told
    lose(kept)
    assert "issuing.key" in kept.refused(5, "restore", tmp_path / "b", "--no-crl")
    assert not kept.folder.exists()
    kept(*uri, "restore", tmp_path / "b", "--no-crl")
    kept(*uri, "crl")
