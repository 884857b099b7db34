"""A file that a command writes for a person: whole or not at all, and readable by its owner only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ca.files import PRIVATE, sync_folder


@contextmanager
def written(path: Path) -> Iterator[TextIO]:
    """Write UTF-8 text piece by piece; after the block it stands at `path`, durable, in place of what was there.

    Line ends are written as they are given. A killed run leaves at most `.NAME.part`.

    Raises:
        OSError: the disk is full, the folder is missing, and so on; what was at `path` stays.
    """
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
