"""A data folder that fell behind the high-water mark: what has to be signed above it is staged, in place of what waits.

It was put back to an older state, by a snapshot of the machine or a copy of its files; or a restore was killed.
"""

from mirror.publishing import journal
from mirror.publishing.journal import Journal
from mirror.publishing.turn import turn
from mirror.signing import recovery, stage
from mirror.signing.marks import HighWater
from mirror.signing.means import Signing
from mirror.signing.recovery import Recovered
from mirror.signing.switch import changing


def restage(signing: Signing, mark: HighWater) -> Recovered:
    """Stage above the mark, as after a restore; what was stored for what waited goes with it.

    Raises:
        SigningError, PassphraseError, Conflict, Busy, CatalogueFault, PublishError: as `recovery.above` and `turn`.
    """
    with changing(signing.place):
        recovery.bind(signing, mark)  # in place of what was brought before, damaged or written by others
    with turn(signing.place):
        with changing(signing.place):
            _, waiting = stage.open_staged(signing)
        blobs = tuple(key for change in waiting.changes for key in change.blobs)
        journal.begin(signing.place, Journal(what="The staging above the high-water mark", blobs=blobs))
        found = recovery.above(signing, mark)
        journal.recover(signing.place)  # removes them, if nothing names them any more
        return found
