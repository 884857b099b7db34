"""What was changed here and has no place in a version any more: `COMPONENT/saved/VERSION/PATH`, for people.

Nothing there is ever overwritten: a second, different one of the same path goes to `saved/VERSION~2/PATH`, and so on.
SPOT never uses it again, and removes it only where a component is uninstalled with all that is left of it.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

from spot_client import durable
from spot_client.install import beneath, laying

PRIVATE: Final = 0o700
"""Mode of the folders: what only few could read in its place is no more open here."""


def save(saved: Path, version: str, path: str, origin: Path) -> str:
    """Copy a file or link from `path` below `origin`, unless the same was saved before; returns its path below `saved`.

    Raises:
        OSError: nothing new is there.
    """
    ours = beneath.look(origin, path)
    place = next(place for place in _places(version, path) if beneath.look(saved, place) in {None, ours})
    if not beneath.there(saved, place):
        durable.make_private(saved)
        laying.copy(origin, path, saved, place, make=PRIVATE)
    return place


def free(saved: Path, version: str, path: str) -> str:
    """A place for `path`, below `saved`, where nothing lies. Raises OSError."""
    return next(place for place in _places(version, path) if not beneath.there(saved, place))


def folders(saved: Path) -> list[Path]:
    """What there is of versions, each a folder of paths. Raises OSError."""
    return sorted(path for path in saved.iterdir() if path.is_dir() and not path.is_symlink()) if saved.is_dir() else []


def _places(version: str, path: str) -> Iterator[str]:
    yield f"{version}/{path}"
    for number in count(2):
        yield f"{version}~{number}/{path}"
