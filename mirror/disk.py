"""What a disk refuses while something is published, said in a sentence; and whose files it has to be."""

import contextlib
import errno
from collections.abc import Iterator

from mirror.errors import BlobFault, PublishError
from mirror.owner import other_owner
from mirror.place import Place

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


def _sentence(place: Place, error: OSError) -> PublishError:
    where = error.filename or place.data
    if error.errno in _FULL:
        hint = "Free some space, then run the same command again."
        return PublishError("no-space", f"The disk of {place.data} is full: nothing was published. {hint}")
    if error.errno in _NO_FOLDER:
        return PublishError("not-a-folder", f"{where} is a file, and a folder has to be there: move the file away.")
    hint = "Put that right, then run the same command again: it clears up first."
    return PublishError("io", f"{where} cannot be used: {error.strerror}. {hint}")
