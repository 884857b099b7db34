"""Writing so that a power cut leaves the old or the new, never half of either (POSIX: fsync, rename, fsync the folder).

`write` is for one small file. For a whole tree: write it all, `sync_tree` once, and only then the step that makes it
count. Every OSError leaves here as it is; `spot_client.errors.LocalFault` is made of it at the top.
"""

import ctypes
import os
import tempfile
from pathlib import Path

PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600


def make_private(folder: Path) -> None:
    """Create `folder` for its owner only, and what is missing above it as the user's mask has it."""
    if folder.is_dir():
        return
    missing = [parent for parent in folder.parents if not parent.is_dir()]
    for parent in reversed(missing):
        parent.mkdir(exist_ok=True)
    folder.mkdir(mode=PRIVATE_DIR, exist_ok=True)
    for step in (folder, *missing):
        sync_folder(step.parent)


def write(path: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Replace the file `path` by one holding `data`; durable on return."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file if it is there; durable on return."""
    if path.exists():
        path.unlink()
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Make everything below `folder` durable: one `syncfs` where there is one (Linux), else a walk with fsync."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is not None:
            if syncfs(handle) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(folder))
            return
    finally:
        os.close(handle)
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            sync_folder(path)
        elif path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
