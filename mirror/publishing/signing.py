"""The signing side of the catalogue, and the only user of TUF's. Values in, bytes out: nothing here touches the disk.

Roles: root, targets, snapshot and timestamp, and one a product `P`, which targets delegates `P/*/index.json.zst` to,
terminating (`*` does not cross a `/`). Consistent snapshots (TUF §6.2): each file but the timestamp has its version in
its name, and snapshot and timestamp carry length and SHA-256 of what they name. Every signature is checked against the
catalogue's own keys before it leaves this room, so keys of another catalogue are noticed here and not at a customer's.

What is due: a statement that has less than a third of its life left (30 days at most), or more than a whole life (its
signer's clock was ahead).
"""

import copy
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, TypeVar

import msgspec
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from mirror.catalogue import MAX_METADATA_BYTES, Chain
from mirror.errors import SigningError
from mirror.publishing.keys import Ring
from spot_client.wire import index

TOP_ROLES: Final = ("root", "targets", "snapshot", "timestamp")

_LIFETIMES = {"root": timedelta(days=365), "snapshot": timedelta(days=7), "timestamp": timedelta(days=3)}
_LIFETIME = timedelta(days=365)  # of targets and of products
_SLACK = timedelta(hours=1)  # by which two clocks may differ

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)
Files = dict[str, bytes]
"""Catalogue files by name, in the order they have to be written: `timestamp.json`, which makes them count, is last."""


def first(ring: Ring, now: datetime) -> Files:
    """The files of a new catalogue that offers nothing yet.

    Raises:
        SigningError, PassphraseError: as `Ring.signers`.
    """
    root = Root(version=1, expires=_expiry("root", now), consistent_snapshot=True)
    for role in TOP_ROLES:
        root.roles[role] = Role([], ring.threshold(role))
        for key in ring.public(role):
            root.add_key(key, role)
    snapshot = Snapshot(version=1, expires=_expiry("snapshot", now), meta={})
    timestamp = Timestamp(version=1, expires=_expiry("timestamp", now))
    targets = Targets(version=1, expires=_expiry("targets", now), delegations=Delegations({}, {}))
    written = {"1.root.json": _sign(root, "root", root, ring)}
    return written | _publish(Chain(root, timestamp, snapshot, targets, {}), {"targets": targets}, ring)


def offer(chain: Chain, ring: Ring, component: tuple[str, str], packed: bytes, now: datetime) -> Files:
    """The files by which `chain` comes to offer `packed` as the index of `component`, a (product, component).

    Targets is signed anew where the product is new to it, or where it is due.

    Raises:
        SigningError: reason `other-keys` (the ring's keys are not the catalogue's), or as `Ring.signers`.
        PassphraseError: the passphrase is missing or wrong.
    """
    product, _ = component
    target = TargetFile.from_data(index.target_path(*component), packed, ["sha256"])
    known = chain.products.get(product)
    changed: dict[str, Targets] = {}
    if known is None or due("targets", chain.targets.expires, now):
        changed["targets"] = _next(chain.targets, "targets", now)
    if known is None:
        ring.add(product)
        _delegate(changed["targets"], ring, product)
        changed[product] = Targets(version=1, expires=_expiry(product, now))
    else:
        changed[product] = _next(known, product, now)
    changed[product].targets[target.path] = target
    return {f"targets/{target.get_prefixed_paths()[0]}": packed} | _publish(_turned(chain, now), changed, ring)


def resign(chain: Chain, ring: Ring, now: datetime) -> Files:
    """Snapshot and timestamp, signed anew. Raises as `offer`."""
    return _publish(_turned(chain, now), {}, ring)


def due(role: str, expires: datetime, now: datetime) -> bool:
    """Whether the statement of `role` should be signed anew."""
    lifetime = _LIFETIMES.get(role, _LIFETIME)
    left = expires - now
    return left < min(lifetime / 3, timedelta(days=30)) or left > lifetime + _SLACK


def reminders(chain: Chain, now: datetime) -> Iterator[str]:
    """A sentence for each statement that people must sign soon (all but snapshot and timestamp)."""
    for role, signed in chain.roles.items():
        if role not in {"snapshot", "timestamp"} and due(role, signed.expires, now):
            yield f"The catalogue's {role} metadata lapses on {signed.expires:%Y-%m-%d}: it must be signed anew."


def _publish(chain: Chain, changed: dict[str, Targets], ring: Ring) -> Files:
    """Sign what changed, and the snapshot and timestamp of `chain`, which are changed to lead to it."""
    written: Files = {}
    targets = changed.get("targets", chain.targets)
    for role, signed in changed.items():
        raw = _sign(signed, role, chain.root if role == "targets" else targets, ring)
        written[f"{signed.version}.{role}.json"] = raw
        chain.snapshot.meta[f"{role}.json"] = MetaFile.from_data(signed.version, raw, ["sha256"])
    raw = _sign(chain.snapshot, "snapshot", chain.root, ring)
    written[f"{chain.snapshot.version}.snapshot.json"] = raw
    chain.timestamp.snapshot_meta = MetaFile.from_data(chain.snapshot.version, raw, ["sha256"])
    written["timestamp.json"] = _sign(chain.timestamp, "timestamp", chain.root, ring)
    return written


def _turned(chain: Chain, now: datetime) -> Chain:
    """`chain` with a next snapshot and timestamp, not signed yet."""
    snapshot, timestamp = _next(chain.snapshot, "snapshot", now), _next(chain.timestamp, "timestamp", now)
    return msgspec.structs.replace(chain, snapshot=snapshot, timestamp=timestamp)


def _next(signed: S, role: str, now: datetime) -> S:
    newer = copy.deepcopy(signed)
    newer.version += 1
    newer.expires = _expiry(role, now)
    return newer


def _expiry(role: str, now: datetime) -> datetime:
    return now + _LIFETIMES.get(role, _LIFETIME)


def _delegate(targets: Targets, ring: Ring, product: str) -> None:
    if targets.delegations is None or targets.delegations.roles is None:
        raise SigningError("other-keys", "The catalogue's targets role delegates nothing: it is not one of ours.")
    paths = [index.target_path(product, "*")]
    targets.delegations.roles[product] = DelegatedRole(product, [], ring.threshold(product), True, paths)
    for key in ring.public(product):
        targets.add_key(key, product)


def _sign(signed: S, role: str, delegator: Root | Targets, ring: Ring) -> bytes:
    metadata = Metadata(signed)
    for signer in ring.signers(role):
        metadata.sign(signer, append=True)
    try:
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError as error:
        raise SigningError(
            "other-keys", f"The signing keys for {role} are not those of the catalogue: restore the right ones."
        ) from error
    raw = metadata.to_bytes()
    if len(raw) > MAX_METADATA_BYTES[signed.type]:
        raise SigningError("too-large", f"The {role} metadata would have {len(raw)} bytes, more than clients accept.")
    return raw
