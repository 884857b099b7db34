"""TUF statements, made and changed: values in, values out; nothing here signs or touches the disk.

Roles: root, targets, snapshot and timestamp; and those that targets delegates, each terminating (`*` in a path does not
cross a `/`):

    P        a product: P/*/index.json.zst, P/baselines.json.zst
    halts    halts/*.json.zst: stops releases, can offer none
    house    house/trust.json: the official mirrors and their pins

Consistent snapshots (TUF §6.2): each file but the timestamp has its version in its name, and snapshot and timestamp
carry length and SHA-256 of what they name.
"""

import copy
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, TypeVar

import msgspec
from securesystemslib.signer import SSlibKey
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, MetaFile, Role, Root, Snapshot, Targets, Timestamp

from mirror.errors import SigningError
from mirror.signing.terms import Terms
from spot_client.wire import baselines, halts, index, trust

TOP_ROLES: Final = ("root", "targets", "snapshot", "timestamp")
OWN_ROLES: Final = (halts.ROLE, trust.ROLE)
"""Delegated roles that every catalogue has from the beginning."""

OFFLINE: Final = "x-spot-offline"
"""A field of the timestamp of an offline set, which clients refuse from a mirror and demand of a folder."""

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


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


def first(holders: Mapping[str, Keyholders], terms: Terms, now: datetime) -> dict[str, Root | Targets]:
    """The first root, targets, halts and house, not signed yet; `holders` by role, of `TOP_ROLES` and `OWN_ROLES`."""
    root = Root(version=1, expires=terms.expiry("root", now), consistent_snapshot=True)
    for role in TOP_ROLES:
        root.roles[role] = Role([], 1)
        assign(root, role, holders[role])
    targets = Targets(version=1, expires=terms.expiry("targets", now), delegations=Delegations({}, {}))
    made: dict[str, Root | Targets] = {"root": root, "targets": targets}
    for role in OWN_ROLES:
        delegate(targets, role, holders[role])
        made[role] = Targets(version=1, expires=terms.expiry(role, now))
    return made


def successor(signed: S, role: str, terms: Terms, now: datetime, floor: int = 0) -> S:
    """The next version of a statement, above `floor`."""
    newer = copy.deepcopy(signed)
    newer.version = max(signed.version, floor) + 1
    newer.expires = terms.expiry(role, now)
    return newer


def delegate(targets: Targets, role: str, holders: Keyholders) -> None:
    """Let `targets` delegate to a role, or change who speaks for it."""
    known = delegated(targets)
    if role not in known:
        known[role] = DelegatedRole(role, [], 1, True, paths(role))
    assign(targets, role, holders)


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


def delegated(targets: Targets) -> dict[str, DelegatedRole]:
    """The roles that targets delegates, by name.

    Raises:
        SigningError: reason `other-keys`, for a catalogue that is not one of ours.
    """
    if targets.delegations is None or targets.delegations.roles is None:
        raise SigningError("other-keys", "The catalogue's targets role delegates nothing: it is not one of ours.")
    return targets.delegations.roles


def next_snapshot(
    snapshot: Snapshot | None, changed: Iterable[tuple[str, int, bytes]], until: datetime, floor: int = 0
) -> Snapshot:
    """The snapshot after `snapshot` and above `floor`, with these roles, versions and bytes in it."""
    newer = Snapshot(version=1, meta={}) if snapshot is None else copy.deepcopy(snapshot)
    newer.version = max(snapshot.version if snapshot else 0, floor) + 1
    newer.expires = until
    for role, version, raw in changed:
        newer.meta[f"{role}.json"] = MetaFile.from_data(version, raw, ["sha256"])
    return newer


def next_timestamp(
    timestamp: Timestamp | None, snapshot: tuple[int, bytes], until: datetime, floor: int = 0
) -> Timestamp:
    """The timestamp after `timestamp` and above `floor`; it leads to the snapshot of that version and these bytes."""
    version = max(timestamp.version if timestamp else 0, floor) + 1
    return Timestamp(version=version, expires=until, snapshot_meta=MetaFile.from_data(*snapshot, ["sha256"]))


def signers_of(role: str, metadata: Metadata[Root] | Metadata[Targets], delegator: Root | Targets) -> frozenset[str]:
    """The ids of the keys of `role` whose signatures on a statement are good, as `delegator` has them."""
    found = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    return frozenset(found.signed)
