"""The one atomic step: which version of a component is in use.

`current` is a symbolic link to `versions/FOLDER`, replaced by a rename: whoever opens it gets the old or the new
version, never neither. A folder in use is never renamed or changed; old ones are removed once no state names them.
"""

import errno
import os
import shutil
from pathlib import Path

from spot_client import durable
from spot_client.errors import LocalFault

POINTER = "current"
_NEXT = ".current.next"


def pointed(component: Path) -> str | None:
    """The folder below `versions` that is in use, or None.

    Raises:
        LocalFault: reason `not-a-pointer`: something else stands in its place.
    """
    try:
        target = (component / POINTER).readlink()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise LocalFault(
            "not-a-pointer", f"{component / POINTER} is not the link that SPOT put there: move it away, and try again."
        ) from error
    return target.name


def point(component: Path, folder: str) -> None:
    """Put `versions/FOLDER` into use; durable on return."""
    following = component / _NEXT
    following.unlink(missing_ok=True)
    following.symlink_to(Path("versions") / folder)
    following.replace(component / POINTER)
    durable.sync_folder(component)


def unpoint(component: Path) -> None:
    """Put nothing into use; durable on return."""
    for name in (_NEXT, POINTER):
        (component / name).unlink(missing_ok=True)
    durable.sync_folder(component)


def check_places(component: Path) -> None:
    """Refuse files and links where SPOT's own folders of a component have to be, before anything is changed.

    Raises:
        LocalFault: reason `not-a-folder` or `not-a-pointer`.
    """
    own = [component / name for name in ("versions", "state", "saved")]
    for place in (component.parent.parent, component.parent, component, *own):
        is_folder = place.is_dir() and not (place in own and place.is_symlink())
        if os.path.lexists(place) and not is_folder:
            raise LocalFault("not-a-folder", f"{place} is not the folder that SPOT needs there: move it away.")
    pointed(component)


def free_folder(versions: Path, version: str) -> str:
    """A name for a new tree of `version` that no folder has yet."""
    name, number = version, 1
    while os.path.lexists(versions / name):
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
        try:
            shutil.rmtree(folder)
        except PermissionError:  # never met by root: nobody can make it open up what is not its own
            _open_up(folder)
            shutil.rmtree(folder)


def _open_up(folder: Path) -> None:
    folder.chmod(0o700)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            _open_up(entry)
