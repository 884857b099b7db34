"""Records that cannot be used: every command that needs them ends with one sentence, a next step, and its exit code."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from mirror.cli import main, store
from mirror.records.sqlite import FILE_NAME
from tests.mirror.cli.desk import NOW, Desk, new_desk
from tests.mirror.publishing.rig import small_disk

ID = "7k2m9xq40gct31vz"
READING = (
    "customer list",
    "customer list --json",
    "licence list",
    "licence export",
    "licence apply licences.toml --dry-run",
    "thin-snapshots list",
    f"thin-snapshots show {ID}",
    f"thin-snapshots diff {ID}",
    "thin-snapshots export",
)
WRITING = (
    "customer add globex",
    "customer suspend acme",
    "customer resume acme",
    "customer remove acme --yes",
    "licence grant acme sdk",
    "licence end acme sdk",
    "licence apply licences.toml",
)

Says = Callable[[str], tuple[int, str]]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A mirror with a line of everything, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return filled(tmp_path)


def filled(folder: Path) -> Desk:
    desk = new_desk(folder)
    desk.says("customer", "add", "acme")
    desk.says("licence", "grant", "acme", "sdk", "--until", "2026-03-02")
    with desk.store() as records:
        records.mint("acme", b"", lambda: ID, NOW)
        for version in ("1.0", "2.0"):
            records.put_thin_snapshot(ID, {"sdk/botocore": version}, NOW)
    (folder / "licences.toml").write_text("[customer.acme]\n[customer.globex]\n")
    return desk


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Says:
    """Runs a command in the current folder; its exit code, and what it says on stderr."""
    monkeypatch.setattr(store, "WAIT_SECONDS", 0.05)

    def run(words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["spot-mirror", *words.split()])
        with pytest.raises(SystemExit) as caught:
            main()
        return int(caught.value.code or 0), capsys.readouterr().err

    return run


def failed(says: Says, words: str) -> tuple[int, str]:
    code, told = says(words)
    assert told.startswith("spot-mirror: "), told
    assert told.count("\n") == 1, told
    return code, told


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('records', '9999-later')")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def missing(path: Path) -> None:
    path.unlink()


TROUBLES = {
    "garbage": (garbage, 6, "restore it from a backup"),
    "empty": (empty, 6, "restore it from a backup"),
    "cut": (cut, 6, "restore it from a backup"),
    "newer": (newer, 6, "update this one"),
    "a folder": (folder, 6, "move it away"),
    "missing": (missing, 3, "spot-mirror init"),
}


@pytest.mark.parametrize(("spoil", "code", "step"), TROUBLES.values(), ids=TROUBLES)
def test_no_command_works_on_records_that_cannot_be_used(
    desk: Desk, says: Says, spoil: Callable[[Path], None], code: int, step: str
) -> None:
    spoil(desk.folder / "data" / FILE_NAME)
    for words in (*READING, *WRITING):
        found, told = failed(says, words)
        assert (found, step in told) == (code, True), (words, told)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_while_another_process_writes_all_can_be_read_and_nothing_written(desk: Desk, says: Says) -> None:
    before = desk.says("customer", "list"), desk.says("licence", "list")
    with writing(desk.folder / "data" / FILE_NAME):
        for words in READING:
            assert says(words)[0] == 0, words
        for words in WRITING:
            code, told = failed(says, words)
            assert (code, "try again when it is done" in told) == (6, True), (words, told)
        assert (desk.says("customer", "list"), desk.says("licence", "list")) == before


def test_while_another_process_makes_or_migrates_them_records_are_locked(desk: Desk, says: Says) -> None:
    with FileLock(desk.folder / "data" / f"{FILE_NAME}.lock"):
        for words in (*READING, *WRITING):
            code, told = failed(says, words)
            assert (code, "try again" in told) == (6, True), (words, told)


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A mirror on a disk that may not be written to."""
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", 2**24))
        desk = filled(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with monkeypatch.context() as patch:
            patch.chdir(disk)
            yield desk


def test_on_a_disk_that_may_not_be_written_to_the_system_refuses(read_only: Desk, says: Says) -> None:
    for words in (*READING, *WRITING):
        code, told = failed(says, words)
        assert code == 1, (words, told)
        assert str(read_only.folder) in told
        assert "Read-only" in told or "writable disk" in told, told
