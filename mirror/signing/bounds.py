"""What the catalogue must not fall behind: the high-water mark, or without one the floors that a restore brought. Pure.

The floors lie in the data folder, where whoever took the serving process over may write: so they cannot say that much
was seen which never was, and they bind only where there is no mark, which lies elsewhere.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from mirror.errors import SigningError
from mirror.signing.marks import HighWater

MOST_AHEAD: Final = 2**20
"""By so many versions a mark may be ahead of a backup: more than a timer signs in a lifetime, and too few to harm."""

OLDER: Final = "Use an older copy of it."

_ONLINE: Final = frozenset({"snapshot", "timestamp"})


def behind(versions: Mapping[str, int], mark: HighWater) -> list[str]:
    """The roles of people that clients may know in a newer version than these; the timer's own go above by themselves.

    Args:
        versions: of each role, as they are or are to become.
    """
    return [role for role, n in mark.versions.items() if role not in _ONLINE and versions.get(role, 0) < n]


def stranded(versions: Mapping[str, int], waiting: Mapping[str, int], mark: HighWater) -> list[str]:
    """Those of `behind` for which nothing waits that would come up to the mark; `waiting`: versions of what waits."""
    return [role for role in behind(versions, mark) if waiting.get(role, 0) < mark.versions[role]]


def check_ahead(versions: Mapping[str, int], mark: HighWater, what: str, hint: str = OLDER) -> None:
    """Refuse a mark that is further ahead of the catalogue than can be; `what` names it, `hint` says what to do.

    Raises:
        SigningError: reason `bad-mark`.
    """
    for role, number in mark.versions.items():
        if number > versions.get(role, 0) + MOST_AHEAD:
            far = f"names version {number} of {role}, where the catalogue has {versions.get(role, 0)}"
            raise SigningError("bad-mark", f"{what} {far}: find out who wrote it. {hint}")


def check_ours(first_root: bytes, mark: HighWater) -> None:
    """Refuse the mark of another catalogue. Raises SigningError: reason `bad-mark`."""
    if mark.roots and mark.roots.get("1", "").encode() != first_root:
        what = "The high-water mark is that of another catalogue, with another first root."
        raise SigningError("bad-mark", f"{what} Move it away, or name another file by high_water.")


def refusal(roles: Iterable[str]) -> SigningError:
    """What is said where the catalogue is behind, and nothing waits that would lift it."""
    what = f"{', '.join(sorted(roles))}: clients may have seen a newer version, by the high-water mark"
    return SigningError("behind-mark", f"{what}. 'spot-mirror restore --above' stages what has to be signed above it.")
