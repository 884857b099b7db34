"""mirror.content.audit: one line a request, kept where no death of the worker can take it away."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import msgspec
import pytest

from mirror.content.audit import Audit, Line
from mirror.log import program_log
from mirror.ring import RingReader


def line(request: str) -> Line:
    return Line(time="2026-01-01T00:00:00.000Z", request=request, method="GET", status=200, bytes=0, ms=1.5)


@pytest.fixture
def said() -> StringIO:
    return StringIO()


@pytest.fixture
def audit(tmp_path: Path, said: StringIO) -> Iterator[Audit]:
    made = Audit(tmp_path / "one.ring", program_log(said))
    yield made
    made.close()


@pytest.fixture
def reader(tmp_path: Path, audit: Audit) -> Iterator[RingReader]:
    assert audit.waiting == 0
    opened = RingReader(tmp_path / "one.ring")
    yield opened
    opened.close()


def test_a_line_has_what_is_known_and_nothing_else(audit: Audit, reader: RingReader) -> None:
    audit.write(line("a1"))
    (raw,) = reader.peek()
    assert msgspec.json.decode(raw) == {
        "time": "2026-01-01T00:00:00.000Z",
        "request": "a1",
        "method": "GET",
        "status": 200,
        "bytes": 0,
        "ms": 1.5,
    }


def test_a_line_is_one_line_whatever_stands_in_it(audit: Audit, reader: RingReader) -> None:
    told = line("a1")
    told.detail = 'first\r\n{"request":"forged"}\u2028'
    audit.write(told)
    assert b"\n" not in reader.peek()[0]


def test_what_waits_is_known(audit: Audit, reader: RingReader) -> None:
    audit.write(line("a1"))
    assert audit.waiting == reader.waiting > 80
    reader.done(reader.peek())
    assert audit.waiting == 0


def test_when_nobody_takes_lines_those_that_find_no_room_are_counted_and_that_is_said_once(
    audit: Audit, reader: RingReader, said: StringIO
) -> None:
    long = line("x" * 2**20)
    for _ in range(10):
        audit.write(long)
    assert audit.lost == 3
    assert said.getvalue().count("audit lines are being lost") == 1
    reader.done(reader.peek())
    audit.write(line("a1"))
    assert audit.lost == 3
    for _ in range(2):
        audit.write(long)
    assert audit.lost == 4
    assert said.getvalue().count("audit lines are being lost") == 2
