"""What a disk refuses while something is published, said in a sentence; whose files it has to be; journals read."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

from ca.files import open_ordinary
from mirror.errors import BlobFault, PublishError
from mirror.owner import other_owner
from mirror.place import Place
from spot_client.wire import document
from spot_client.wire.document import Document
from spot_client.wire.errors import FormatError

J = TypeVar("J", bound=Document)

_MAX_JOURNAL: Final = 2**20  # bytes

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_FOLDER = {errno.EEXIST, errno.ENOTDIR}


@contextlib.contextmanager
def in_words(place: Place) -> Iterator[None]:
    """Around all that writes to a mirror's data folder.

    Raises:
        PublishError: reason `no-space`, `not-a-folder` (a file is where a folder must be), `io`, or `other-user`.
    """
    owner = other_owner(place.data)
    if owner:
        raise PublishError(
            "other-user",
            f"{place.data} belongs to {owner}, who could not read what root writes there: run this as that user, "
            f"runuser -u {owner} -- spot-mirror ...",
        )
    try:
        yield
    except BlobFault as error:
        if isinstance(error.__cause__, OSError) and error.reason in {"io", "no-space"}:
            raise _sentence(place, error.__cause__) from error
        raise
    except OSError as error:
        raise _sentence(place, error) from error


def read_journal(path: Path, kind: type[J], what: str, at_worst: str) -> J | None:
    """What a run wrote down before it changed something; None where there is nothing.

    Args:
        what: what of; at_worst: what stays behind if it is moved away.

    Raises:
        PublishError: reason `bad-journal`.
    """
    try:
        with open_ordinary(path) as file:
            raw = file.read(_MAX_JOURNAL + 1)
        return document.decode(raw, kind, max_bytes=_MAX_JOURNAL, what=f"The journal of {what}")
    except FileNotFoundError:
        return None
    except FormatError as error:
        raise PublishError("bad-journal", f"{error} Move {path} away: at worst, {at_worst}.") from error


def _sentence(place: Place, error: OSError) -> PublishError:
    where = error.filename or place.data
    if error.errno in _FULL:
        hint = "Free some space, then run the same command again."
        return PublishError("no-space", f"The disk of {place.data} is full: nothing was published. {hint}")
    if error.errno in _NO_FOLDER:
        return PublishError("not-a-folder", f"{where} is a file, and a folder has to be there: move the file away.")
    hint = "Put that right, then run the same command again: it clears up first."
    return PublishError("io", f"{where} cannot be used: {error.strerror}. {hint}")
