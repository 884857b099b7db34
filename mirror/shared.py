"""The folder in memory that the processes of one mirror share.

On a disk, a store into a memory map waits for the file system's journal now and then, and kills the process when the
disk has turned read-only. So it lies on /dev/shm, under a name that only this user and data folder have; where that
cannot be had, in the data folder.
"""

import os
import stat
from pathlib import Path
from typing import Final

from spot_client.wire.digest import sha256_hex

MEMORY: Final = Path("/dev/shm")  # noqa: S108  what is made there is looked at before it is used


def shared_folder(data: Path, memory: Path = MEMORY) -> Path:
    """The folder, made if need be: mode 0700, ours, and no link that somebody put there.

    Raises:
        OSError: it can be made nowhere.
    """
    name = sha256_hex(os.fsencode(data.resolve()))[:16]
    for folder in (memory / f"spot-mirror-{os.geteuid()}-{name}", data / "shared"):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            if folder.parent == data:
                raise
            continue
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
            return folder
    raise PermissionError(f"{data / 'shared'} is not a folder of this user alone")
