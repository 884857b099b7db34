"""What the C library does with large blocks that were freed (glibc, mallopt(3))."""

import ctypes
from typing import Final

_MMAP_THRESHOLD: Final = -3  # M_MMAP_THRESHOLD
_LARGE: Final = 2**20  # bytes


def hand_back() -> None:
    """Have large blocks go back to the system when they are freed, as long as this process lives.

    By itself glibc does so only until the first of them was freed: from then on, blocks of its size come out of the
    heap, and stay. A memory has lists of 2 MiB (LMDB's, of pages), and each reload makes one and leaves one: fourteen
    reloads took control from 42 to 53 MB, and to more where several threads had a heap each.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE)
