"""A new beginning of trust: another root in place of the one that was believed here, whose fruits are forgotten.

    .spot/new-root.json   the new one; while it is there, the change is not complete

What goes is what the old root's keys could have put here: the catalogues, with the versions below which nothing is
believed, the signed list of mirrors, and what is known of withdrawals and halts. What is installed stays, and so does
which content each version had. From the moment at which the new root lies here the change is finished by whoever holds
the installation next, whenever it was killed.
"""

import shutil
from pathlib import Path
from typing import Final

from spot_client import durable

_FORGOTTEN: Final = ("catalogue", "offline", "known")


def begin_again(own: Path, root: bytes) -> None:
    """Take over a root of trust in SPOT's own folder; durable on return. The installation's lock is held."""
    durable.write(_mark(own), root)
    finish(own)


def finish(own: Path) -> None:
    """Finish what a killed run has begun, if it has. Raises OSError: this machine refused, and it is not finished."""
    if not _mark(own).exists():
        return
    for name in _FORGOTTEN:
        if (own / name).exists():
            shutil.rmtree(own / name)
    durable.remove(own / "mirrors.json")
    durable.sync_folder(own)
    durable.write(own / "root.json", _mark(own).read_bytes())
    durable.remove(_mark(own))


def _mark(own: Path) -> Path:
    return own / "new-root.json"
