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
    """Remove a tree that is not in use, read-only folders included; a tree that is not there is fine."""

    def make_writable(_: object, name: str, __: object) -> None:
        Path(name).parent.chmod(0o700)
        if Path(name).is_dir():
            Path(name).chmod(0o700)
            shutil.rmtree(name)
        else:
            Path(name).unlink()

    if folder.exists():
        shutil.rmtree(folder, onerror=make_writable)
