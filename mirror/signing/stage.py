"""Changes of the catalogue, staged: a file that a role lists, who signs for a role, a statement signed anew.

Each call changes what waits in memory only; `settle` signs for whoever is here, writes it down, and makes visible what
enough people have signed, if the online keys are at hand.
"""

import copy
from collections.abc import Collection
from typing import cast

import msgspec
from tuf.api.metadata import Root, TargetFile, Targets

from mirror.catalogue import Chain
from mirror.errors import SigningError
from mirror.signing import bounds, marks, people, proposal, roles, statements
from mirror.signing.candidate import Wait
from mirror.signing.means import Signing
from mirror.signing.staged import Change, Staged
from mirror.signing.visible import Shown, show, waiting


class Settled(msgspec.Struct, frozen=True):
    """What came of a change: the roles that were signed for, what became visible, and what waits for whom.

    `aside`: what waited, signed by nobody, and had to go for it, in words of whoever staged it.
    """

    signed: tuple[str, ...]
    shown: Shown | None
    waits: tuple[Wait, ...]
    aside: tuple[str, ...] = ()


def open_staged(signing: Signing) -> tuple[Chain | None, Staged]:
    """The catalogue that clients see, and what waits to follow on it; whoever changes it holds the lock."""
    known = proposal.chain(signing.place)
    found = proposal.read_staged(signing.place)
    found.follow(known)
    return known, found


def put_file(signing: Signing, known: Chain, staged: Staged, target: tuple[str, bytes], change: Change) -> None:
    """Let the role of `change` list a file, path and bytes, in place of the one of that path.

    A role that is new is delegated, to those who speak for targets.

    Raises:
        SigningError: reason `bad-staged`: the targets that wait would take the role away.
    """
    role = change.role
    if staged.targets(role, known) is None:
        _check_above(signing, role, 0)
        targets = next_targets(signing, known, staged, "targets")
        roles.delegate(targets, role, roles.holders_of(cast("Root", staged.root(known)), "targets"))
        staged.put("targets", targets, msgspec.structs.replace(change, role="targets", what=f"new: {role}", blobs=()))
        newer = first_targets(signing, role)
    else:
        _check_delegated(known, staged, role)
        newer = next_targets(signing, known, staged, role)
    path, raw = target
    file = TargetFile.from_data(path, raw, ["sha256"])
    newer.targets[path] = file
    staged.files[f"targets/{file.get_prefixed_paths()[0]}"] = raw
    staged.put(role, newer, change)


def _check_delegated(known: Chain, staged: Staged, role: str) -> None:
    targets = staged.targets("targets", known)
    if targets is None or role not in roles.delegated(targets):
        hint = "Find out who staged them; 'spot-mirror discard targets' forgets them."
        raise SigningError("bad-staged", f"The targets that wait would take the role {role} away. {hint}")


def first_targets(signing: Signing, role: str, floor: int = 0) -> Targets:
    """The first version of a delegated role, above `floor`."""
    return Targets(version=floor + 1, expires=signing.terms.expiry(role, signing.clock()))


def next_targets(signing: Signing, known: Chain | None, staged: Staged, role: str) -> Targets:
    """The next version of targets or of a role that it delegates, to be changed and put: of what waits, if it does.

    Raises:
        SigningError: reason `behind-mark`: clients saw a newer one, and what has to follow on that does not wait.
    """
    now = signing.clock()
    last = cast("Targets", staged.targets(role, known))
    if role in staged.statements:
        newer = copy.deepcopy(last)
        newer.expires = signing.terms.expiry(role, now)
        return newer
    _check_above(signing, role, last.version)
    return statements.successor(last, role, signing.terms, now)


def next_root(signing: Signing, known: Chain | None, staged: Staged) -> Root:
    """The next root, to be changed and put: of what waits, if it does. Raises SigningError: reason `no-catalogue`."""
    last = staged.root(known)
    if last is None:
        raise SigningError("no-catalogue", "There is no catalogue yet: make one with 'spot-mirror init'.")
    if "root" not in staged.statements:
        return statements.successor(last, "root", signing.terms, signing.clock())
    newer = copy.deepcopy(last)
    newer.expires = signing.terms.expiry("root", signing.clock())
    return newer


def delegate_no_more(known: Chain | None, staged: Staged, only: Collection[str]) -> None:
    """A product that was only to come is not delegated either: without its statement, targets could not be shown."""
    waiting = staged.statements.get("targets")
    if known is None or waiting is None or not isinstance(waiting.signed, Targets):
        return
    gone = set(only) & roles.delegated(waiting.signed).keys() - known.products.keys()
    if not gone:
        return
    targets = copy.deepcopy(waiting.signed)
    for role in gone:
        roles.withdraw(targets, role)
    staged.changes = [
        one for one in staged.changes if one.role != "targets" or one.what not in {f"new: {r}" for r in gone}
    ]
    if targets.delegations == known.targets.delegations:
        staged.drop(frozenset({"targets"}))
    else:
        staged.put("targets", targets)


def settle(
    signing: Signing, known: Chain | None, staged: Staged, signer: str | None, only: Collection[str] | None = None
) -> Settled:
    """Sign with the key `signer`, if any, write down what waits, and make visible what can be. The lock is held.

    Args:
        only: sign only for these roles.

    Raises:
        SigningError, PassphraseError, Conflict, CatalogueFault: as `people.sign` and `show`.
    """
    proposal.check(signing.place, known, staged, staged.statements)
    signed = people.sign(signing.ring, signer, known, staged, only) if signer is not None else []
    staged.save(signing.place.staged)
    shown = show(signing, signing.online, staged) if signing.online is not None else None
    return Settled(tuple(signed), shown, tuple(waiting(signing.place, proposal.chain(signing.place), staged)))


def _check_above(signing: Signing, role: str, last: int) -> None:
    """What is published is older than clients know: nothing may follow on it, whose halts and keys are as old."""
    if marks.floors(signing.place).versions.get(role, 0) > last:
        raise bounds.refusal([role])
