"""mirror.control.audit_file: whole lines, whatever happened to the file; what was not written is not said to be."""

import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest

from mirror.control.audit_file import AuditFile
from mirror.log import program_log

LOST = "audit lines cannot be written down"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def said() -> StringIO:
    return StringIO()


@pytest.fixture
def file(path: Path, said: StringIO) -> Iterator[AuditFile]:
    opened = AuditFile(path, program_log(said))
    yield opened
    opened.close()


@contextmanager
def longest(size: int) -> Iterator[None]:
    """No file of this process can be longer: as full as a disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_lines_are_appended_and_only_the_owner_may_read_them(file: AuditFile, path: Path) -> None:
    assert file.append([b"a1", b"a2"]) == 2
    assert file.append([b"a3"]) == 1
    assert path.read_bytes() == b"a1\na2\na3\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_after_a_rename_reopen_goes_on_in_a_new_file(file: AuditFile, path: Path) -> None:
    file.append([b"a1"])
    path.rename(path.with_suffix(".old"))
    file.reopen()
    file.append([b"a2"])
    assert (path.with_suffix(".old").read_bytes(), path.read_bytes()) == (b"a1\n", b"a2\n")


def test_when_there_can_be_no_new_file_the_old_one_is_kept(file: AuditFile, path: Path, said: StringIO) -> None:
    old = path.with_suffix(".old")
    path.rename(old)
    path.mkdir()
    file.reopen()
    assert file.append([b"a1"]) == 1
    assert old.read_bytes() == b"a1\n"
    assert LOST in said.getvalue()


def test_a_line_that_a_killed_process_left_torn_does_not_spoil_the_next(path: Path, said: StringIO) -> None:
    path.write_bytes(b'{"time":"2026')
    file = AuditFile(path, program_log(said))
    assert file.append([b"a1"]) == 1
    file.close()
    assert path.read_bytes() == b'{"time":"2026\na1\n'


@pytest.mark.parametrize(
    ("left", "written"),
    [
        (b"a1\n", 0),
        (b"a1\nb", 0),
        (b"a1\nb2", 0),
        (b"a1\nb2\n", 1),
        (b"a1\nb2\nc3", 1),
        (b"a1\nb2\nc3\n", 2),
    ],
)
def test_a_full_disk_takes_what_it_can_says_what_it_took_and_says_so_once(
    file: AuditFile, path: Path, said: StringIO, left: bytes, written: int
) -> None:
    lines = [b"b2", b"c3", b"d4"]
    file.append([b"a1"])
    with longest(len(left)):
        assert file.append(lines) == written
        assert path.read_bytes() == left
        for _ in range(3):
            assert file.append(lines[written:]) == 0
    assert said.getvalue().count(LOST) == 1
    assert file.append(lines[written:]) == len(lines) - written
    torn = left.rpartition(b"\n")[2]
    expected = [b"a1", *lines[:written], *([torn] if torn else []), *lines[written:]]
    assert path.read_bytes().splitlines() == expected
    with longest(1):
        assert file.append([b"e5"]) == 0
    assert said.getvalue().count(LOST) == 2


def test_room_for_the_end_of_a_torn_line_alone_is_used_once(file: AuditFile, path: Path) -> None:
    with longest(1):
        assert file.append([b"a1"]) == 0
    with longest(2):
        assert file.append([b"a1"]) == 0
        assert file.append([b"a1"]) == 0
    assert file.append([b"a1"]) == 1
    assert path.read_bytes() == b"a\na1\n"


def test_what_was_appended_can_be_brought_onto_the_disk_while_the_file_changes(file: AuditFile, path: Path) -> None:
    file.append([b"a1"])
    file.sync()
    path.rename(path.with_suffix(".old"))
    file.reopen()
    file.sync()


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path, path: Path, said: StringIO) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        AuditFile(path, program_log(said))
    assert not os.path.lexists(tmp_path / "elsewhere")
