"""A server costs what all its processes cost."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from bench import processes
from bench.measure import ProgramFailed

BUSY = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"
CHILD = f"{BUSY}x = bytearray(50_000_000)\nprint('ready', flush=True)\ntime.sleep(60)"
PARENT = (
    f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {CHILD!r}]).wait()\nimport time\ntime.sleep(60)"
)


@pytest.fixture
def parent() -> Iterator[int]:
    """A process that does nothing, and has a child that was busy and holds 50 MB."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        for pid in reversed(processes.family(process.pid)):
            with suppress(ProcessLookupError):
                processes.kill(pid)


def test_cpu_and_memory_of_children_count(parent: int) -> None:
    assert len(processes.family(parent)) == 2
    used = processes.cpu(parent)
    assert used.keys() == set(processes.family(parent))
    assert sum(used.values()) > 0.2
    assert processes.cpu_since(parent, used) < 0.2
    memory = processes.memory(parent)
    assert memory.resident >= memory.proportional >= memory.own > 50_000_000


def test_where_a_process_ended_what_was_used_is_not_known(parent: int) -> None:
    used = processes.cpu(parent)
    child = processes.family(parent)[1]
    processes.kill(child)
    end = time.monotonic() + 5
    while child in processes.family(parent) and time.monotonic() < end:
        time.sleep(0.01)
    with pytest.raises(ProgramFailed, match=f"ended while it was measured: {child}"):
        processes.cpu_since(parent, used)


def test_of_a_process_that_is_not_there_nothing_is_said() -> None:
    assert processes.family(2**22 + 1) == []
    assert processes.memory(2**22 + 1) == processes.Memory(0, 0, 0)
