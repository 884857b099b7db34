"""Who signs for which role, changed: a key that was lost or stolen, one that is to be new, other thresholds.

A product's key that was stolen may have signed versions far ahead (a fast-forward), which clients hold to. Only other
keys for snapshot and timestamp undo that: a client then forgets what it had of both (TUF specification §5.3.11), and
with it the versions of all roles. So these two are exchanged with any key of people.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial

import msgspec
from tuf.api.metadata import Root, Targets

from mirror.errors import SigningError
from mirror.signing import roles, stage
from mirror.signing.draft import Draft
from mirror.signing.founding import holders
from mirror.signing.means import Signing
from mirror.signing.ring import Ring
from mirror.signing.roles import Keyholders
from mirror.signing.stage import Settled
from mirror.signing.staged import Change
from mirror.signing.switch import changing
from mirror.signing.terms import ONLINE


class Role(msgspec.Struct, frozen=True):
    """Who signs for a role: `threshold` of the keys `keyids`."""

    name: str
    threshold: int
    keyids: tuple[str, ...]


def listing(draft: Draft) -> Iterator[Role]:
    """Every role of the catalogue that clients see."""
    yield from _listed(draft.known.root, draft.known.targets)


def replace(signing: Signing, old: str, new: str, online: Callable[[], Mapping[str, str]]) -> Settled:
    """Stage `new` in place of the key `old` wherever it signs.

    Args:
        online: makes the next keys of `snapshot` and `timestamp` and gives their names by role; asked where a key of
            people other than root's is replaced.

    Raises:
        SigningError: reason `no-key`, `same-key`, `not-in-use`, `shared-key` (`new` would speak for roles that have to
            be apart), or `bad-threshold`: fewer keys would be left than have to sign.
        Busy, CatalogueFault: as they say.
    """
    with changing(signing.place):
        draft = Draft(signing)
        gone, fresh = signing.ring.key(old).verifier, signing.ring.key(new).verifier
        if gone.keyid == fresh.keyid:
            raise SigningError("same-key", f"{old} would be in place of itself: make a new key with 'keys create'.")
        affected = [one.name for one in _next(draft) if gone.keyid in one.keyids]
        if not affected:
            raise SigningError("not-in-use", f"{old} signs for no role: 'spot-mirror keys list' tells who does.")
        changes = {}
        for role in affected:
            root, targets = _delegators(draft)
            last = roles.holders_of(root if role in roles.TOP_ROLES else targets, role)
            kept = tuple(key for key in last.keys if key.keyid not in {gone.keyid, fresh.keyid})
            if last.threshold > len(kept) + 1:
                raise SigningError("bad-threshold", f"{new} signs for {role} already, and too few keys would be left.")
            changes[role] = Keyholders(last.threshold, (*kept, fresh))
        if not set(affected) <= {"root", *ONLINE}:
            changes |= {role: holders(signing.ring, 1, (name,)) for role, name in online().items()}
        change = draft.change("", f"{new} in place of {old}")
        _reassign(signing, draft, changes, change)
        return stage.settle(signing, draft.known, draft.staged, None)


def rotate(signing: Signing, online: Callable[[], Mapping[str, str]]) -> Settled:
    """Stage new keys for snapshot and timestamp, and nothing else: `online` makes them, as in `replace`.

    Raises:
        Busy, SigningError, CatalogueFault: as they say.
    """
    with changing(signing.place):
        draft = Draft(signing)
        changes = {role: holders(signing.ring, 1, (name,)) for role, name in online().items()}
        _reassign(signing, draft, changes, draft.change("", "new keys for snapshot and timestamp"))
        return stage.settle(signing, draft.known, draft.staged, None)


def assign(signing: Signing, role: str, threshold: int, names: tuple[str, ...]) -> Settled:
    """Stage other keys or another threshold for a role.

    Raises:
        SigningError: reason `no-role`, `no-key`, `shared-key` or `bad-threshold`.
        Busy, CatalogueFault: as they say.
    """
    with changing(signing.place):
        draft = Draft(signing)
        if role not in {one.name for one in _next(draft)}:
            raise SigningError("no-role", f"There is no role {role!r}: 'spot-mirror keys list' tells which there are.")
        change = draft.change("", f"{role}: {threshold} of {', '.join(names)}")
        wanted = {role: holders(signing.ring, threshold, names)}
        _reassign(signing, draft, wanted, change)
        return stage.settle(signing, draft.known, draft.staged, None)


def renew(signing: Signing, only: Collection[str] | None) -> Settled:
    """Stage every statement of people anew that is due, or of these roles in any case, and sign for whoever is here.

    What waits already holds changes to look at: that is for `approve`.

    Raises:
        SigningError: reason `no-role`, or as `people.choose`.
        PassphraseError, Busy, CatalogueFault: as they say.
    """
    with changing(signing.place):
        draft = Draft(signing)
        known = {role: one for role, one in draft.known.roles.items() if role not in ONLINE}
        unknown = set(only or ()) - known.keys()
        if unknown:
            raise SigningError("no-role", f"People sign for no role {min(unknown)!r}.")
        now = signing.clock()
        due = {role for role, one in known.items() if signing.terms.is_due(role, one.expires, now)}
        wanted = (set(only) if only is not None else due) - draft.staged.statements.keys()
        _renew(signing, draft, {role: draft.change(role, f"{role}: signed anew") for role in sorted(wanted)})
        return draft.settle(wanted)


def _next(draft: Draft) -> Iterator[Role]:
    """Every role as it is to become: what was replaced already, and waits, stays replaced."""
    return _listed(*_delegators(draft))


def _delegators(draft: Draft) -> tuple[Root, Targets]:
    staged, known = draft.staged, draft.known
    return staged.root(known) or known.root, staged.targets("targets", known) or known.targets


def _listed(root: Root, targets: Targets) -> Iterator[Role]:
    for role, line in root.roles.items():
        yield Role(role, line.threshold, tuple(line.keyids))
    for role, below in sorted(roles.delegated(targets).items()):
        yield Role(role, below.threshold, tuple(below.keyids))


def next_names(*rings: Ring) -> dict[str, str]:
    """Names for new keys of snapshot and timestamp that are free in all rings."""
    found = {}
    for role in sorted(ONLINE):
        number = 2
        while any(f"{role}-{number}" in ring.keys for ring in rings):
            number += 1
        found[role] = f"{role}-{number}"
    return found


def _reassign(signing: Signing, draft: Draft, changes: Mapping[str, Keyholders], change: Change) -> None:
    """Let other keys speak for roles. What the old ones signed, the new ones are to sign anew: that is staged, too."""
    known, staged = draft.known, draft.staged
    root, targets = stage.next_root(signing, known, staged), stage.next_targets(signing, known, staged, "targets")
    top = {role: who for role, who in changes.items() if role in roles.TOP_ROLES}
    below = {role: who for role, who in changes.items() if role not in roles.TOP_ROLES}
    for role, who in top.items():
        roles.assign(root, role, who)
    for role, who in below.items():
        roles.assign(targets, role, who)
    for keyid, found in roles.shared(root, targets).items():
        what = f"{signing.ring.name(keyid) or keyid[:12]} would speak for {' and '.join(found)}"
        hint = "Root, snapshot, timestamp and people have keys of their own: 'keys create' makes another one."
        raise SigningError("shared-key", f"{what}: whoever had that key would have both. {hint}")
    if top:
        staged.put("root", root, msgspec.structs.replace(change, role="root"))
    if below or "targets" in top:
        staged.put("targets", targets, msgspec.structs.replace(change, role="targets"))
    _renew(signing, draft, {role: msgspec.structs.replace(change, role=role) for role in below})


def _renew(signing: Signing, draft: Draft, changes: Mapping[str, Change]) -> None:
    """Stage the next version of these roles, with nothing changed but how long they hold."""
    for role, change in changes.items():
        following = stage.next_root if role == "root" else partial(stage.next_targets, role=role)
        draft.staged.put(role, following(signing, draft.known, draft.staged), change)
