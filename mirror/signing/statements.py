"""TUF statements, made one after another: values in, values out; nothing here signs or touches the disk.

Consistent snapshots (TUF §6.2): each file but the timestamp has its version in its name, and snapshot and timestamp
carry length and SHA-256 of what they name.
"""

import copy
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from tuf.api.metadata import Delegations, MetaFile, Role, Root, Snapshot, Targets, Timestamp

from mirror.signing.roles import OWN_ROLES, TOP_ROLES, Keyholders, assign, delegate
from mirror.signing.terms import Terms

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


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
