"""mirror.ring: what `append` returned True for is read once, whole and in order, whatever becomes of the writer."""

import contextlib
import mmap
import os
import random
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.ring import SIZE, RingReader, RingWriter

SMALL = 4096
COUNTERS = 4096  # bytes before the ring itself
KILLS = 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.ring"


@pytest.fixture
def writer(path: Path) -> Iterator[RingWriter]:
    made = RingWriter(path, SMALL)
    yield made
    made.close()


@pytest.fixture
def reader(path: Path, writer: RingWriter) -> Iterator[RingReader]:
    assert writer.size == SMALL
    opened = RingReader(path)
    yield opened
    opened.close()


def take(reader: RingReader) -> list[bytes]:
    found = reader.peek()
    reader.done(found)
    return found


def test_records_come_out_as_they_went_in_and_stay_until_they_are_freed(writer: RingWriter, reader: RingReader) -> None:
    records = [b"one", b"2", b"three" * 100]
    assert all(writer.append(record) for record in records)
    assert reader.peek() == reader.peek() == records
    reader.done(records[:1])
    assert reader.peek() == records[1:]
    reader.done(records[1:])
    assert reader.peek() == []
    assert writer.waiting == reader.waiting == 0


def test_a_full_ring_takes_nothing_until_there_is_room(writer: RingWriter, reader: RingReader) -> None:
    taken = 0
    while writer.append(b"x" * 100):
        taken += 1
    assert taken == SMALL // 112
    assert not writer.append(b"x" * 100)
    reader.done(reader.peek()[:1])
    assert writer.append(b"y" * 100)
    assert not writer.append(b"x" * 100)
    assert take(reader) == [b"x" * 100] * (taken - 1) + [b"y" * 100]


def test_a_record_longer_than_the_ring_is_refused(writer: RingWriter, reader: RingReader) -> None:
    assert not writer.append(bytes(SMALL))
    assert writer.append(bytes(SMALL - 8))
    assert take(reader) == [bytes(SMALL - 8)]


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=900), st.booleans()), max_size=60))
def test_as_a_queue_it_forgets_and_invents_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bytes, bool]]
) -> None:
    path = tmp_path_factory.mktemp("ring") / "one.ring"
    writer = RingWriter(path, SMALL)
    reader = RingReader(path)
    waiting: list[bytes] = []
    for record, reads in steps:
        if writer.append(record):
            waiting.append(record)
        if reads:
            assert take(reader) == waiting
            waiting = []
    assert take(reader) == waiting
    assert reader.damaged == 0
    writer.close()
    reader.close()


def test_a_batch_is_bounded(writer: RingWriter, reader: RingReader) -> None:
    for _ in range(20):
        assert writer.append(b"x" * 100)
    assert len(reader.peek(300)) == 2


def test_only_the_owner_may_read_it_and_all_of_it_has_its_room_on_the_disk(path: Path, writer: RingWriter) -> None:
    found = path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_blocks * 512 >= SMALL + writer.size
    assert sorted(path.parent.iterdir()) == [path]


def test_a_ring_that_is_there_is_not_written_over(path: Path, writer: RingWriter) -> None:
    assert writer.append(b"one")
    path.rename(path.with_name(".two.ring"))
    with pytest.raises(FileExistsError):
        RingWriter(path.with_name("two.ring"), SMALL)


@pytest.mark.parametrize("size", [0, 4095, 5000])
def test_a_size_that_is_no_power_of_two_is_refused(path: Path, size: int) -> None:
    with pytest.raises(ValueError, match="ring"):
        RingWriter(path, size)


def test_a_living_writer_is_told_from_a_dead_one(path: Path) -> None:
    writer = RingWriter(path, SMALL)
    reader = RingReader(path)
    assert not reader.abandoned()
    writer.close()
    assert reader.abandoned()
    assert reader.abandoned()
    reader.close()


@pytest.mark.parametrize("raw", [b"", bytes(SMALL), bytes(3 * SMALL), b"spotring" + bytes(3 * SMALL - 8)])
def test_a_file_that_is_no_ring_is_refused(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="no ring"):
        RingReader(path)


def test_a_pipe_or_a_link_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(ValueError, match="no ring"):
        RingReader(path)
    path.unlink()
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(OSError, match="symbolic links"):
        RingReader(path)


@contextlib.contextmanager
def scribbling(path: Path) -> Iterator[mmap.mmap]:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as everything:
        yield everything


def test_a_record_that_is_not_whole_is_looked_at_again_before_it_is_given_up(
    path: Path, writer: RingWriter, reader: RingReader
) -> None:
    for record in (b"one", b"two", b"three"):
        assert writer.append(record)
    with scribbling(path) as raw:
        at = raw.find(b"two")
        raw[at : at + 3] = b"t?o"
        assert take(reader) == [b"one"]
        assert reader.peek() == []
        raw[at : at + 3] = b"two"
        assert take(reader) == [b"two", b"three"]
        assert reader.damaged == 0


@pytest.mark.parametrize("place", [COUNTERS, COUNTERS + 4, COUNTERS + 8], ids=["length", "check", "bytes"])
def test_damage_costs_what_was_there_and_nothing_after_it(
    path: Path, writer: RingWriter, reader: RingReader, place: int
) -> None:
    assert writer.append(b"one")
    assert writer.append(b"two")
    with scribbling(path) as raw:
        raw[place] ^= 0x80
    assert reader.peek() == reader.peek() == []
    assert reader.damaged == 32
    assert writer.append(b"three")
    assert take(reader) == [b"three"]


@pytest.mark.parametrize("counter", [64, 128])
@pytest.mark.parametrize("value", [1, 3, 2**20, 2**63])
def test_counters_that_cannot_be_end_no_reader(
    path: Path, writer: RingWriter, reader: RingReader, counter: int, value: int
) -> None:
    assert writer.append(b"one")
    with scribbling(path) as raw:
        raw[counter : counter + 8] = value.to_bytes(8, "little")
    for _ in range(2):
        reader.done(reader.peek())
    assert reader.peek() == []
    assert 0 < reader.damaged <= SMALL


def test_a_record_of_the_lap_before_is_not_taken_for_one(path: Path, writer: RingWriter, reader: RingReader) -> None:
    for number in range(8):
        assert writer.append(b"%d" % number + bytes(SMALL // 4 - 9))
        take(reader)
    with scribbling(path) as raw:  # the counter is seen, the bytes are not: what ARM may do
        raw[64:72] = (9 * SMALL // 4).to_bytes(8, "little")
        assert reader.peek() == []


def test_an_append_takes_about_a_microsecond(path: Path) -> None:
    writer = RingWriter(path)
    line, count = b"x" * 400, SIZE // 500
    began = time.process_time()
    for _ in range(count):
        assert writer.append(line)
    assert (time.process_time() - began) / count < 5e-6  # 0.6 measured: room for a busy machine
    writer.close()


def numbered(number: int) -> bytes:
    """A line of some length, which tells its place."""
    return b"%d " % number + b"x" * (number * 37 % 300)


def write_until_killed(path: Path, told: mmap.mmap) -> None:
    """Append lines; after each, write down outside the ring how many were taken."""
    writer, count = RingWriter(path, 2 * SMALL), 0
    acknowledged = memoryview(told).cast("Q")
    while True:
        if writer.append(numbered(count)):
            count += 1
            acknowledged[0] = count


def killed_writer(path: Path, seconds: float) -> tuple[int, list[bytes]]:
    """How many lines a writer was told are taken before it was killed, and those that were read."""
    told = mmap.mmap(-1, SMALL)
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            write_until_killed(path, told)
        os._exit(1)
    while not path.exists():
        time.sleep(0.0001)
    reader, found = RingReader(path), list[bytes]()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found += take(reader)
    os.kill(child, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert reader.abandoned()
    while lines := take(reader):
        found += lines
    assert (reader.waiting, reader.damaged) == (0, 0)
    reader.close()
    path.unlink()
    return int.from_bytes(told[:8], "little"), found


def test_a_writer_killed_at_any_moment_loses_no_line_and_leaves_no_half_one(path: Path) -> None:
    chance, lines = random.Random(1), 0  # noqa: S311  not for secrets
    for _ in range(KILLS):
        acknowledged, found = killed_writer(path, chance.random() * 0.01)
        assert found == [numbered(number) for number in range(len(found))]
        assert len(found) - acknowledged in {0, 1}
        lines += len(found)
    assert lines > KILLS
