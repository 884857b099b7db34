"""mirror.memory.watched: a new version is taken up, a bad one is refused loudly and once, the last good one stays."""

import os
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest

from mirror.errors import CatalogueFault
from mirror.log import program_log
from mirror.memory.watched import RETRY, Watched, file_mark

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Source:
    """A file that says when it was read."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "value"
        self.reads = 0
        self.said = StringIO()
        self.put("1")
        self.watched = Watched("the value", lambda: file_mark(self.path), self.read, NOW, program_log(self.said))

    def put(self, text: str) -> None:
        part = self.path.with_suffix(".part")
        part.write_text(text)
        part.rename(self.path)

    def read(self, _now: datetime, last: int | None) -> int:
        self.reads += 1
        try:
            value = int(self.path.read_text())
        except ValueError as error:
            raise CatalogueFault("damaged", "That is no number.") from error
        return value + (last or 0)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def test_what_did_not_change_is_not_read_again(source: Source) -> None:
    assert not source.watched.refresh(NOW)
    assert source.reads == 1


def test_a_replaced_file_is_read_with_the_last_value_at_hand(source: Source) -> None:
    source.put("2")
    assert source.watched.refresh(NOW)
    assert source.watched.value == 3


def test_a_file_rewritten_in_place_with_an_old_date_is_noticed_by_its_size(source: Source) -> None:
    status = source.path.stat()
    source.path.write_text("22")
    os.utime(source.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert source.watched.refresh(NOW)


def test_a_bad_version_leaves_the_last_good_one_and_is_complained_of_once(source: Source) -> None:
    source.put("x")
    for _ in range(3):
        assert not source.watched.refresh(NOW)
    assert source.watched.value == 1
    assert source.said.getvalue().count("That is no number.") == 1
    assert source.reads == 2


def test_a_bad_version_is_tried_again_after_a_while(source: Source) -> None:
    source.put("x")
    source.watched.refresh(NOW)
    source.watched.refresh(NOW + RETRY)
    assert source.reads == 3


def test_a_missing_file_is_complained_of_and_taken_up_when_it_is_back(source: Source) -> None:
    source.path.unlink()
    assert not source.watched.refresh(NOW)
    assert "No such file" in source.said.getvalue()
    source.put("5")
    assert source.watched.refresh(NOW)
    assert source.watched.value == 6


def test_the_first_reading_must_succeed(tmp_path: Path, source: Source) -> None:
    source.put("x")
    with pytest.raises(CatalogueFault):
        Watched("the value", lambda: 0, source.read, NOW, program_log(source.said))
