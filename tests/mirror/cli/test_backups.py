"""The commands `backup` and `restore`: online, whole, and above what clients saw."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mirror import catalogue
from mirror.records.sqlite import FILE_NAME, open_records
from tests.mirror.cli.shell import PASSPHRASE, Shell
from tests.mirror.cli.test_timer import PROGRAM
from tests.mirror.cli.vendor import approve, person


@pytest.fixture
def marked(made: Shell) -> Shell:
    """A mirror with sdk/tool 1.0 and a high-water mark."""
    config = made.folder / "mirror.toml"
    lines = config.read_text().splitlines()
    wanted = ['high_water = "mark.json"' if line.startswith("# high_water") else line for line in lines]
    config.write_text("\n".join(wanted) + "\n")
    made.done("publish", "sdk/tool", "1.0", "source")
    return made


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


def restored(shell: Shell) -> None:
    """Restore the backup beside the mirror, without its mark."""
    config = (shell.folder / "mirror.toml").read_text()
    config = config.replace('data = "data"', 'data = "copy"').replace('high_water = "mark.json"', "")
    (shell.folder / "copy.toml").write_text(config)
    shell.done("--config", "copy.toml", "restore", "bak")
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
    assert (answer["above"], answer["visible"]) == (True, True)
    now = versions(marked)
    assert all(now[role] > seen[role] for role in ("sdk", "snapshot", "timestamp"))
    assert all(now[role] >= seen[role] for role in seen)
    offered = catalogue.load(marked.folder / "data/catalogue").indexes["sdk", "tool"]
    assert [one.version for one in offered.tombstones] == ["1.0"]
    assert offered.releases == ()


def test_with_people_nothing_is_visible_before_they_signed_above_the_mark(vendor: Shell) -> None:
    config = vendor.folder / "mirror.toml"
    config.write_text(config.read_text().replace("# high_water = ", "high_water = ").replace("/mnt/elsewhere/", ""))
    for version in ("1.0", "1.1"):
        vendor.done("publish", "sdk/tool", version, "source", *person(vendor, "alice"))
        approve(vendor, "bob")
        vendor.done("catalogue-timer", "--once")
        if version == "1.0":
            vendor.done("backup", "bak")
    seen = versions(vendor)
    (vendor.folder / "data").rename(vendor.folder / "lost")
    vendor.done("restore", "bak", *person(vendor, "alice"))
    old = versions(vendor)
    vendor.done("catalogue-timer", "--once")
    assert versions(vendor) == old
    result = vendor("resign")
    assert result.code == 8
    assert "staged" in result.err
    approve(vendor, "bob")
    vendor.done("catalogue-timer", "--once")
    now = versions(vendor)
    assert all(now[role] > seen[role] for role in ("sdk", "snapshot", "timestamp"))


def test_without_a_mark_it_is_said_what_clients_will_do(marked: Shell) -> None:
    marked.done("backup", "bak")
    (marked.folder / "data").rename(marked.folder / "lost")
    said = marked.done("restore", "bak", "--high-water", "nothing.json").out
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


def test_neither_replaces_what_is_there(marked: Shell) -> None:
    result = marked("backup", "source")
    assert (result.code, "no backup" in result.err) == (3, True)
    marked.done("backup", "bak")
    result = marked("restore", "bak")
    assert (result.code, "move it away first" in result.err) == (3, True)
    (marked.folder / "data").rename(marked.folder / "lost")
    result = marked("restore", "source")
    assert (result.code, "no backup in source" in result.err) == (3, True)
