"""A file that a command writes for a person: whole or not at all, and readable by its owner only."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ca.files import PRIVATE, sync_folder
from mirror.errors import MirrorError


@contextmanager
def written(path: Path) -> Iterator[TextIO]:
    """Write UTF-8 text piece by piece; after the block it stands at `path`, durable, in place of what was there.

    Line ends are written as they are given. A killed run leaves at most `.NAME.part`.

    Raises:
        MirrorError: reason `not-a-file`: a folder, link, device or pipe is there; it stays.
        OSError: the disk is full, the folder is missing, and so on; what was at `path` stays.
    """
    _refuse_other_kinds(path)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _refuse_other_kinds(path: Path) -> None:
    """A rename would put a file in the place of a link or device, such as /dev/stdout."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise MirrorError(
            "not-a-file", f"{path} is there, and is no regular file: name another, or leave '--out' away and redirect."
        )
