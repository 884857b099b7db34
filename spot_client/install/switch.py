"""The one atomic step: which version of a component is in use.

`current` is a symbolic link to `versions/FOLDER`, replaced by a rename: whoever opens it gets the old or the new
version, never neither. A folder in use is never renamed or changed; old ones are removed once no state names them.
"""

import shutil
from pathlib import Path

from spot_client import durable

POINTER = "current"
_NEXT = ".current.next"


def pointed(component: Path) -> str | None:
    """The folder below `versions` that is in use, or None."""
    try:
        target = (component / POINTER).readlink()
    except FileNotFoundError:
        return None
    return target.name


def point(component: Path, folder: str) -> None:
    """Put `versions/FOLDER` into use; durable on return."""
    following = component / _NEXT
    following.unlink(missing_ok=True)
    following.symlink_to(Path("versions") / folder)
    following.replace(component / POINTER)
    durable.sync_folder(component)


def free_folder(versions: Path, version: str) -> str:
    """A name for a new tree of `version` that no folder has yet."""
    name, number = version, 1
    while (versions / name).exists():
        number += 1
        name = f"{version}~{number}"
    return name


def remove_tree(folder: Path) -> None:
    """Remove a tree that is not in use, whatever its folders' modes; a link or file in its place goes, too.

    A tree that is not there is fine.
    """
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        _open_up(folder)
        shutil.rmtree(folder)


def _open_up(folder: Path) -> None:
    folder.chmod(0o700)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            _open_up(entry)
