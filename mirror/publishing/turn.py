"""One run of publishing: under the lock, clearing up before and after itself."""

import contextlib
from collections.abc import Iterator

from mirror.disk import in_words
from mirror.errors import MirrorError
from mirror.place import Place
from mirror.publishing import journal


@contextlib.contextmanager
def turn(place: Place) -> Iterator[tuple[str, ...]]:
    """Hold the lock for one run; gives what a run before it left, cleared up, in sentences for people.

    Raises:
        Busy, CatalogueFault, PublishError, SigningError: as `mirror.publishing.journal` and `mirror.disk`.
    """
    with in_words(place), journal.publishing(place):
        note = journal.recover(place)
        try:
            yield (note,) if note else ()
        except BaseException:
            with contextlib.suppress(OSError, MirrorError):  # else the next run clears up
                journal.recover(place)
            raise
        journal.end(place)
