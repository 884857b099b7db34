"""Whose the mirror's data is. As root one may write anywhere, and what root writes the mirror's user cannot read."""

import os
import pwd
from pathlib import Path


def other_owner(data: Path) -> str | None:
    """The user to whom the folder `data` belongs, if this process is root and that user is not."""
    owner = data.stat().st_uid if data.is_dir() else 0
    if os.geteuid() != 0 or owner == 0:
        return None
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)
