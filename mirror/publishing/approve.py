"""The second person's part: what waits is shown beside what is published, its bytes are hashed again, and it is signed.

Nothing is signed that would change what was published (`mirror.signing.review`), nor a release whose manifest or pack
is not there as it was signed for.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

import msgspec

from mirror.catalogue import Chain
from mirror.errors import BlobFault, Conflict, SigningError
from mirror.place import Place
from mirror.publishing import journal, stored
from mirror.publishing.journal import Journal
from mirror.publishing.tree import Progress
from mirror.publishing.turn import turn
from mirror.signing import form, papers, people, proposal, recovery, stage
from mirror.signing import staged as staged_file
from mirror.signing.candidate import Wait, waits
from mirror.signing.draft import is_named
from mirror.signing.means import Signing
from mirror.signing.review import Difference
from mirror.signing.ring import Ring
from mirror.signing.stage import Settled
from mirror.signing.staged import Staged
from mirror.signing.switch import changing
from mirror.signing.visible import waiting
from spot_client.wire.errors import WireError


class Forgotten(msgspec.Struct, frozen=True):
    """What was discarded: `changes` in words; `signed`: roles of the catalogue of which somebody had signed it.

    That revokes nothing. Whoever kept a copy with enough signatures can put it back, until there is a newer version.
    """

    changes: tuple[str, ...]
    signed: tuple[str, ...]


class Proposal(msgspec.Struct, frozen=True):
    """The next version of a role: until when it holds (UTC), what it changes, whose signatures it waits for."""

    role: str
    version: int
    until: datetime
    differences: tuple[Difference, ...]
    wait: Wait


def look(signing: Signing) -> tuple[Proposal, ...]:
    """What waits. Takes no lock and changes nothing. Raises Conflict, CatalogueFault, SigningError."""
    known, staged = proposal.chain(signing.place), proposal.read_staged(signing.place)
    staged.follow(known)
    return proposals(signing.place, signing.ring, known, staged, None)


def approve(
    signing: Signing,
    only: Collection[str] | None,
    agree: Callable[[tuple[Proposal, ...], str], bool],
    progress: Progress,
) -> Settled | None:
    """Sign what waits, or of that `only` these roles; None if there is nothing to sign, or `agree` says no.

    Args:
        agree: shown what would be signed, and whose key signs.

    Raises:
        Conflict: reason `changed-release`, `bad-target`, `bad-statement` (also if it has lapsed, or would hold too
            long), `changed-meanwhile`, or `not-stored`: what is to be released is not there as it was signed for.
        SigningError: as `people.choose`; reason `not-a-signer` also if no key here may sign; `nothing-waits`, for one
            of `only`.
        PassphraseError, Busy, CatalogueFault: as they say.
    """
    with changing(signing.place):
        known, staged = stage.open_staged(signing)
    _check_waiting(staged, only or ())
    found = proposals(signing.place, signing.ring, known, staged, only)
    if not found:
        return None
    name = people.choose(signing.ring, [one.wait for one in found], signing.signer)
    if name is None:
        raise people.nobody_here(signing.ring, [one.wait for one in found])
    keyid = signing.ring.key(name).verifier.keyid
    mine = tuple(one for one in found if keyid in one.wait.keyids)
    for one in mine:
        form.check_expiry(one.role, one.until, signing.terms, signing.clock())
        _check_stored(signing, one, progress)
    if not agree(mine, name):
        return None
    with changing(signing.place):
        again, now = stage.open_staged(signing)
        for one in mine:
            if now.payload(one.role) != staged.payload(one.role):
                raise Conflict("changed-meanwhile", f"What waits for {one.role} changed while you looked: look again.")
        return stage.settle(signing, again, now, name, {one.role for one in mine})


def discard(signing: Signing, only: Collection[str]) -> Forgotten:
    """Forget what waits for these roles, and remove what was stored for it.

    Raises:
        SigningError: reason `nothing-waits` (for one of them), `half-a-change`: other roles belong to it, or
            `behind-mark`: it has to be signed after a restore.
        Busy, CatalogueFault: as they say.
    """
    with turn(signing.place):
        with changing(signing.place):
            known, staged = stage.open_staged(signing)
            _check_whole(staged, frozenset(only))
            recovery.check_discard(signing.place, known, only)
            signed = tuple(line.role for line in waits(known, staged) if line.role in only and line.signed)
            gone = staged.drop(frozenset(only))
            blobs = tuple(key for change in gone for key in change.blobs)
            journal.begin(signing.place, Journal(what=f"The discarding of {', '.join(only)}", blobs=blobs))
            stage.delegate_no_more(known, staged, only)
            staged.save(signing.place.staged)
        if not is_named(signing.place, blobs):  # whatever it says that was stored for it
            for key in blobs:
                signing.place.blobs.remove(key)
        visible = known.roles if known else {}
        what = tuple(dict.fromkeys(change.what for change in gone))
        return Forgotten(what, tuple(role for role in signed if role in visible))


def set_aside(signing: Signing) -> Path | None:
    """Put what waits aside where it cannot be read; how it is called now, or None where it can be read.

    Raises:
        Busy, PublishError, OSError: as they say.
    """
    with changing(signing.place):
        try:
            proposal.read_staged(signing.place)
        except SigningError:
            return staged_file.set_aside(signing.place.staged)
        return None


def take(signing: Signing, raw: bytes, progress: Progress) -> tuple[tuple[str, ...], Settled]:
    """Take signatures that were made on another machine; for which roles, and what came of it.

    Raises:
        Conflict: as `approve`.
        SigningError: as `papers.take`.
        Busy, CatalogueFault: as they say.
    """
    with changing(signing.place):
        known, staged = stage.open_staged(signing)
        taken = papers.take(raw, known, staged)
        for one in proposals(signing.place, signing.ring, known, staged, taken):
            form.check_expiry(one.role, one.until, signing.terms, signing.clock())
            _check_stored(signing, one, progress)
        return taken, stage.settle(signing, known, staged, None)


def proposals(
    place: Place, ring: Ring, known: Chain | None, staged: Staged, only: Collection[str] | None
) -> tuple[Proposal, ...]:
    """What waits, or of that `only` these roles, beside what it changes; `ring` knows the names of keys.

    Raises:
        Conflict: reason `changed-release` or `bad-target`.
    """
    return tuple(
        Proposal(
            role=line.role,
            version=staged.statements[line.role].signed.version,
            until=staged.statements[line.role].signed.expires,
            differences=tuple(proposal.differences(place, known, staged, line.role, ring)),
            wait=line,
        )
        for line in waiting(place, known, staged)
        if only is None or line.role in only
    )


def _check_waiting(staged: Staged, named: Collection[str]) -> None:
    unknown = set(named) - staged.statements.keys()
    if unknown:
        known = ", ".join(sorted(staged.statements)) or "nothing"
        raise SigningError("nothing-waits", f"Nothing waits for {min(unknown)} (waiting: {known}).")


def _check_whole(staged: Staged, only: frozenset[str]) -> None:
    _check_waiting(staged, only)
    others = staged.bound(only)
    if others:
        every = " ".join(sorted(only | others))
        what = f"{', '.join(sorted(only))} waits for a change together with {', '.join(sorted(others))}"
        raise SigningError("half-a-change", f"{what}: half of it would stay. Forget all: spot-mirror discard {every}")


def _check_stored(signing: Signing, found: Proposal, progress: Progress) -> None:
    new = [(one.component, one.release) for one in found.differences if one.release is not None]
    for component, release in new:
        key = f"releases/{component}/{release.version}/{release.platform}"
        what, blobs = f"hashing {component} {release.version}", signing.place.blobs
        try:
            entries = stored.read_manifest(blobs, key, release)
            length = stored.pack_length(entries)
            progress(what, 0, length)
            stored.check_pack(blobs, key, entries)
            progress(what, length, length)
        except (BlobFault, WireError) as error:
            raise Conflict(
                "not-stored", f"{component} {release.version} ({release.platform}) must not be signed for: {error}"
            ) from error
