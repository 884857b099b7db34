"""Whether a root of trust is of the chain that was followed here. Pure.

A root follows from the one before it if the keys of that one signed it, too (TUF specification §5.3.4). Of two that are
further apart the same is enough, and its absence says nothing: keys may have been replaced one after another.

Then a root with a lower version than the first one here is told by its date. That one came in a bundle of the vendor's,
whoever signed later ones. An old root of its chain was made before it, and lapses no later; one that begins a new chain
after a theft is made after it, and does.
"""

from collections.abc import Iterable
from enum import Enum

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root


class Descent(Enum):
    """What the roots that are known here say of another one."""

    SAME = "same"
    """It is one of them, or it comes after or before them in the same chain."""
    OTHER = "other"
    """It is none, or it does not follow from the one before it, or not lead to the one after it."""
    UNKNOWN = "unknown"
    """There are roots in between that are not known here."""
    OLDER = "older"
    """So are there, and it lapses no later than the first one here, which has a higher version."""


def descent(known: Iterable[bytes], offered: bytes) -> Descent:
    """Hold a root.json to those that were verified here, in any order; of them, what cannot be read is passed over."""
    chain = {root.signed.version: root for root in map(_read, known) if root}
    root = _read(offered)
    if root is None:
        return Descent.OTHER
    version = root.signed.version
    if version in chain:
        return Descent.SAME if chain[version].signed_bytes == root.signed_bytes else Descent.OTHER
    before = chain.get(max((one for one in chain if one < version), default=0))
    after = chain.get(min((one for one in chain if one > version), default=0))
    if (before and _signed(root, before)) or (after and _signed(after, root)):
        return Descent.SAME
    near = {one.signed.version for one in (before, after) if one} & {version - 1, version + 1}
    if near:
        return Descent.OTHER
    is_earlier = after is not None and before is None and root.signed.expires <= after.signed.expires
    return Descent.OLDER if is_earlier else Descent.UNKNOWN


def is_root(raw: bytes) -> bool:
    """Whether this is a root.json that its own keys signed, as the first root has to be (§5.3.5)."""
    root = _read(raw)
    return root is not None and _signed(root, root)


def _read(raw: bytes) -> Metadata[Root] | None:
    try:
        return Metadata[Root].from_bytes(raw)
    except RepositoryError:
        return None


def _signed(root: Metadata[Root], by: Metadata[Root]) -> bool:
    """Whether the keys of one root signed another."""
    try:
        by.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
    except RepositoryError:
        return False
    return True
