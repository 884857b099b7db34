"""After a restore: every role that had moved on since the backup is staged above the high-water mark.

So it is where the data folder came back in another way, such as by a snapshot of the machine, or where what was staged
is gone: the same step can be taken again at any time.
"""

import base64
import binascii
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import cast

import msgspec
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Targets
from tuf.api.serialization import DeserializationError

from mirror import catalogue
from mirror.catalogue import Chain
from mirror.errors import SigningError
from mirror.place import Place
from mirror.signing import bounds, marks, proposal, stage, statements
from mirror.signing.candidate import waits
from mirror.signing.draft import Draft
from mirror.signing.marks import HighWater
from mirror.signing.means import Signing
from mirror.signing.roles import KEPT
from mirror.signing.stage import Settled
from mirror.signing.staged import parse
from mirror.signing.switch import changing
from spot_client.wire import index, names
from spot_client.wire.index import Tombstone


class Recovered(msgspec.Struct, frozen=True):
    """What waits now, the releases that are not on offer any more, and the changes that waited before, in words."""

    settled: Settled
    lost: tuple[str, ...]
    forgotten: tuple[str, ...]


def above(signing: Signing, mark: HighWater) -> Recovered:
    """Stage what has to be signed anew, and hold the catalogue back until it is. Nobody signs: they look first.

    Roots, targets, halts and official mirrors are as the mark has them. A product that the backup does not have is
    empty. Withdrawals that it lacks are put back. What waited before is forgotten.

    Raises:
        SigningError: reason `bad-mark`, or as they say.
        PassphraseError, Conflict, Busy, CatalogueFault: as they say.
    """
    with changing(signing.place):
        bind(signing, mark)
        draft = Draft(signing)
        if draft.known.root.version < mark.versions.get("root", 0):
            raise SigningError("bad-mark", "The high-water mark lacks roots that it counts: use another copy of it.")
        forgotten = draft.staged.drop(frozenset(draft.staged.statements))
        for role in KEPT:
            _take(signing, draft, mark, role)
        versions = {role: one.version for role, one in draft.known.roles.items()}
        for role in bounds.behind(versions, mark):
            if role not in draft.staged.statements:
                _stage(signing, draft, role, mark.versions[role])
        for ref, stones in sorted(mark.tombstones.items()):
            _put_back(draft, ref, stones)
        lost = tuple(_lost(draft, mark))
        return Recovered(draft.show(), lost, tuple(dict.fromkeys(change.what for change in forgotten)))


def bind(signing: Signing, mark: HighWater) -> None:
    """Hold the catalogue back until it is above the mark, from here on; the lock is held.

    Raises:
        SigningError: reason `bad-mark`: it is damaged, of another catalogue, or ahead by more than can be.
        CatalogueFault: as `catalogue.read_chain`.
    """
    place = signing.place
    before = catalogue.read_chain(place.catalogue)
    first = catalogue.first_root(place.catalogue)
    bounds.check_ours(first, mark)
    bounds.check_ahead({role: one.version for role, one in before.roles.items()}, mark, "The high-water mark")
    if signing.high_water is not None:
        last = marks.read(signing.high_water) or HighWater()
        bounds.check_ours(first, last)
        if any(number > last.versions.get(role, 0) for role, number in mark.versions.items()):
            marks.write(signing.high_water, mark)
    marks.write(place.floors, mark.floors)


def stranded(place: Place, high_water: Path | None) -> list[str]:
    """The roles of which clients may have seen a newer version, and for which nothing waits to be signed above it.

    Raises:
        SigningError: reason `bad-mark` or `bad-staged`.
        CatalogueFault: the catalogue cannot be read.
    """
    known, staged = proposal.chain(place), proposal.read_staged(place)
    found = (marks.floors(place), marks.read(high_water) if high_water is not None else None)
    if known is not None and found[1] is not None:
        bounds.check_ours(catalogue.first_root(place.catalogue), found[1])
    versions = {role: one.version for role, one in known.roles.items()} if known else {}
    waiting = {role: one.signed.version for role, one in staged.statements.items()}
    return sorted({role for mark in found if mark for role in bounds.stranded(versions, waiting, mark)})


def check_discard(place: Place, known: Chain | None, only: Collection[str]) -> None:
    """Refuse to forget what lifts the catalogue above the mark: older halts, pins and keys would take its place.

    Raises:
        SigningError: reason `behind-mark`.
    """
    versions = {role: one.version for role, one in known.roles.items()} if known else {}
    kept = sorted(set(bounds.behind(versions, marks.floors(place))).intersection(only))
    if kept:
        what = f"{', '.join(kept)} waits to be signed above the high-water mark, and is not forgotten before"
        raise SigningError("behind-mark", f"{what}. 'spot-mirror restore --above' stages it anew, as the mark has it.")


def _take(signing: Signing, draft: Draft, mark: HighWater, role: str) -> None:
    """Take the newest statement of a role from the mark, with the signatures that it has.

    What has lapsed meanwhile, or holds for longer than is usual now, is signed anew, and says the same.
    """
    try:
        newest = parse(role, mark.statements[role].encode())
        held = {name: base64.b64decode(raw, validate=True) for name, raw in mark.files.items()}
    except (KeyError, DeserializationError, RepositoryError, ValueError, binascii.Error) as error:
        what = f"The high-water mark has no statement of {role} that can be read: {error}."
        raise SigningError("bad-mark", what) from error
    known = draft.known.roles.get(role)
    last, floor = known.version if known else 0, mark.versions.get(role, 0)
    if newest.signed.version <= last:
        return
    draft.staged.files |= held  # those of other roles go when it is written down
    draft.staged.statements[role] = newest
    change = draft.change(role, f"{role}: as the high-water mark has it")
    if newest.signed.version != floor or not _holds(signing, draft, role):
        newer = statements.successor(cast("Targets", newest.signed), role, signing.terms, signing.clock())
        newer.version = max(last, floor) + 1
        draft.staged.put(role, newer)
    draft.staged.changes.append(change)


def _holds(signing: Signing, draft: Draft, role: str) -> bool:
    """Whether what waits for a role is signed by enough, and may be shown today."""
    missing = {line.role: line.missing for line in waits(draft.known, draft.staged)}
    expires = draft.staged.statements[role].signed.expires
    return not missing[role] and signing.terms.oddity(role, expires, signing.clock()) is None


def _lost(draft: Draft, mark: HighWater) -> Iterator[str]:
    for ref, heads in sorted(mark.heads.items()):
        offered = draft.index(*names.split_component(ref))
        there = {(one.version, one.platform) for one in offered.releases}
        for line in heads:
            version, platform = line.split(" ")
            if (version, platform) not in there:
                yield f"{ref} {version} ({platform})"


def _stage(signing: Signing, draft: Draft, role: str, floor: int) -> None:
    last = draft.staged.targets(role, draft.known)
    if last is None:
        empty = stage.first_targets(signing, role, floor)
        draft.staged.put(role, empty, draft.change(role, f"{role}: known again, empty"))
        return
    newer = statements.successor(last, role, signing.terms, signing.clock(), floor)
    draft.staged.put(role, newer, draft.change(role, f"{role}: signed above the high-water mark"))


def _put_back(draft: Draft, ref: str, stones: tuple[Tombstone, ...]) -> None:
    product, component = names.split_component(ref)
    offered = draft.index(product, component)
    known = {(one.version, one.platform) for one in offered.tombstones}
    lost = [stone for stone in stones if (stone.version, stone.platform) not in known]
    if not lost:
        return
    gone = {(stone.version, stone.platform) for stone in lost}
    ordered = sorted([*offered.tombstones, *lost], key=lambda one: (names.check_version(one.version), one.platform))
    left = tuple(one for one in offered.releases if (one.version, one.platform) not in gone)
    packed = index.encode(msgspec.structs.replace(offered, releases=left, tombstones=tuple(ordered)))
    change = draft.change(product, f"{ref}: withdrawals put back")
    draft.put(index.target_path(product, component), packed, change)
