"""What a process costs, from the kernel: seconds, CPU, peak memory. For Linux.

A program that ends is measured by `wait4`: CPU is user and system time of it and of every child that it waited for,
memory the largest resident set of any one of them. The kernel lets a new process begin with the peak of the one that
started it, so whoever measures has to be smaller than what is measured: this package and what it imports stay within
the standard library, and read nothing large.

A program that goes on running, the mirror, is asked before and after. Its CPU comes from `schedstat`, in nanoseconds:
the clock ticks of `stat` are 10 ms, longer than the whole answer to a poll.
"""

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_TAIL = 2000  # characters of a failed program's output that are shown


class Cost(NamedTuple):
    """`seconds` by the clock, `cpu_seconds` of user and system time, `peak_bytes` of resident memory."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


class ProgramFailed(Exception):
    """A program ended with another code than 0; the message ends with what it said last."""


def run(command: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path) -> Cost:
    """Run a program in `folder` to its end; what it says goes to the end of `log`.

    Raises:
        ProgramFailed: it did not end with 0.
    """
    with log.open("ab") as file:
        before = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - before
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = log.read_text(errors="replace")[-_TAIL:]
        raise ProgramFailed(f"'{' '.join(command)}' ended with {process.returncode}:\n{said}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def cpu_seconds(pid: int) -> float:
    """CPU that the threads of a running process have used so far."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def peak_bytes(pid: int) -> int:
    """The largest resident set that a running process has had."""
    found = re.search(r"^VmHWM:\s+([0-9]+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def family_cpu_seconds(pid: int) -> float:
    """CPU that a running process and all that descend from it have used so far."""
    children = (
        int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()
    )
    return cpu_seconds(pid) + sum(family_cpu_seconds(child) for child in children)
