"""mirror.control.collector: every line that a worker wrote comes into the file, in order, whoever dies meanwhile."""

import os
import resource
import signal
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from mirror.control.collector import Collector
from mirror.log import program_log
from mirror.ring import RingReader, RingWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def rings(tmp_path: Path) -> Path:
    return tmp_path / "rings"


@pytest.fixture
def said() -> StringIO:
    return StringIO()


@pytest.fixture
def begin(path: Path, rings: Path, said: StringIO) -> Callable[[], Collector]:
    """Makes a collector, as a control process does when it starts."""
    return lambda: Collector(path, rings, program_log(said))


def dead(ring: Path, *lines: bytes) -> None:
    """What a killed worker leaves."""
    child = os.fork()
    if child == 0:
        writer = RingWriter(ring)
        for line in lines:
            writer.append(line)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_lines_of_all_workers_are_moved_and_those_of_one_stay_in_order(
    begin: Callable[[], Collector], path: Path, rings: Path
) -> None:
    collector = begin()
    first, second = RingWriter(rings / "1.ring"), RingWriter(rings / "2.ring")
    for turn in range(3):
        first.append(b"a%d" % turn)
        second.append(b"b%d" % turn)
        collector.turn()
        assert first.waiting == second.waiting == collector.waiting == 0
    lines = path.read_bytes().split()
    assert [line for line in lines if line.startswith(b"a")] == [b"a0", b"a1", b"a2"]
    assert [line for line in lines if line.startswith(b"b")] == [b"b0", b"b1", b"b2"]
    for writer in (first, second):
        writer.close()
    collector.close()
    assert not rings.exists()


def test_the_ring_of_a_dead_worker_is_emptied_and_removed_and_a_living_one_s_stays(
    begin: Callable[[], Collector], path: Path, rings: Path
) -> None:
    collector = begin()
    living = RingWriter(rings / "2.ring")
    dead(rings / "1.ring", b"a1", b"a2")
    collector.turn()
    assert path.read_bytes() == b"a1\na2\n"
    assert list(rings.iterdir()) == [rings / "2.ring"]
    living.append(b"b1")
    living.close()
    collector.close()
    assert path.read_bytes() == b"a1\na2\nb1\n"


def test_what_a_killed_control_process_left_comes_first_and_no_half_made_ring_stays(
    begin: Callable[[], Collector], path: Path, rings: Path
) -> None:
    begin()  # killed: never closed
    dead(rings / "1.ring", b"a1")
    (rings / ".2.ring").write_bytes(b"")
    collector = begin()
    collector.turn()
    assert path.read_bytes() == b"a1\n"
    assert list(rings.iterdir()) == []
    collector.close()


def test_a_control_process_killed_at_any_step_repeats_a_line_at_the_most(
    begin: Callable[[], Collector], path: Path, rings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = begin()
    dead(rings / "1.ring", b"a1", b"a2")

    def killed(_reader: RingReader, _lines: list[bytes]) -> None:
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(RingReader, "done", killed)  # between the write and the freeing
        with pytest.raises(InterruptedError):
            collector.turn()
    del collector
    begin().close()
    assert path.read_bytes() == b"a1\na2\na1\na2\n"


def test_a_full_disk_loses_nothing(begin: Callable[[], Collector], path: Path, rings: Path, said: StringIO) -> None:
    collector = begin()
    writer = RingWriter(rings / "1.ring")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    lines = [b"%d" % number for number in range(1000)]
    for line in lines:
        writer.append(line)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        for _ in range(3):
            collector.turn()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert collector.waiting > 0
    dead(rings / "2.ring", b"x")
    writer.close()
    collector.turn()
    torn = 1
    assert [line for line in path.read_bytes().split() if line != b"x"][:36] == lines[:36]
    assert len(path.read_bytes().split()) == len(lines) + 1 + torn
    assert said.getvalue().count("audit lines cannot be written down") == 1
    assert list(rings.iterdir()) == []
    collector.close()


def test_after_a_signal_the_next_turn_goes_on_in_a_new_file(
    begin: Callable[[], Collector], path: Path, rings: Path
) -> None:
    collector = begin()
    dead(rings / "1.ring", b"a1")
    collector.turn()
    path.rename(path.with_suffix(".old"))
    collector.reopen()
    dead(rings / "2.ring", b"a2")
    collector.turn()
    collector.sync()
    assert path.read_bytes() == b"a2\n"
    collector.close()


def test_a_file_that_is_no_ring_is_put_aside_and_said(
    begin: Callable[[], Collector], path: Path, rings: Path, said: StringIO
) -> None:
    collector = begin()
    (rings / "1.ring").write_bytes(b"nonsense")
    dead(rings / "2.ring", b"a1")
    for _ in range(3):
        collector.turn()
    assert path.read_bytes() == b"a1\n"
    assert [one.name for one in rings.iterdir()] == ["1.damaged"]
    assert said.getvalue().count("cannot be read") == 1
    collector.close()


def test_damage_in_a_ring_is_said_and_ends_nothing(
    begin: Callable[[], Collector], path: Path, rings: Path, said: StringIO
) -> None:
    collector = begin()
    dead(rings / "1.ring", b"a1", b"a2")
    with (rings / "1.ring").open("r+b") as file:
        file.seek(4096 + 16 + 8)
        file.write(b"??")
    for _ in range(2):
        collector.turn()
    assert path.read_bytes() == b"a1\n"
    assert "damaged" in said.getvalue()
    assert list(rings.iterdir()) == []
    collector.close()
