"""The timer's turn: what people have signed becomes visible, and snapshot and timestamp are signed before they lapse.

It holds the online keys, and is a process of its own: whoever takes over the one that serves cannot sign a thing.
"""

from mirror.catalogue import Chain
from mirror.errors import CatalogueFault, Conflict, SigningError
from mirror.signing import proposal, stage
from mirror.signing.means import Signing
from mirror.signing.ring import Ring
from mirror.signing.staged import Staged
from mirror.signing.switch import changing
from mirror.signing.visible import Shown, show


def turn(signing: Signing, online: Ring, *, force: bool = False) -> Shown | None:
    """Make visible what can be; sign anew if it is time, or if `force`. None if there was nothing to do.

    Where what waits is damaged or must not be shown, snapshot and timestamp are signed all the same before this raises:
    nothing that is put there makes the catalogue lapse. Who can write to the data folder can still damage what clients
    see, or a journal. Then nothing is signed, and it is said why; the catalogue lapses unless that is mended.

    Raises:
        Busy, Conflict, SigningError, PassphraseError, CatalogueFault, PublishError: as they say.
    """
    if not signing.place.data.is_dir():
        hint = "'spot-mirror restore' lays out a backup, 'spot-mirror init' makes a new mirror."
        raise SigningError("no-catalogue", f"There is no data folder {signing.place.data}: {hint}")
    with changing(signing.place):
        known = proposal.chain(signing.place)
        renew = force or (known is not None and _is_due(signing, known))
        try:
            _, staged = stage.open_staged(signing)
            return show(signing, online, staged, renew=renew)
        except (Conflict, SigningError, CatalogueFault):
            if renew:
                show(signing, online, Staged(), renew=True)
            raise


def _is_due(signing: Signing, known: Chain) -> bool:
    now, terms = signing.clock(), signing.terms
    return terms.is_turn(known.timestamp.expires, now) or terms.is_due("snapshot", known.snapshot.expires, now)
