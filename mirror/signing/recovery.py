"""After a restore: every role that had moved on since the backup is staged above the high-water mark."""

import base64
import binascii
from collections.abc import Iterator

import msgspec
from tuf.api.exceptions import RepositoryError
from tuf.api.serialization import DeserializationError

from mirror.errors import SigningError
from mirror.signing import marks, stage
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
    """What waits now, and the releases that are not on offer any more, in words."""

    settled: Settled
    lost: tuple[str, ...]


def above(signing: Signing, mark: HighWater) -> Recovered:
    """Stage what has to be signed anew, and hold the catalogue back until it is. Nobody signs: they look first.

    Roots, targets, halts and official mirrors are as the mark has them. A product that the backup does not have is
    empty. Withdrawals that it lacks are put back.

    Raises:
        SigningError: reason `bad-mark`, or as they say.
        PassphraseError, Conflict, Busy, CatalogueFault: as they say.
    """
    with changing(signing.place):
        marks.write(signing.place.floors, mark.floors)
        if signing.high_water is not None and not signing.high_water.exists():
            marks.write(signing.high_water, mark)
        draft = Draft(signing)
        draft.staged.drop(frozenset(draft.staged.statements))
        for role in KEPT:
            _take(draft, mark, role)
        versions = {role: one.version for role, one in draft.known.roles.items()}
        for role in marks.behind(versions, mark):
            if role not in draft.staged.statements:
                _stage(signing, draft, role)
        for ref, stones in sorted(mark.tombstones.items()):
            _put_back(draft, ref, stones)
        lost = tuple(_lost(draft, mark))
        return Recovered(draft.show(), lost)


def _take(draft: Draft, mark: HighWater, role: str) -> None:
    """Take the newest statement of a role from the mark, with the signatures that it has."""
    try:
        newest = parse(role, mark.statements[role].encode())
        held = {name: base64.b64decode(raw, validate=True) for name, raw in mark.files.items()}
    except (KeyError, DeserializationError, RepositoryError, ValueError, binascii.Error) as error:
        what = f"The high-water mark has no statement of {role} that can be read: {error}."
        raise SigningError("bad-mark", what) from error
    known = draft.known.roles.get(role)
    if known is None or newest.signed.version > known.version:
        draft.staged.statements[role] = newest
        draft.staged.files |= held  # those of other roles go when it is written down
        draft.staged.changes.append(draft.change(role, f"{role}: as the high-water mark has it"))


def _lost(draft: Draft, mark: HighWater) -> Iterator[str]:
    for ref, heads in sorted(mark.heads.items()):
        offered = draft.index(*names.split_component(ref))
        there = {(one.version, one.platform) for one in offered.releases}
        for line in heads:
            version, platform = line.split(" ")
            if (version, platform) not in there:
                yield f"{ref} {version} ({platform})"


def _stage(signing: Signing, draft: Draft, role: str) -> None:
    if draft.staged.targets(role, draft.known) is None:
        draft.staged.put(role, stage.first_targets(signing, role), draft.change(role, f"{role}: known again, empty"))
        return
    newer = stage.next_targets(signing, draft.known, draft.staged, role)
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
