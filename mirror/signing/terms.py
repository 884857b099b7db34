"""How long the catalogue's statements hold, and when each is due to be signed anew. Pure."""

from datetime import datetime, timedelta
from typing import Final

import msgspec

ONLINE: Final = frozenset({"snapshot", "timestamp"})
"""The roles that a timer signs; all others are signed by people."""

_SLACK = timedelta(hours=1)  # by which two clocks may differ
_LEEWAY = timedelta(days=1)  # by which they may differ before a statement is not signed


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How long statements hold. `every`: how old a timestamp becomes before the timer signs the next.

    The timestamp's life is how long a mirror that was taken over can hide news; `every` and the life of the snapshot
    decide how long the timer may be away.
    """

    root: timedelta = timedelta(days=365)
    targets: timedelta = timedelta(days=365)
    products: timedelta = timedelta(days=365)
    snapshot: timedelta = timedelta(days=7)
    timestamp: timedelta = timedelta(days=3)
    every: timedelta = timedelta(hours=6)

    def life(self, role: str) -> timedelta:
        """How long a statement of `role` holds from its signing on."""
        match role:
            case "root" | "targets" | "snapshot" | "timestamp":
                found: timedelta = getattr(self, role)
                return found
            case _:
                return self.products

    def expiry(self, role: str, now: datetime) -> datetime:
        """When a statement of `role` that is signed now lapses, UTC, to the second."""
        return now.replace(microsecond=0) + self.life(role)

    def is_due(self, role: str, expires: datetime, now: datetime) -> bool:
        """Whether a statement should be signed anew: a third of its life is left, or its signer's clock was ahead."""
        left = expires - now
        return left < self.life(role) / 3 or left > self.life(role) + _SLACK

    def is_turn(self, expires: datetime, now: datetime) -> bool:
        """Whether the timer's turn has come to sign a new timestamp in place of one that lapses at `expires`."""
        age = now - (expires - self.timestamp)
        return age >= self.every or age < -_SLACK

    def oddity(self, role: str, expires: datetime, now: datetime) -> str | None:
        """What is wrong with how long a statement of `role` is to hold, in words; None if nothing is."""
        if expires <= now:
            return f"has lapsed on {expires:%Y-%m-%d %H:%M} UTC"
        life = self.life(role)
        if expires - now > life + _LEEWAY:
            return f"would hold until {expires:%Y-%m-%d}, and {life.days} days are the most"
        return None
