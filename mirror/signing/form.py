"""What every statement must be that people are asked to sign, whatever it changes. Pure.

What waits is a file on the mirror's disk: whoever took the mirror over may have written it. So nothing may stand in it
that whoever approves is not shown: it follows on what is published, delegates to each role no more than its own paths,
names no key twice, holds no longer than usual, and has no field that is not ours. Keys are shown by their ids, so an id
is that of its key, always: TUF leaves that open.
"""

from collections.abc import Mapping
from datetime import datetime

from tuf.api.metadata import Key, Root, Targets

from mirror.errors import Conflict
from mirror.signing import keys as keys_of
from mirror.signing import roles
from mirror.signing.terms import Terms
from spot_client.wire import names
from spot_client.wire.digest import SHA256_HEX
from spot_client.wire.errors import BadName


def check(role: str, new: Root | Targets, *, last: int, floor: int) -> None:
    """Refuse a statement that is not of our form.

    Args:
        last: the version that is published, 0 if none is; floor: the one that a restore has to be signed above.

    Raises:
        Conflict: reason `bad-statement`.
    """
    most = last + 1 if isinstance(new, Root) else max(last, floor) + 1
    if not last < new.version <= most:
        raise _bad(role, f"has the version {new.version}, where {most} would follow")
    if new.unrecognized_fields:
        raise _bad(role, f"has a field of its own, {min(new.unrecognized_fields)[:80]!r}")
    if isinstance(new, Root):
        _check_keys(role, new.keys)
        for name, line in new.roles.items():
            _check_threshold(role, name, line.threshold, line.keyids)
            if line.unrecognized_fields:
                raise _bad(role, f"has a field of its own in {name}")
        if not new.consistent_snapshot:
            raise _bad(role, "would have files without versions in their names")
    elif role == "targets":
        _check_delegations(new)
    elif new.delegations is not None:
        raise _bad(role, "delegates to others")
    else:
        _check_targets(role, new)


def check_apart(role: str, root: Root, targets: Targets) -> None:
    """Refuse a statement of `role` by which one key would speak for roles that have to be apart.

    Raises:
        Conflict: reason `bad-statement`.
    """
    for keyid, found in roles.shared(root, targets).items():
        raise _bad(role, f"lets one key, {keyid[:12]}, speak for {' and '.join(found)}")


def check_expiry(role: str, expires: datetime, terms: Terms, now: datetime) -> None:
    """Refuse a statement that has lapsed, or would hold for longer than `terms` say. Times: UTC.

    Raises:
        Conflict: reason `bad-statement`.
    """
    odd = terms.oddity(role, expires, now)
    if odd is not None:
        raise _bad(role, odd)


def _check_delegations(targets: Targets) -> None:
    if targets.delegations is None or targets.delegations.roles is None:
        raise _bad("targets", "delegates nothing")
    if targets.delegations.unrecognized_fields:
        raise _bad("targets", "has a field of its own beside who signs for what")
    _check_keys("targets", targets.delegations.keys)
    for name, line in targets.delegations.roles.items():
        try:
            _ = name in roles.OWN_ROLES or names.check_product(name)
        except BadName as error:
            raise _bad("targets", f"has a role that is none of ours. {error}") from error
        _check_threshold("targets", name, line.threshold, line.keyids)
        usual = line.terminating and line.path_hash_prefixes is None and not line.unrecognized_fields
        if not usual or line.paths not in (roles.paths(name), roles.paths(name)[:1]):
            raise _bad("targets", f"lets {name} speak of more than its own")


def _check_keys(role: str, keys: Mapping[str, Key]) -> None:
    public = [key.keyval.get("public", "") for key in keys.values()]
    if len(public) != len(set(public)):
        raise _bad(role, "names one key twice")
    for keyid, key in keys.items():
        found = key.keyval.get("public", "")
        ours = keys_of.Key(found).verifier if SHA256_HEX.fullmatch(found) else None  # as long as a digest
        if ours is None or ours.keyid != keyid or ours.to_dict() != key.to_dict():
            raise _bad(role, f"has a key under an id that is not its own, {keyid[:80]!r}")


def _check_targets(role: str, targets: Targets) -> None:
    for path, target in targets.targets.items():
        if target.hashes.keys() != {"sha256"} or target.unrecognized_fields or target.path != path:
            raise _bad(role, f"lists {path[:120]!r} in a way that is not ours")


def _check_threshold(role: str, name: str, threshold: int, keyids: list[str]) -> None:
    if not 1 <= threshold <= len(set(keyids)):
        raise _bad(role, f"asks for {threshold} of {len(set(keyids))} signatures for {name}")


def _bad(role: str, what: str) -> Conflict:
    return Conflict("bad-statement", f"What waits for {role} {what}: it must not be signed. 'discard' forgets it.")
