"""What `spot-mirror check` finds, and how it judges what it was told. Pure.

A warning is something that will hurt if nobody acts; a problem does already, or keeps `serve` from starting; advice
can be left.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from ca.finding import Finding, good
from mirror.expiry import Lapse

SKEW: Final = timedelta(minutes=5)
"""How far a moment may lie in the future before a clock is said to be wrong."""

_PATIENCE: Final = timedelta(days=1)
_SCRUB: Final = timedelta(days=30)
_GIB: Final = 2**30
_FULL: Final = 64 * 2**20
"""Bytes below which a disk is as good as full: the records' log alone can grow to some MiB between two looks."""


class Disk(msgspec.Struct, frozen=True):
    """Room for this user, and in all: bytes, and names for files (both 0 where the file system does not count them)."""

    free: int
    size: int
    free_names: int
    names: int


def judge_lapses(lapses: Iterable[Lapse], now: datetime) -> Iterator[Finding]:
    """What has lapsed is a problem, what soon will a warning."""
    for lapse in lapses:
        if lapse.is_over(now):
            yield Finding("problem", "expired", lapse.sentence(now), lapse.step)
        elif lapse.is_near(now):
            yield Finding("warning", "expires-soon", lapse.sentence(now), lapse.step)
        else:
            yield good(f"{lapse.what} is good until {lapse.end:%Y-%m-%d}.")


def judge_modes(modes: Mapping[str, tuple[int, int]]) -> Iterator[Finding]:
    """Who may get at what.

    Args:
        modes: by path, the mode that was found, and the most that it may be (such as 0o600).
    """
    wrong = {path: found for path, (found, most) in modes.items() if found & ~most & 0o077}
    for path, found in wrong.items():
        step = f"Run chmod {modes[path][1]:o} {path}. If others use this host, what is secret there is known to them."
        yield Finding("problem", "bad-mode", f"Others have rights to {path} (mode {found:o}).", step)
    if modes and not wrong:
        yield good(f"Nobody else has rights to what is private here ({len(modes)} files and folders).")


def judge_disk(folder: str, disk: Disk) -> Iterator[Finding]:
    """Whether there is room: for bytes, a twentieth of the disk, but never more than 10 GiB nor less than 256 MiB."""
    bound = max(min(disk.size // 20, 10 * _GIB), _GIB // 4)
    what, step = f"{disk.free / _GIB:.1f} GiB are free on the disk of {folder}", "Make room, or move to a larger disk."
    if disk.free < _FULL:
        yield Finding("problem", "no-space", f"{what}: what clients report is lost when it is full.", step)
    elif disk.free < bound:
        yield Finding("warning", "low-space", f"{what}, less than {bound / _GIB:.1f} GiB.", step)
    else:
        yield good(f"{what}.")
    if disk.free_names < disk.names // 100:
        what = f"The disk of {folder} has names left for {disk.free_names} files, of {disk.names}."
        yield Finding("warning", "low-space", what, "Remove small files, or make a file system with more inodes.")


def judge_clock(moments: Sequence[tuple[str, datetime]], now: datetime) -> Finding:
    """What was written later than now tells that a clock is wrong: this host's, most likely."""
    what, newest = max(moments, key=lambda moment: moment[1], default=("", now))
    if newest <= now + SKEW:
        return good(f"The clock says {now:%Y-%m-%d %H:%M} UTC, and nothing here is of later.")
    said = f"{what} is of {newest:%Y-%m-%d %H:%M} UTC, and the clock says {now:%Y-%m-%d %H:%M} UTC."
    return Finding("warning", "clock-behind", said, "Compare this host's clock with one you trust, and set it right.")


def judge_waits(waits: Mapping[str, tuple[datetime, int]], now: datetime) -> Iterator[Finding]:
    """What was staged long ago. `waits`: by role, since when, and how many signatures are missing."""
    late = {role: line for role, line in waits.items() if now - line[0] > _PATIENCE}
    for role, (since, missing) in sorted(late.items()):
        what = f"{role} has waited since {since:%Y-%m-%d %H:%M} UTC"
        if missing:
            what += f", for {missing} more signature{'s' if missing > 1 else ''}."
            step = "'spot-mirror staged' says whose; they sign it with 'spot-mirror approve', or 'discard' it."
        else:
            what += " to become visible, and is signed."
            step = "See that 'spot-mirror catalogue-timer' runs, and that all which belongs to it is signed."
        yield Finding("warning", "waits-long", what, step)
    if not late:
        yield good("Nothing has waited for signatures for more than a day.")


def judge_timer(signed: datetime, every: timedelta, now: datetime) -> Finding:
    """Whether the timer is at work. `signed`: when the timestamp was; `every`: how often it should be."""
    if now - signed <= 2 * every:
        return good(f"The timestamp is of {signed:%Y-%m-%d %H:%M} UTC: it is signed in time.")
    hours = int(every.total_seconds() // 3600)
    what = f"The timestamp was last signed on {signed:%Y-%m-%d %H:%M} UTC, and should be every {hours} hours."
    return Finding("warning", "no-timer", what, "Start 'spot-mirror catalogue-timer', and look into its log.")


def judge_scrub(since: datetime, findings: int, damaged: Sequence[str], now: datetime) -> Finding:
    """Whether all that is on offer was read not long ago, and was whole.

    Args:
        since: when the last scrub ended, or when it was first due.
        findings: what it found. damaged: some of that, by name.
    """
    if findings:
        named = ", ".join(damaged[:3]) + (", ..." if findings > min(len(damaged), 3) else "")
        what = f"The last scrub, of {since:%Y-%m-%d}, found {findings} damaged or missing: {named}."
        step = "Restore them from a backup, or publish again what is not there; then run 'spot-mirror scrub' again."
        return Finding("problem", "scrub-found", what, step)
    if now - since > _SCRUB:
        what = f"Not all that is on offer was read since {since:%Y-%m-%d}: a disk forgets in silence."
        return Finding("warning", "scrub-old", what, "Enable spot-mirror-scrub.timer, or run 'spot-mirror scrub'.")
    return good(f"Nothing on offer has waited since before {since:%Y-%m-%d} to be read as a whole.")
