"""The first catalogue, which offers nothing yet: staged for its keyholders, and visible once enough of them signed."""

from collections.abc import Mapping

from mirror.blobs import make_folder
from mirror.errors import SigningError
from mirror.signing import people, stage, statements
from mirror.signing.means import Signing
from mirror.signing.ring import Ring
from mirror.signing.roles import Keyholders
from mirror.signing.stage import Settled
from mirror.signing.staged import Change, Staged
from mirror.signing.switch import changing


def holders(ring: Ring, threshold: int, names: tuple[str, ...]) -> Keyholders:
    """Keys of a ring as the holders of a role.

    Raises:
        SigningError: reason `no-key`, or `bad-threshold`: more signatures than keys, none, or a key named twice.
    """
    keys = tuple(ring.key(name).verifier for name in names)
    if not 1 <= threshold <= len(keys) or len(set(names)) != len(names):
        said = ", ".join(names) or "nobody"
        raise SigningError("bad-threshold", f"{threshold} of {len(keys)} keys ({said}) cannot sign: name enough keys.")
    return Keyholders(threshold, keys)


def found(signing: Signing, who: Mapping[str, Keyholders]) -> Settled:
    """Stage the first root, targets, halts and house, and sign for every key that is here.

    Args:
        who: by role, of `roles.TOP_ROLES` and `roles.OWN_ROLES`.

    Raises:
        SigningError: reason `catalogue-exists`, or as `stage.settle`.
        PassphraseError, Busy, OSError: as they say.
    """
    make_folder(signing.place.catalogue)
    with changing(signing.place):
        known, _ = stage.open_staged(signing)
        if known is not None:
            raise SigningError("catalogue-exists", f"{signing.place.catalogue} has a catalogue: init replaces nothing.")
        staged = Staged()
        now = signing.clock()
        for role, signed in statements.first(who, signing.terms, now).items():
            staged.put(role, signed, Change(role, f"{role}: the first", f"{now:%Y-%m-%dT%H:%M:%SZ}"))
        for name in signing.ring.held():
            people.sign(signing.ring, name, None, staged)
        return stage.settle(signing, None, staged, None)
