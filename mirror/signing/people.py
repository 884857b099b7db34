"""Who signs: which of the keys at hand may sign what waits, and whose turn it is. No key is opened before it signs."""

from collections.abc import Collection, Iterable
from typing import Final

from mirror.catalogue import Chain
from mirror.errors import SigningError
from mirror.signing.candidate import Wait, waits
from mirror.signing.ring import Ring
from mirror.signing.staged import Staged

_ENOUGH: Final = "The timer makes it visible, with what belongs to it: 'spot-mirror staged' says what that waits for."


def choose(ring: Ring, found: Iterable[Wait], named: str | None) -> str | None:
    """The key that signs: the one that was named, or the only one at hand that may sign any of this; None: none may.

    Raises:
        SigningError: reason `which-key` (several may, and none was named), `no-key`, `not-here` (its private half is
            elsewhere), `already-signed`, or `not-a-signer` (it signs for none of these roles).
    """
    lines = list(found)
    if named is not None:
        _check(ring, lines, named)
        return named
    able = [name for name in ring.held() if any(ring.key(name).verifier.keyid in line.keyids for line in lines)]
    if len(able) > 1:
        raise SigningError("which-key", f"Several keys here may sign: {', '.join(able)}. Say whose you use, by --as.")
    return able[0] if able else None


def sign(ring: Ring, name: str, chain: Chain | None, staged: Staged, only: Collection[str] | None = None) -> list[str]:
    """Sign everything that waits and that this key may sign, or of that `only` these roles; the roles.

    Raises:
        SigningError, PassphraseError: as `Ring.signer`.
    """
    keyid = ring.key(name).verifier.keyid
    mine = [line.role for line in waits(chain, staged) if keyid in line.keyids and (only is None or line.role in only)]
    for role in mine:
        staged.sign(role, ring.signer(name))
    return mine


def nobody_here(ring: Ring, found: Iterable[Wait]) -> SigningError:
    """The refusal where no key at hand may sign any of this."""
    lines = list(found)
    others = names(ring, {keyid for line in lines for keyid in line.keyids})
    if not others:
        return SigningError("already-signed", f"Enough have signed this already. {_ENOUGH}")
    signed = [name for name in ring.held() if any(ring.key(name).verifier.keyid in line.signed for line in lines)]
    if signed:
        return SigningError("already-signed", f"{signed[0]} has signed this already: now {others} may.")
    hint = "On another machine they sign with 'spot-mirror signing export', 'sign' and 'import'."
    return SigningError("not-a-signer", f"No key in {ring.folder} may sign this: {others} may. {hint}")


def names(ring: Ring, keyids: Iterable[str]) -> str:
    """Keys in words, for people."""
    return ", ".join(sorted(ring.name(keyid) or f"key {keyid[:12]}" for keyid in keyids))


def _check(ring: Ring, lines: list[Wait], named: str) -> None:
    key = ring.key(named)
    keyid = key.verifier.keyid
    if named not in ring.held():
        raise SigningError("not-here", f"The private key of {named} is not in {ring.folder}: sign where it lies.")
    if any(keyid in line.keyids for line in lines):
        return
    if any(keyid in line.signed for line in lines):
        more = any(line.missing for line in lines if keyid in line.signed)
        rest = "now somebody else has to." if more else f"so have all who had to. {_ENOUGH}"
        raise SigningError("already-signed", f"{named} has signed this already: {rest}")
    others = names(ring, {other for line in lines for other in line.keyids}) or "nobody any more"
    raise SigningError("not-a-signer", f"{named} does not sign for this: {others} may.")
