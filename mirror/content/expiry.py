"""What lapses, and how soon: the catalogue's statements, the revocation lists, the issuing CAs. Pure.

A warning is due while there still is time to act: about a third of the usual life, and a year for an issuing CA.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # a type only: what reads the disk is not loaded by this
    from mirror.content.memory import State

_WARN: Final = {"timestamp": timedelta(days=1), "snapshot": timedelta(days=2)}
_WARN_ROLE: Final = timedelta(days=30)
_WARN_CRL: Final = timedelta(days=10)
_WARN_ISSUER: Final = timedelta(days=365)
_RESIGN: Final = "Run 'spot-mirror resign'."


def warnings(state: "State", now: datetime) -> tuple[str, ...]:
    """One sentence for everything that has lapsed or soon will, with the next step."""
    world, renew = state.world, "Run 'spot-ca crl' and bring the list here."
    dated = [(f"The catalogue's {role}", end, _WARN.get(role, _WARN_ROLE), _step(role)) for role, end in _roles(state)]
    dated += [("A revocation list", crl.next_update, _WARN_CRL, renew) for crl in world.revocations.values()]
    dated += [
        ("An issuing CA's certificate", issuer.not_after, _WARN_ISSUER, "Plan its successor.")
        for issuer in world.issuers.values()
    ]
    return tuple(_sentence(what, end, step, now) for what, end, before, step in dated if end - now < before)


def good_until(state: "State") -> tuple[datetime, datetime]:
    """When the first of the catalogue's statements lapses, and the first of the revocation lists."""
    return min(moment for _, moment in _roles(state)), min(crl.next_update for crl in state.world.revocations.values())


def _roles(state: "State") -> list[tuple[str, datetime]]:
    return sorted(state.catalogue.expires.items())


def _step(role: str) -> str:
    if role in _WARN:
        return _RESIGN
    return "Publish a release of it again." if role not in {"root", "targets"} else "Sign it anew."


def _sentence(what: str, end: datetime, step: str, now: datetime) -> str:
    word = "has lapsed on" if end <= now else "lapses on"
    return f"{what} {word} {end:%Y-%m-%d %H:%M} UTC. {step}"
