"""After a restore: every role that had moved on since the backup is staged above the high-water mark."""

import msgspec
from tuf.api.exceptions import RepositoryError
from tuf.api.serialization import DeserializationError

from mirror.errors import SigningError
from mirror.signing import marks, stage
from mirror.signing.draft import Draft
from mirror.signing.marks import HighWater
from mirror.signing.means import Signing
from mirror.signing.stage import Settled
from mirror.signing.staged import parse
from mirror.signing.switch import changing
from spot_client.wire import index, names
from spot_client.wire.index import Tombstone


def above(signing: Signing, mark: HighWater) -> Settled:
    """Stage what has to be signed anew, and hold the catalogue back until it is; sign for whoever is here.

    Who signs for which product is as the mark has it. A product that the backup does not have is empty. Withdrawals
    that it lacks are put back.

    Raises:
        SigningError: reason `bad-mark`, or as they say.
        PassphraseError, Conflict, Busy, CatalogueFault: as they say.
    """
    with changing(signing.place):
        marks.write(signing.place.floors, mark)
        draft = Draft(signing)
        draft.staged.drop(frozenset(draft.staged.statements))
        _take_targets(draft, mark)
        for ref, stones in sorted(mark.tombstones.items()):
            _put_back(draft, ref, stones)
        versions = {role: one.version for role, one in draft.known.roles.items()}
        for role in marks.behind(versions, mark):
            if role not in draft.staged.statements:
                _stage(signing, draft, role)
        return draft.settle(set(draft.staged.statements))


def _take_targets(draft: Draft, mark: HighWater) -> None:
    try:
        newest = parse("targets", mark.targets.encode())
    except (DeserializationError, RepositoryError, ValueError) as error:
        raise SigningError("bad-mark", f"The high-water mark has no targets that can be read: {error}.") from error
    if newest.signed.version > draft.known.targets.version:
        draft.staged.statements["targets"] = newest
        draft.staged.changes.append(draft.change("targets", "targets: as the high-water mark has it"))


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
