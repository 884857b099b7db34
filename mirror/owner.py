"""Whose the mirror's data is. As root one may write anywhere, and what root writes the mirror's user cannot read."""

import os
import pwd
from pathlib import Path

from mirror.errors import ServeError


def other_owner(data: Path) -> str | None:
    """The user to whom the folder `data` belongs, if this process is root and that user is not."""
    owner = data.stat().st_uid if data.is_dir() else 0
    if os.geteuid() != 0 or owner == 0:
        return None
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)


def check_folder(data: Path) -> None:
    """Whether a mirror can serve what lies there.

    Raises:
        ServeError: reason `missing-folder`, `not-a-folder` or `other-user`.
    """
    hint = "Correct 'data' in the configuration, or make a mirror with 'spot-mirror init'."
    if not os.path.lexists(data):
        raise ServeError("missing-folder", f"There is no folder {data}. {hint}")
    if not data.is_dir():
        raise ServeError("not-a-folder", f"{data} is a file, where a folder must be. {hint}")
    if owner := other_owner(data):
        raise ServeError(
            "other-user",
            f"{data} belongs to {owner}, who could not read what root writes there: serve as that user, as the unit in "
            "deploy/ does.",
        )
