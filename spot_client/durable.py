"""Writing so that a power cut leaves the old or the new, never half of either (POSIX: fsync, rename, fsync the folder).

`write` is for one small file. For a whole tree: write it all, `sync_tree` once, and only then the step that makes it
count. Every OSError leaves here as it is; `spot_client.errors.LocalFault` is made of it at the top.
"""

import ctypes
import os
from pathlib import Path

from ca.files import PRIVATE, replace, sync_folder

__all__ = ["make_private", "remove", "rename", "sync_folder", "sync_tree", "write"]

_PRIVATE_DIR = 0o700


def make_private(folder: Path) -> None:
    """Create `folder` for its owner only, and what is missing above it as the user's mask has it."""
    if folder.is_dir():
        return
    missing = [parent for parent in folder.parents if not parent.is_dir()]
    for parent in reversed(missing):
        parent.mkdir(exist_ok=True)
    folder.mkdir(mode=_PRIVATE_DIR, exist_ok=True)
    for step in (folder, *missing):
        sync_folder(step.parent)


def write(path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
    """Replace the file `path` by one holding `data`; durable on return. A killed run leaves at most `.NAME.part`."""
    replace(path, data, mode)


def remove(path: Path) -> None:
    """Remove a file if it is there; durable on return."""
    if path.exists():
        path.unlink()
        sync_folder(path.parent)


def rename(path: Path, into: Path) -> None:
    """Put a durable file in the place of another of the same folder; durable on return."""
    path.rename(into)
    sync_folder(into.parent)


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
