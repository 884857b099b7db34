"""mirror.content.audit: one whole line a request, whatever happened to the file."""

import os
import resource
import stat
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import msgspec
import pytest

from mirror.content.audit import Audit, Line
from mirror.log import program_log


def line(request: str) -> Line:
    return Line(time="2026-01-01T00:00:00.000Z", request=request, method="GET", status=200, bytes=0, ms=1.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def said() -> StringIO:
    return StringIO()


@pytest.fixture
def audit(path: Path, said: StringIO) -> Iterator[Audit]:
    opened = Audit(path, program_log(said))
    yield opened
    opened.close()


def requests(path: Path) -> list[str]:
    found = []
    for raw in path.read_bytes().splitlines():
        try:
            found.append(msgspec.json.decode(raw, type=Line).request)
        except msgspec.DecodeError:
            found.append("torn")
    return found


def test_a_line_has_what_is_known_and_nothing_else(audit: Audit, path: Path) -> None:
    audit.write(line("a1"))
    assert msgspec.json.decode(path.read_bytes()) == {
        "time": "2026-01-01T00:00:00.000Z",
        "request": "a1",
        "method": "GET",
        "status": 200,
        "bytes": 0,
        "ms": 1.5,
    }


def test_only_the_owner_may_read_it(audit: Audit, path: Path) -> None:
    audit.write(line("a1"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_after_a_rename_reopen_goes_on_in_a_new_file(audit: Audit, path: Path) -> None:
    audit.write(line("a1"))
    path.rename(path.with_suffix(".old"))
    audit.reopen()
    audit.write(line("a2"))
    assert (requests(path.with_suffix(".old")), requests(path)) == (["a1"], ["a2"])


def test_when_there_can_be_no_new_file_the_old_one_is_kept(audit: Audit, path: Path, said: StringIO) -> None:
    old = path.with_suffix(".old")
    path.rename(old)
    path.mkdir()
    audit.reopen()
    audit.write(line("a1"))
    assert requests(old) == ["a1"]
    assert "audit lines are being lost" in said.getvalue()


def test_a_line_that_a_killed_process_left_torn_does_not_spoil_the_next(path: Path, said: StringIO) -> None:
    path.write_bytes(b'{"time":"2026')
    audit = Audit(path, program_log(said))
    audit.write(line("a1"))
    audit.close()
    assert requests(path) == ["torn", "a1"]


def test_a_full_disk_loses_lines_loudly_and_only_once_and_those_after_it_are_whole(
    audit: Audit, path: Path, said: StringIO
) -> None:
    audit.write(line("a1"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, limits[1]))
    try:
        for name in ("a2", "a3", "a4"):
            audit.write(line(name))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    audit.write(line("a5"))
    assert requests(path) == ["a1", "torn", "a5"]
    assert said.getvalue().count("audit lines are being lost") == 1


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path, path: Path, said: StringIO) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        Audit(path, program_log(said))
    assert not os.path.lexists(tmp_path / "elsewhere")
