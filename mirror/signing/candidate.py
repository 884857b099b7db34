"""Which of what waits can become visible: all that enough people have signed, so far as the whole then still holds.

A new root or targets may change who speaks for other roles. It counts only together with statements of those roles that
the new keyholders have signed: a catalogue whose roles do not all verify, or in which one key speaks for roles that
have to be apart, is never put up. TUF specification §5.3.4 (a new root is signed by the old and by the new keyholders),
§5.6.3. Pure.
"""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Final, cast

import msgspec
from tuf.api.metadata import Metadata, Root, Targets

from mirror.catalogue import Chain
from mirror.signing import roles
from mirror.signing.staged import Staged, Statement

Published = Callable[[str], Metadata[Targets]]
"""The statement of a role as it is visible now, with its signatures."""

_DELEGATORS: Final = ("root", "targets")


class Candidate(msgspec.Struct, frozen=True):
    """What the catalogue would become. `changed`: the statements that it gains, by role."""

    root: Root
    targets: Targets
    delegated: dict[str, Targets]
    changed: dict[str, Statement]


class Wait(msgspec.Struct, frozen=True):
    """What a statement waits for: `missing` more signatures, by any of `keyids`; `signed` have signed already.

    `ready`: it becomes visible at the next turn (`mirror.signing.visible.waiting`); one that is complete may still wait
    for others that it belongs with.
    """

    role: str
    missing: int
    keyids: tuple[str, ...]
    signed: tuple[str, ...]
    ready: bool = False


def candidate(chain: Chain | None, staged: Staged, published: Published) -> Candidate | None:
    """The most that can become visible, or None if nothing can."""
    choices = [(True, False) if role in staged.statements else (False,) for role in _DELEGATORS]
    for with_root, with_targets in sorted(product(*choices), reverse=True):
        found = _candidate(chain, staged, published, with_root=with_root, with_targets=with_targets)
        if found is not None:
            return found if found.changed else None
    return None


def waits(chain: Chain | None, staged: Staged) -> list[Wait]:
    """What each statement still waits for, in the order in which they would be signed; complete ones wait for 0."""
    ordered = sorted(staged.statements, key=lambda role: (role not in _DELEGATORS, role != "root", role))
    return [_wait(role, staged.statements[role], delegators(role, chain, staged)) for role in ordered]


def delegators(role: str, chain: Chain | None, staged: Staged) -> tuple[Root | Targets, ...]:
    """Who has to be satisfied with the signatures on the next version of a role."""
    root, targets = staged.root(chain), staged.targets("targets", chain)
    if role == "root":
        both = (chain.root if chain else None, root)
        return tuple(one for one in both if one is not None)
    delegator: Root | Targets | None = root if role == "targets" else targets
    return (delegator,) if delegator is not None else ()


def _wait(role: str, statement: Statement, witnesses: Iterable[Root | Targets]) -> Wait:
    results = [one.get_verification_result(role, statement.signed_bytes, statement.signatures) for one in witnesses]
    unsigned = {keyid for result in results for keyid in result.unsigned if not result.verified}
    signed = {keyid for result in results for keyid in result.signed}
    missing = max((result.missing for result in results), default=0)
    return Wait(role, missing, tuple(sorted(unsigned)), tuple(sorted(signed)))


def _candidate(
    chain: Chain | None, staged: Staged, published: Published, *, with_root: bool, with_targets: bool
) -> Candidate | None:
    changed: dict[str, Statement] = {}
    root = chain.root if chain else None
    if with_root:
        changed["root"] = staged.statements["root"]
        root = cast("Root", changed["root"].signed)
        if not all(_verifies("root", changed["root"], one) for one in delegators("root", chain, staged)):
            return None
    if root is None:
        return None
    top = staged.statements["targets"] if with_targets else published("targets") if chain else None
    if top is None or not _verifies("targets", top, root):
        return None
    targets = cast("Targets", top.signed)
    if (with_root or with_targets) and roles.shared(root, targets):
        return None
    if with_targets:
        changed["targets"] = top
    delegated = _delegated(chain, staged, published, targets, changed)
    return None if delegated is None else Candidate(root, targets, delegated, changed)


def _delegated(
    chain: Chain | None, staged: Staged, published: Published, targets: Targets, changed: dict[str, Statement]
) -> dict[str, Targets] | None:
    """The delegated roles; those that wait and are signed go into `changed`. None if one would not verify."""
    found: dict[str, Targets] = {}
    for role in roles.delegated(targets):
        waiting = staged.statements.get(role)
        if waiting is not None and _verifies(role, waiting, targets):
            changed[role] = waiting
            found[role] = cast("Targets", waiting.signed)
        elif chain is not None and role in chain.products and _verifies(role, published(role), targets):
            found[role] = chain.products[role]
        else:
            return None
    return found


def _verifies(role: str, statement: Statement, delegator: Root | Targets) -> bool:
    return delegator.get_verification_result(role, statement.signed_bytes, statement.signatures).verified
