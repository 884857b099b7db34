"""The timer's turn: what people have signed becomes visible, and snapshot and timestamp are signed before they lapse.

It holds the online keys, and is a process of its own: whoever takes over the one that serves cannot sign a thing.
"""

from mirror.signing import stage
from mirror.signing.means import Signing
from mirror.signing.ring import Ring
from mirror.signing.switch import changing
from mirror.signing.visible import Shown, show


def turn(signing: Signing, online: Ring, *, force: bool = False) -> Shown | None:
    """Make visible what can be; sign anew if it is time, or if `force`. None if there was nothing to do.

    Raises:
        Busy, Conflict, SigningError, PassphraseError, CatalogueFault, PublishError: as they say.
    """
    with changing(signing.place):
        known, staged = stage.open_staged(signing)
        now = signing.clock()
        due = known is not None and (
            signing.terms.is_turn(known.timestamp.expires, now)
            or signing.terms.is_due("snapshot", known.snapshot.expires, now)
        )
        return show(signing, online, staged, renew=due or force)
