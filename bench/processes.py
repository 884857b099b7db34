"""What a server costs with all its processes: the one that was started, and those below it. For Linux.

CPU is the kernel's own clock of each process, in nanoseconds, threads that have ended included.
"""

import os
import re
import signal
import time
from pathlib import Path
from typing import Final, NamedTuple

from bench.measure import ProgramFailed

_CLOCK_SCHED: Final = 2  # CPUCLOCK_SCHED; a process's clock is ~PID << 3 | 2 (clock_getcpuclockid(3))


class Memory(NamedTuple):
    """Bytes, summed over processes. What several of them share counts in `resident` for each, in `proportional` once.

    `own` is what no file and no shared memory holds.
    """

    resident: int
    proportional: int
    own: int


def family(pid: int) -> list[int]:
    """The process and all that descend from it, itself first; empty if there is none such."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid] if Path(f"/proc/{pid}").exists() else []
    for one in found:
        found += children.get(one, [])
    return found


def cpu(pid: int) -> dict[int, float]:
    """CPU seconds that each process of the family has used so far, by its number."""
    used = {}
    for one in family(pid):
        try:
            used[one] = time.clock_gettime(~one << 3 | _CLOCK_SCHED)
        except OSError:
            continue  # it ended meanwhile
    return used


def cpu_since(pid: int, before: dict[int, float]) -> float:
    """CPU seconds of the family since `cpu` said `before`.

    Raises:
        ProgramFailed: one of its processes has ended, and what it used is not known.
    """
    after = cpu(pid)
    if gone := before.keys() - after.keys():
        raise ProgramFailed(f"a process of the server ended while it was measured: {', '.join(map(str, gone))}")
    return sum(after.values()) - sum(before.values())


def memory(pid: int) -> Memory:
    """What the family holds now."""
    sums = [0, 0, 0]
    for one in family(pid):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        for place, name in enumerate(("Rss", "Pss", "Anonymous")):
            found = re.search(rf"^{name}:\s+([0-9]+) kB$", text, re.MULTILINE)
            sums[place] += int(found[1]) * 1024 if found else 0
    return Memory(*sums)


def kill(pid: int) -> None:
    """End a process as a crash would."""
    os.kill(pid, signal.SIGKILL)


def _parent(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except OSError:
        return None
