"""The step by which what people have signed becomes the catalogue that clients see.

Whoever holds the online keys takes it: the timer, or on a machine for development the commands themselves. Statements
that are complete (`mirror.signing.candidate`), the files that they lead to, and a new snapshot are written and durable
before one rename of timestamp.json, which makes them count. Every signature is checked against the catalogue's own keys
before it leaves this room, so keys of another catalogue are noticed here and not at a customer's.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec
from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from mirror import catalogue
from mirror.catalogue import MAX_METADATA_BYTES, Chain
from mirror.errors import SigningError
from mirror.place import Place
from mirror.signing import advance, bounds, form, marks, proposal, statements
from mirror.signing.candidate import Candidate, Wait, candidate, waits
from mirror.signing.marks import HighWater
from mirror.signing.means import Signing
from mirror.signing.ring import Ring
from mirror.signing.staged import Change, Staged, Statement
from mirror.signing.switch import TIMESTAMP, put_up

S = TypeVar("S", Snapshot, Timestamp)
Files = dict[str, bytes]
"""Catalogue files by name, in the order they have to be written: `timestamp.json`, which makes them count, is last."""


class Shown(msgspec.Struct, frozen=True):
    """What became visible: the catalogue's new version, and the changes; none if it only was signed anew."""

    version: int
    changes: tuple[Change, ...]


class _Step(msgspec.Struct, frozen=True):
    """What a turn makes of the catalogue: `chain` becomes `found`, above `mark`."""

    chain: Chain | None
    found: Candidate
    mark: HighWater


def show(signing: Signing, online: Ring, staged: Staged, *, renew: bool = False) -> Shown | None:
    """Make visible what can be; the lock is held. None if there is nothing to do, or if what was restored
    waits to be signed above its high-water mark.

    Args:
        renew: sign snapshot and timestamp anew in any case.

    Raises:
        Conflict: reason `changed-release`: what was signed would change what is published; or as `form`.
        SigningError: reason `behind-mark`: clients saw a newer version of a role, and nothing waits that would follow
            on it; `bad-mark`; or as for PassphraseError.
        PassphraseError: the online keys cannot be used, or are not those of the catalogue.
        CatalogueFault, OSError: as they say; nothing has become visible.
    """
    place, chain = signing.place, proposal.chain(signing.place)
    found, floors = _next(place, chain, staged), marks.floors(place)
    if found is None and renew and chain is not None:
        found = Candidate(chain.root, chain.targets, chain.products, {})
    if found is None:
        _is_above(_versions(chain, {}), staged, floors)
        return None
    proposal.check(place, chain, staged, found.changed)
    for role, one in found.changed.items():
        form.check_expiry(role, one.signed.expires, signing.terms, signing.clock())
    mark, versions = _mark(signing, chain, found), _versions(chain, found.changed)
    if not _is_above(versions, staged, mark or floors):
        return None
    signed, online_versions = _files(signing, online, staged, _Step(chain, found, mark or floors))
    if signing.high_water is not None:
        advance.raise_mark(signing.high_water, mark, place, signed, versions | online_versions)
    put_up(place, signed)
    place.floors.unlink(missing_ok=True)
    changes = tuple(change for change in staged.changes if change.role in found.changed)
    if found.changed:
        staged.drop(frozenset(found.changed))
        staged.save(place.staged)
    return Shown(online_versions["timestamp"], changes)


def waiting(place: Place, chain: Chain | None, staged: Staged) -> list[Wait]:
    """What each statement waits for, and which become visible at the next turn.

    Raises:
        CatalogueFault, SigningError: as they say.
    """
    found = _next(place, chain, staged)
    ready = found.changed if found else {}
    if bounds.behind(_versions(chain, ready), marks.floors(place)):
        ready = {}
    return [msgspec.structs.replace(line, ready=line.role in ready) for line in waits(chain, staged)]


def _next(place: Place, chain: Chain | None, staged: Staged) -> Candidate | None:
    return candidate(chain, staged, lambda role: published(place, chain, role))


def _mark(signing: Signing, chain: Chain | None, found: Candidate) -> HighWater | None:
    """How far the catalogue had gone, as it is written down elsewhere."""
    mark = marks.read(signing.high_water) if signing.high_water is not None else None
    if mark is not None:
        first = catalogue.first_root(signing.place.catalogue) if chain else found.changed["root"].to_bytes()
        bounds.check_ours(first, mark)
        bounds.check_ahead(_versions(chain, {}), mark, f"The high-water mark {signing.high_water}")
    return mark


def _is_above(versions: Mapping[str, int], staged: Staged, mark: HighWater) -> bool:
    """Whether clients will see nothing older than they did; False if what waits has to be signed first."""
    waiting = {role: one.signed.version for role, one in staged.statements.items()}
    stranded = bounds.stranded(versions, waiting, mark)
    if stranded:
        raise bounds.refusal(stranded)
    return not bounds.behind(versions, mark)


def _versions(chain: Chain | None, changed: Mapping[str, Statement]) -> dict[str, int]:
    """The version of each role once these are visible."""
    last = {role: one.version for role, one in chain.roles.items()} if chain else {}
    return last | {role: one.signed.version for role, one in changed.items()}


def published(place: Place, chain: Chain | None, role: str) -> Metadata[Targets]:
    """The visible statement of targets or of a role that it delegates, with its signatures. Raises CatalogueFault."""
    version = chain.roles[role].version if chain else 1
    return catalogue.read_statement(place.catalogue, role, version)


def _files(signing: Signing, online: Ring, staged: Staged, step: _Step) -> tuple[Files, dict[str, int]]:
    """All that is to be written: what the statements lead to, the statements, snapshot, root, timestamp.

    And the versions of snapshot and timestamp.
    """
    terms, now = signing.terms, signing.clock()
    chain, root, changed = step.chain, step.found.root, step.found.changed
    written: Files = {}
    for role, one in changed.items():
        if isinstance(one.signed, Targets):
            written |= proposal.leads_to(signing.place, staged, one.signed)
        if role != "root":
            written[f"{one.signed.version}.{role}.json"] = one.to_bytes()
    lines = [(role, one.signed.version, one.to_bytes()) for role, one in changed.items() if role != "root"]
    last = step.mark.versions.get("snapshot", 0), step.mark.versions.get("timestamp", 0)
    snapshot = statements.next_snapshot(
        chain.snapshot if chain else None, lines, terms.expiry("snapshot", now), last[0]
    )
    raw = sign(snapshot, root, online)
    written[f"{snapshot.version}.snapshot.json"] = raw
    # Clients look for the next root before all else: it comes last before the timestamp that belongs to it.
    written |= _roots(signing.place, chain, marks.floors(signing.place))
    if "root" in changed:
        written[f"{root.version}.root.json"] = changed["root"].to_bytes()
    before = chain.timestamp if chain else None
    timestamp = statements.next_timestamp(before, (snapshot.version, raw), terms.expiry("timestamp", now), last[1])
    written[TIMESTAMP] = sign(timestamp, root, online)
    return written, {"snapshot": snapshot.version, "timestamp": timestamp.version}


def _roots(place: Place, chain: Chain | None, mark: HighWater) -> Files:
    """The roots of a mark that are not on the disk: those that `marks.newest_root` verified, and no others."""
    numbers = range(1, chain.root.version + 1) if chain else ()
    names = {number: f"{number}.root.json" for number in numbers if str(number) in mark.roots}
    return {
        name: mark.roots[str(number)].encode()
        for number, name in names.items()
        if not (place.catalogue / name).exists()
    }


def sign(signed: S, root: Root, online: Ring) -> bytes:
    """A snapshot or timestamp with the signatures that the root asks for.

    Raises:
        SigningError: reason `other-keys` or `too-large`; or as `Ring.signer`.
        PassphraseError: the passphrase is missing or wrong.
    """
    role = signed.type
    metadata = Metadata(signed)
    for signer in _signers(role, root, online):
        metadata.sign(signer, append=True)
    if not root.get_verification_result(role, metadata.signed_bytes, metadata.signatures).verified:
        raise SigningError(
            "other-keys",
            f"{online.folder} has too few of the catalogue's keys for {role}: name the folder that has them, or "
            "restore it. If they are lost, 'spot-mirror keys rotate' makes new ones, for holders of the root to sign.",
        )
    raw: bytes = metadata.to_bytes()
    if len(raw) > MAX_METADATA_BYTES[role]:
        raise SigningError("too-large", f"The {role} metadata would have {len(raw)} bytes, more than clients accept.")
    return raw


def _signers(role: str, root: Root, online: Ring) -> Iterable[Signer]:
    for keyid in root.roles[role].keyids:
        name = online.name(keyid)
        if name is not None and name in online.held():
            yield online.signer(name)
