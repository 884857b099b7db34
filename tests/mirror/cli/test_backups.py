"""The commands `backup` and `restore`: online, whole, and above what clients saw."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mirror import catalogue
from mirror.records.sqlite import FILE_NAME, open_records
from tests.ca.house import House, make_house
from tests.mirror.cli.shell import PASSPHRASE, Shell
from tests.mirror.cli.test_mirrors import certificate
from tests.mirror.cli.test_timer import PROGRAM
from tests.mirror.cli.vendor import approve, carry, make_keys, person


@pytest.fixture
def marked(made: Shell) -> Shell:
    """A mirror with sdk/tool 1.0 and a high-water mark."""
    config = made.folder / "mirror.toml"
    lines = config.read_text().splitlines()
    wanted = ['high_water = "mark.json"' if line.startswith("# high_water") else line for line in lines]
    config.write_text("\n".join(wanted) + "\n")
    made.done("publish", "sdk/tool", "1.0", "source")
    return made


@pytest.fixture(scope="module")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


def versions(shell: Shell, data: str = "data") -> dict[str, int]:
    return catalogue.load(shell.folder / data / "catalogue").current


def test_a_backup_has_catalogue_releases_records_and_what_waits_and_no_key(vendor: Shell) -> None:
    vendor.done("publish", "sdk/tool", "1.0", "source", *person(vendor, "alice"))
    vendor.done("customer", "add", "acme")
    answer = json.loads(vendor.done("backup", "bak", "--json").out)
    assert (answer["folder"], answer["releases"]) == ("bak", 1)
    everything = b"".join(path.read_bytes() for path in (vendor.folder / "bak").rglob("*") if path.is_file())
    assert b"PRIVATE KEY" not in everything
    (vendor.folder / "data").rename(vendor.folder / "lost")
    vendor.done("restore", "bak")
    approve(vendor, "bob")
    vendor.done("catalogue-timer", "--once")
    assert "sdk/tool   1.0" in vendor.done("releases").out
    records = open_records(vendor.folder / "data" / FILE_NAME)
    assert [one.name for one in records.customers()] == ["acme"]
    records.close()


def test_a_later_backup_copies_only_new_releases_and_drops_what_is_old(marked: Shell) -> None:
    marked.done("backup", "bak")
    first = marked.folder / "bak/releases/sdk/tool/1.0/any/pack"
    before = first.stat().st_mtime_ns
    marked.done("publish", "sdk/tool", "1.1", "source")
    marked.done("backup", "bak")
    assert first.stat().st_mtime_ns == before
    assert (marked.folder / "bak/releases/sdk/tool/1.1/any/pack").exists()
    named = set(json.loads((marked.folder / "bak/backup.json").read_bytes())["files"].values())
    assert {path.name for path in (marked.folder / "bak/files").iterdir()} == named


def test_a_restored_mirror_believes_no_older_revocation_list_than_the_one_that_was_pushed(marked: Shell) -> None:
    pushed = marked.folder / "data/crls/00ff.crl"
    pushed.parent.mkdir(mode=0o700)
    pushed.write_bytes(b"the newest list")
    marked.done("backup", "bak")
    (marked.folder / "data").rename(marked.folder / "lost")
    marked.done("restore", "bak")
    assert pushed.read_bytes() == b"the newest list"


def test_backups_that_are_taken_while_others_publish_are_whole(marked: Shell) -> None:
    environment = {**os.environ, "SPOT_MIRROR_PASSPHRASE": PASSPHRASE}
    script = f'for n in 1 2 3 4 5 6; do "{PROGRAM}" publish sdk/tool 2.$n source || exit 1; done'
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=marked.folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as publishing:
        taken = 0
        while publishing.poll() is None:
            made = marked("backup", "bak")
            assert made.code in {0, 7}, made.err  # 7: a publish held the lock for long
            if made.code == 0:
                shutil.rmtree(marked.folder / "copy", ignore_errors=True)
                restored(marked)
                taken += 1
    assert publishing.returncode == 0
    assert taken > 0


def beside(shell: Shell) -> Path:
    """The configuration of a mirror beside this one, without its mark."""
    config = (shell.folder / "mirror.toml").read_text()
    config = config.replace('data = "data"', 'data = "copy"').replace('high_water = "mark.json"', "")
    (shell.folder / "copy.toml").write_text(config)
    return shell.folder / "copy.toml"


def restored(shell: Shell) -> None:
    """Restore the backup beside the mirror."""
    shell.done("--config", str(beside(shell)), "restore", "bak")
    assert (shell.folder / "copy/publishing").is_dir()  # the timer's unit names it
    loaded = catalogue.load(shell.folder / "copy/catalogue")
    for release in loaded.indexes["sdk", "tool"].releases:
        assert (shell.folder / "copy/releases/sdk/tool" / release.version / "any/pack").exists()


def test_what_had_moved_on_is_signed_above_the_mark_and_withdrawals_stay(marked: Shell) -> None:
    marked.done("backup", "bak")
    marked.done("publish", "sdk/tool", "1.1", "source")
    marked.done("withdraw", "sdk/tool", "1.0", "--reason", "it breaks")
    seen = versions(marked)
    (marked.folder / "data").rename(marked.folder / "lost")
    answer = json.loads(marked.done("restore", "bak", "--json").out)
    assert (answer["above"], answer["visible"], answer["lost"]) == (True, False, ["sdk/tool 1.1 (any)"])
    assert [line["role"] for line in answer["waits"]] == ["sdk"]
    old = versions(marked)
    assert marked("resign").code == 8
    assert versions(marked) == old  # nothing is signed that nobody looked at
    said = marked.done("approve").out
    assert f"version {seen['sdk'] + 1} follows on {old['sdk']}, for the mirror was restored" in said
    now = versions(marked)
    assert all(now[role] > seen[role] for role in ("sdk", "snapshot", "timestamp"))
    assert all(now[role] >= seen[role] for role in seen)
    offered = catalogue.load(marked.folder / "data/catalogue").indexes["sdk", "tool"]
    assert [one.version for one in offered.tombstones] == ["1.0"]
    assert offered.releases == ()


@pytest.fixture
def watched(vendor: Shell) -> Shell:
    """People, a high-water mark, and a backup of sdk/tool 1.0."""
    config = vendor.folder / "mirror.toml"
    config.write_text(config.read_text().replace("# high_water = ", "high_water = ").replace("/mnt/elsewhere/", ""))
    release(vendor, "1.0")
    vendor.done("backup", "bak")
    return vendor


def release(vendor: Shell, version: str) -> None:
    vendor.done("publish", "sdk/tool", version, "source", *person(vendor, "alice"))
    approve(vendor, "bob")
    vendor.done("catalogue-timer", "--once")


def lose(vendor: Shell) -> dict[str, int]:
    """The mirror's data is lost, and what was backed up is laid out; the versions that clients saw."""
    seen = versions(vendor)
    (vendor.folder / "data").rename(vendor.folder / "lost")
    vendor.done("restore", "bak")
    return seen


def assert_above(vendor: Shell, seen: dict[str, int]) -> None:
    now = versions(vendor)
    assert all(now[role] >= seen[role] for role in seen)
    assert all(now[role] > seen[role] for role in ("sdk", "snapshot", "timestamp"))


def test_with_people_nothing_is_visible_before_they_signed_above_the_mark(watched: Shell) -> None:
    release(watched, "1.1")
    seen = lose(watched)
    old = versions(watched)
    watched.done("catalogue-timer", "--once")
    assert versions(watched) == old
    result = watched("resign")
    assert result.code == 8
    assert "staged" in result.err
    approve(watched, "alice")
    assert versions(watched) == old
    approve(watched, "bob")
    watched.done("catalogue-timer", "--once")
    assert_above(watched, seen)


def test_halts_keys_and_official_mirrors_are_the_newest_as_they_were_signed(watched: Shell, house: House) -> None:
    (watched.folder / "server.crt").write_bytes(certificate(house, "updates.example.com"))
    watched.done("halt", "sdk/tool", "1.0", "--reason", "it burns", *person(watched, "carol"))
    words = ("mirrors", "set", "https://updates.example.com", "--current", "server.crt")
    watched.done(*words, *person(watched, "alice"))
    approve(watched, "bob")
    make_keys(watched, "dave")
    watched.done("keys", "add", "stick-dave/dave.pub")
    watched.done("keys", "replace", "carol", "dave")
    carry(watched, "root-1", "root-2")
    approve(watched, "alice")
    approve(watched, "dave")
    watched.done("catalogue-timer", "--once")
    seen, before = lose(watched), catalogue.load(watched.folder / "lost/catalogue")
    approve(watched, "alice", "sdk")
    approve(watched, "dave", "sdk")
    watched.done("catalogue-timer", "--once")
    now = catalogue.load(watched.folder / "data/catalogue")
    assert (now.halts, now.trust) == (before.halts, before.trust)
    assert now.current["root"] == seen["root"] == 2
    assert_above(watched, seen)


def test_after_a_restore_people_sign_on_machines_of_their_own_too(watched: Shell) -> None:
    watched.done("keys", "rotate")  # the roots that clients know are newer than that of the backup
    carry(watched, "root-1", "root-2")
    watched.done("catalogue-timer", "--once")
    release(watched, "1.1")
    seen = lose(watched)
    watched.done("signing", "export", "to-sign")
    for name in ("alice", "bob"):
        said = watched.done("signing", "sign", "to-sign", f"signed-{name}", *person(watched, name)).out
        assert "for the mirror was restored" in said
        watched.done("signing", "import", f"signed-{name}")
    watched.done("catalogue-timer", "--once")
    assert_above(watched, seen)


def test_a_product_that_the_backup_does_not_have_keeps_its_withdrawals(watched: Shell) -> None:
    watched.done("publish", "new/tool", "1.0", "source", *person(watched, "alice"))
    approve(watched, "bob")
    watched.done("catalogue-timer", "--once")
    watched.done("withdraw", "new/tool", "1.0", "--reason", "it breaks", *person(watched, "alice"))
    approve(watched, "bob")
    watched.done("catalogue-timer", "--once")
    seen = lose(watched)
    waiting = {line["role"] for line in json.loads(watched.done("staged", "--json").out) if line["missing"]}
    assert waiting == {"new"}  # targets came with its signatures, and delegates to it
    approve(watched, "alice")
    approve(watched, "bob")
    watched.done("catalogue-timer", "--once")
    now = catalogue.load(watched.folder / "data/catalogue")
    assert [one.version for one in now.indexes["new", "tool"].tombstones] == ["1.0"]
    assert now.current["new"] > seen["new"]


def test_a_lost_release_comes_back_as_it_was_or_under_another_version(marked: Shell) -> None:
    marked.done("backup", "bak")
    marked.done("publish", "sdk/tool", "1.1", "source")
    (marked.folder / "data").rename(marked.folder / "lost")
    assert "sdk/tool 1.1 (any)" in marked.done("restore", "bak").out
    marked.done("approve")
    (marked.folder / "other").mkdir()
    (marked.folder / "other/file").write_text("other content")
    for _ in range(2):
        result = marked("publish", "sdk/tool", "1.1", "other")
        assert (result.code, "before the mirror was restored" in result.err) == (3, True)
    marked.done("publish", "sdk/tool", "1.1", "source")
    marked.done("publish", "sdk/tool", "1.2", "other")


@pytest.mark.parametrize("words", [("--high-water", "nothing.json"), ()])
def test_a_mark_that_is_missing_is_no_reason_to_go_on_without_it(marked: Shell, words: tuple[str, ...]) -> None:
    marked.done("backup", "bak")
    (marked.folder / "data").rename(marked.folder / "lost")
    (marked.folder / "mark.json").rename(marked.folder / "elsewhere.json")
    result = marked("restore", "bak", *words)
    assert (result.code, "--without-high-water goes on without one" in result.err) == (8, True)
    assert not (marked.folder / "data").exists()
    marked.done("restore", "bak", "--high-water", "elsewhere.json")
    assert (marked.folder / "mark.json").exists()


def test_without_a_mark_it_is_said_what_clients_will_do(marked: Shell) -> None:
    marked.done("backup", "bak")
    (marked.folder / "data").rename(marked.folder / "lost")
    said = marked.done("restore", "bak", "--without-high-water").out
    assert "without a high-water mark" in said


def damage(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("what", ["files", "pack", "missing pack", "backup.json"])
def test_a_damaged_backup_is_not_restored(marked: Shell, what: str) -> None:
    marked.done("backup", "bak")
    (marked.folder / "data").rename(marked.folder / "lost")
    pack = marked.folder / "bak/releases/sdk/tool/1.0/any/pack"
    if what == "files":
        damage(next((marked.folder / "bak/files").iterdir()))
    elif what == "pack":
        pack.write_bytes(pack.read_bytes()[:-1])
    elif what == "missing pack":
        pack.unlink()
    else:
        damage(marked.folder / "bak/backup.json")
    result = marked("restore", "bak")
    assert result.code == 3, result.err
    assert "use another backup" in result.err.lower()
    assert not (marked.folder / "data").exists()


def test_a_version_that_was_discarded_and_made_anew_is_copied_anew(vendor: Shell) -> None:
    """Of random bytes: both packs have the same length."""
    alice, pack = person(vendor, "alice"), vendor.folder / "bak/releases/sdk/tool/1.0/any/pack"
    found = []
    for _ in range(2):
        (vendor.folder / "source/lib/a.txt").write_bytes(os.urandom(5000))
        vendor.done("publish", "sdk/tool", "1.0", "source", *alice)
        vendor.done("backup", "bak")
        found.append(pack.read_bytes())
        assert found[-1] == (vendor.folder / "data/releases/sdk/tool/1.0/any/pack").read_bytes()
        vendor.done("discard", "sdk")
    assert len(found[0]) == len(found[1])
    vendor.done("backup", "bak")
    assert not pack.exists()
    assert not (vendor.folder / "bak/releases").exists()


def test_what_was_damaged_in_a_backup_is_written_anew(marked: Shell) -> None:
    marked.done("backup", "bak")
    for path in (marked.folder / "bak/files").iterdir():
        damage(path)
    marked.done("backup", "bak")
    pack = marked.folder / "bak/releases/sdk/tool/1.0/any/pack"
    damage(pack)
    marked.done("backup", "bak")
    result = marked("--config", str(beside(marked)), "restore", "bak")
    assert (result.code, "pack is damaged" in result.err) == (3, True), result.err
    assert not (marked.folder / "copy").exists()
    marked.done("backup", "bak", "--verify")
    assert pack.read_bytes() == (marked.folder / "data/releases/sdk/tool/1.0/any/pack").read_bytes()
    restored(marked)


@pytest.mark.parametrize("name", ["pack", "manifest"])
def test_what_is_damaged_in_the_mirror_is_not_backed_up_as_good(marked: Shell, name: str) -> None:
    damage(marked.folder / f"data/releases/sdk/tool/1.0/any/{name}")
    result = marked("backup", "bak")
    assert result.code != 0
    assert f"sdk/tool/1.0/any/{name}" in result.err
    assert not (marked.folder / "bak/backup.json").exists()


def test_what_is_no_ordinary_file_is_not_waited_for(marked: Shell) -> None:
    os.mkfifo(marked.folder / "data/publishing/staged.json")
    result = marked("backup", "bak")
    assert (result.code, "not an ordinary file" in result.err) == (6, True)


def test_a_first_backup_that_failed_is_taken_up_by_the_next(marked: Shell) -> None:
    (marked.folder / "data/catalogue").rename(marked.folder / "catalogue")
    assert marked("backup", "bak").code == 6
    (marked.folder / "catalogue").rename(marked.folder / "data/catalogue")
    marked.done("backup", "bak")


def test_neither_replaces_what_is_there(marked: Shell) -> None:
    result = marked("backup", "source")
    assert (result.code, "no backup" in result.err) == (3, True)
    marked.done("backup", "bak")
    result = marked("restore", "bak")
    assert (result.code, "move it away first" in result.err) == (3, True)
    (marked.folder / "data").rename(marked.folder / "lost")
    result = marked("restore", "source")
    assert (result.code, "no backup in source" in result.err) == (3, True)


def put_back(shell: Shell) -> dict[str, int]:
    """The data folder as it was when it was copied to `older`, as by a snapshot of the machine; what clients saw."""
    seen = versions(shell)
    shutil.rmtree(shell.folder / "data")
    shutil.copytree(shell.folder / "older", shell.folder / "data")
    return seen


def test_a_data_folder_that_was_put_back_is_held_back_and_told_of_until_it_is_signed_above(watched: Shell) -> None:
    watched.done("publish", "sdk/tool", "1.0.5", "source", *person(watched, "alice"))
    shutil.copytree(watched.folder / "data", watched.folder / "older")
    approve(watched, "bob")
    watched.done("catalogue-timer", "--once")
    watched.done("halt", "sdk/tool", "1.0", "--reason", "it burns", *person(watched, "carol"))
    watched.done("catalogue-timer", "--once")
    seen = put_back(watched)
    result = watched("resign")
    assert (result.code, "restore --above" in result.err) == (8, True)
    result = watched("staged")
    assert (result.code, "halts: clients may have seen" in result.err) == (0, True)
    assert "behind-mark" in watched("check", "--json").out
    answer = json.loads(watched.done("restore", "--above", "--json").out)
    assert (answer["above"], answer["visible"], answer["lost"]) == (True, False, ["sdk/tool 1.0.5 (any)"])
    assert answer["forgotten"] == ["sdk/tool 1.0.5 (any): new"]
    assert not (watched.folder / "data/releases/sdk/tool/1.0.5").exists()
    for name in ("alice", "bob"):
        approve(watched, name)
    watched.done("catalogue-timer", "--once")
    assert_above(watched, seen)
    assert "behind-mark" not in watched("check", "--json").out


def test_what_was_discarded_whole_after_a_restore_is_staged_again(marked: Shell) -> None:
    marked.done("backup", "bak")
    marked.done("publish", "sdk/tool", "1.1", "source")
    (marked.folder / "data").rename(marked.folder / "lost")
    marked.done("restore", "bak")
    result = marked("discard", "--all")
    assert (result.code, "restore --above" in result.err) == (8, True)
    (marked.folder / "data/publishing/staged.json").write_text("{}")
    marked.done("discard", "--all")
    result = marked("resign")
    assert (result.code, "restore --above" in result.err) == (8, True)
    said = marked.done("restore", "--above").out
    assert "lost: sdk/tool 1.1" in said
    marked.done("approve")
    assert versions(marked)["sdk"] == versions(marked, "lost")["sdk"] + 1


def test_damaged_floors_are_written_anew_from_the_mark(marked: Shell) -> None:
    floors = marked.folder / "data/publishing/floors.json"
    floors.write_text("{}")
    result = marked("resign")
    assert (result.code, "restore --above" in result.err) == (8, True)
    marked.done("restore", "--above")
    marked.done("resign")
    assert not floors.exists()


def test_above_needs_a_mark_and_no_backup(made: Shell) -> None:
    result = made("restore", "--above")
    assert (result.code, "--high-water" in result.err) == (8, True)
    assert made("restore").code == 2
    assert made("restore", "bak", "--above").code == 2
