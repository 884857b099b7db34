"""Files of the trust room: read with a cap, written whole or not at all, private where they must be.

A file is written under a temporary name in its own folder, flushed to the disk, and only then given its name; the
folder is flushed last. So a reader sees the old content or the new, and a killed run leaves at most `.NAME.part`,
which the next run replaces. Private files are 0600 from the first byte on.
"""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from ca.errors import CaError

PRIVATE = 0o600
PUBLIC = 0o644


def read_file(path: Path, *, max_bytes: int, refusal: type[CaError], private: bool = False) -> bytes:
    """The content of `path`, of at most `max_bytes` bytes.

    Args:
        refusal: the class of error to raise, that of the caller's room.
        private: also demand that neither group nor others have any right to the file.

    Raises:
        CaError: of class `refusal`; reason `missing-file`, `unreadable-file` (also for what is no ordinary file,
            such as a pipe), `too-large` or `bad-mode`.
    """
    try:
        with open_ordinary(path) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if private and mode & 0o077:
                raise refusal("bad-mode", f"Others may read {path} (mode {mode:o}): run chmod 600 {path}.")
            content = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise refusal("missing-file", f"There is no file {path}: check the path.") from error
    except OSError as error:
        raise refusal("unreadable-file", f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > max_bytes:
        raise refusal("too-large", f"{path} has more than the {max_bytes} bytes allowed.")
    return content


def open_ordinary(path: Path) -> BinaryIO:
    """Open an ordinary file for reading.

    Raises:
        OSError: it cannot be opened, or is none, such as a pipe, which would be waited for without end.
    """
    file = open(path, "rb", opener=_at_once)  # noqa: SIM115  the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not an ordinary file", str(path))
    return file


def write_new(path: Path, content: bytes | Iterable[bytes], mode: int = PUBLIC) -> None:
    """Write a file that must not exist yet, from its content or from parts of it as they come.

    Raises:
        FileExistsError: something of that name is there; it stays as it was.
        OSError: the disk is full, the folder missing, and so on; nothing was written.
    """
    # A link instead of the rename would also win a race, but a kill between link and unlink leaves a second name for
    # what may be a secret; and spot-ca, which holds its vault's lock, does not race with itself.
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    replace(path, content, mode)


def replace(path: Path, content: bytes | Iterable[bytes], mode: int = PUBLIC) -> None:
    """Write a file, in place of an older one if there is one.

    Raises:
        OSError: as `write_new`; an older file stays as it was.
    """
    _write_part(path, content, mode).rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's names to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a FIFO that nobody writes to would be waited for without end


def part_of(path: Path) -> Path:
    """The temporary name under which `path` is written."""
    return path.with_name(f".{path.name}.part")


def _write_part(path: Path, content: bytes | Iterable[bytes], mode: int) -> Path:
    part = part_of(path)
    part.unlink(missing_ok=True)  # of a killed run
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:  # whoever gives the parts may fail as well
        part.unlink()
        raise
    return part
