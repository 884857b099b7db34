"""One run of publishing: under the lock, clearing up before and after itself, what a disk does said in a sentence."""

import contextlib
import errno
from collections.abc import Iterator

from mirror.errors import BlobFault, MirrorError, PublishError
from mirror.owner import other_owner
from mirror.publishing import journal
from mirror.publishing.journal import Place

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_FOLDER = {errno.EEXIST, errno.ENOTDIR}


@contextlib.contextmanager
def turn(place: Place) -> Iterator[tuple[str, ...]]:
    """Hold the lock for one run; gives what a run before it left, cleared up, in sentences for people.

    Raises:
        PublishError: reason `no-space`, `not-a-folder` (a file is where a folder must be), `io`, or `other-user`.
        Busy, CatalogueFault: as `mirror.publishing.journal`.
    """
    owner = other_owner(place.data)
    if owner:
        raise PublishError(
            "other-user",
            f"{place.data} belongs to {owner}, who could not read what root writes there: run this as that user, "
            f"runuser -u {owner} -- spot-mirror ...",
        )
    try:
        with journal.locked(place):
            note = journal.recover(place)
            try:
                yield (note,) if note else ()
            except BaseException:
                with contextlib.suppress(OSError, MirrorError):  # else the next run clears up
                    journal.recover(place)
                raise
            journal.end(place)
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
