"""A gigabyte out of a few KiB, and every other way in which a zstd frame asks a decoder for memory or time.

Read in a child, whose largest size is measured: it may grow by what signed metadata allows, never by what the frame
says or holds. All digests are right, as if the vendor's signers had been taken over.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.frames import ANNOUNCED, GIGABYTE, PARSERS, RUN, made, skippable
from tests.house.source import ROOT

MIB = 2**20
EMPTY = made(0)

BOMBS: dict[str, tuple[bytes, set[str]]] = {
    "a gigabyte, declared": (made(GIGABYTE, declared=GIGABYTE), {"too-large"}),
    "a gigabyte, not declared": (made(GIGABYTE), {"too-large"}),
    "a gigabyte, declared as 1000 bytes": (made(GIGABYTE, declared=1000), {"bad-frame"}),
    "nothing, declared as a gigabyte": (made(0, declared=GIGABYTE), {"bad-frame"}),
    "a gigabyte, declared as more than there is memory": (made(GIGABYTE, declared=2**62), {"too-large"}),
    "declared as the largest number": (made(GIGABYTE, declared=2**64 - 1), {"too-large"}),
    "one segment of a gigabyte": (made(GIGABYTE, declared=GIGABYTE, window_log=None), {"bad-frame"}),
    "one segment of 2^62 bytes": (made(RUN, declared=2**62, window_log=None), {"bad-frame"}),
    "a window of 32 MiB": (made(GIGABYTE, window_log=25), {"bad-frame"}),
    "a window of 128 MiB": (made(GIGABYTE, window_log=27), {"bad-frame"}),
    "a window of 2 GiB": (made(GIGABYTE, window_log=31), {"bad-frame"}),
    "a window of 2 TiB": (made(GIGABYTE, window_log=41), {"bad-frame"}),
    "the largest window allowed": (made(GIGABYTE, window_log=24), {"too-large"}),
    "a frame within limits, 2000 times": (made(ANNOUNCED) * 2000, {"bad-frame"}),
    "an empty frame, 100,000 times": (EMPTY * 100_000, {"bad-frame"}),
    "a frame after an empty one": (EMPTY + made(GIGABYTE), {"bad-frame"}),
    "a skippable frame, 100,000 times": (skippable(0) * 100_000, {"bad-frame"}),
    "a skippable frame of 4 GiB": (skippable(2**32 - 1), {"bad-frame"}),
    "a gigabyte after a skippable frame": (skippable(4, b"skip") + made(GIGABYTE), {"bad-frame"}),
    "a dictionary": (made(GIGABYTE, dictionary=7), {"bad-frame"}),
    "a dictionary without number": (made(GIGABYTE, dictionary=0), {"too-large"}),
    "a reserved bit": (made(GIGABYTE, reserved=True), {"bad-frame"}),
    "a wrong checksum": (made(RUN, checksum=True), {"bad-frame"}),
    "no last block": (made(GIGABYTE)[:-4], {"too-large"}),
    "empty blocks without end": (EMPTY[:-4] + b"\2\0\0\0" * 250_000, {"bad-frame"}),
}


@pytest.mark.slow
@pytest.mark.parametrize(("parser", "allowed"), [("index", 32 * MIB), ("manifest", ANNOUNCED), ("block", ANNOUNCED)])
def test_no_frame_takes_more_memory_than_metadata_allows(parser: str, allowed: int, tmp_path: Path) -> None:
    files = []
    for number, (packed, _) in enumerate(BOMBS.values()):
        files.append(tmp_path / str(number))
        files[-1].write_bytes(packed)
    command = [sys.executable, "-m", "tests.hostile.frames", parser, *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    told = dict(zip(BOMBS, done.stdout.splitlines(), strict=True))
    wrong = {what: line for what, line in told.items() if line.split()[0] not in BOMBS[what][1]}
    assert wrong == {}
    # Twice the content, since it is joined out of pieces; once the window; and what an allocator does not give back.
    grown = max(int(line.split()[1]) for line in told.values())
    assert grown < 2 * allowed // MIB + 16 + 24


def test_the_frames_made_here_are_read_where_nothing_is_wrong_with_them() -> None:
    for packed in (made(ANNOUNCED), made(ANNOUNCED, declared=ANNOUNCED), made(ANNOUNCED, window_log=24)):
        assert PARSERS["block"](packed) == bytes(ANNOUNCED)
    assert max(len(packed) for packed, _ in BOMBS.values()) < 2 * MIB
