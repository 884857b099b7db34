"""Who speaks for what in the catalogue: values in, values out; nothing here signs or touches the disk.

Roles: root, targets, snapshot and timestamp; and those that targets delegates, each terminating (`*` in a path does not
cross a `/`):

    P        a product: P/*/index.json.zst, P/baselines.json.zst
    halts    halts/*.json.zst: stops releases, can offer none
    house    house/trust.json: the official mirrors and their pins
"""

from typing import Final

import msgspec
from securesystemslib.signer import SSlibKey
from tuf.api.metadata import DelegatedRole, Root, Targets

from mirror.errors import SigningError
from spot_client.wire import baselines, halts, index, trust

TOP_ROLES: Final = ("root", "targets", "snapshot", "timestamp")
OWN_ROLES: Final = (halts.ROLE, trust.ROLE)
"""Delegated roles that every catalogue has from the beginning."""

KEPT: Final = ("targets", *OWN_ROLES)
"""Roles whose newest statement holds after a restore, too, as it was signed."""

_APART: Final = frozenset({"root", "snapshot", "timestamp"})

OFFLINE: Final = "x-spot-offline"
"""A field of the timestamp of an offline set, which clients refuse from a mirror and demand of a folder."""


class Keyholders(msgspec.Struct, frozen=True):
    """The keys of a role, and how many of them have to sign."""

    threshold: int
    keys: tuple[SSlibKey, ...]


def paths(role: str) -> list[str]:
    """What a delegated role may speak of."""
    if role == halts.ROLE:
        return [halts.target_path("*")]
    if role == trust.ROLE:
        return [trust.PATH]
    return [index.target_path(role, "*"), baselines.target_path(role)]


def delegate(targets: Targets, role: str, holders: Keyholders) -> None:
    """Let `targets` delegate to a role, or change who speaks for it."""
    known = delegated(targets)
    if role not in known:
        known[role] = DelegatedRole(role, [], 1, True, paths(role))
    assign(targets, role, holders)


def withdraw(targets: Targets, role: str) -> None:
    """Delegate to a role no more."""
    for keyid in tuple(delegated(targets)[role].keyids):
        targets.revoke_key(keyid, role)
    del delegated(targets)[role]


def assign(delegator: Root | Targets, role: str, holders: Keyholders) -> None:
    """Put other keys in place of those that speak for a role."""
    line = delegator.get_delegated_role(role)
    for keyid in tuple(line.keyids):
        delegator.revoke_key(keyid, role)
    for key in holders.keys:
        delegator.add_key(key, role)
    line.threshold = holders.threshold


def holders_of(delegator: Root | Targets, role: str) -> Keyholders:
    """Who speaks for a role."""
    line = delegator.get_delegated_role(role)
    found = [delegator.get_key(keyid) for keyid in line.keyids]
    return Keyholders(line.threshold, tuple(key for key in found if isinstance(key, SSlibKey)))


def shared(root: Root, targets: Targets) -> dict[str, tuple[str, ...]]:
    """The keys, by id, that speak for roles which have to be apart, and for which.

    Root, snapshot and timestamp have keys of their own, so that who has one of them has no other. A person's key may
    speak for targets and all that it delegates.
    """
    lines = [(role, line.keyids) for role, line in root.roles.items()]
    lines += [(role, line.keyids) for role, line in delegated(targets).items()]
    found: dict[str, dict[str, str]] = {}
    for role, keyids in lines:
        kind = role if role in _APART else "people"
        for keyid in keyids:
            found.setdefault(keyid, {}).setdefault(kind, role)
    return {keyid: tuple(sorted(kinds.values())) for keyid, kinds in found.items() if len(kinds) > 1}


def delegated(targets: Targets) -> dict[str, DelegatedRole]:
    """The roles that targets delegates, by name.

    Raises:
        SigningError: reason `other-keys`, for a catalogue that is not one of ours.
    """
    if targets.delegations is None or targets.delegations.roles is None:
        raise SigningError("other-keys", "The catalogue's targets role delegates nothing: it is not one of ours.")
    return targets.delegations.roles
