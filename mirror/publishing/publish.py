"""Publishing a release: visible whole, or not at all.

Under a lock, in this order: what a killed run left is cleared up; the source is read and compared with what is on
offer; the journal; the pack and the manifest, staged and then put among the blobs; the new index and the signatures
that lead to it, all durable; and then one rename of timestamp.json, before which no client sees anything of it. Killed
anywhere, the next run ends in a valid catalogue (`mirror.publishing.journal`); failed anywhere, the run clears up.

A release is immutable. The same content again is no error: it may add channels, and takes none away.
"""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from ca import files
from mirror import catalogue
from mirror.blobs import make_folder
from mirror.catalogue import Catalogue
from mirror.errors import BlobFault, Conflict, PublishError
from mirror.publishing import hints, journal, kinds, pack, signing, source, stored, tree
from mirror.publishing.journal import Journal, Place
from mirror.publishing.keys import Ring
from mirror.publishing.order import Means, Order, Outcome, State
from mirror.publishing.pack import Layout
from mirror.publishing.turn import turn
from spot_client.wire import index, manifest, names
from spot_client.wire.errors import WireError
from spot_client.wire.index import Index, Release
from spot_client.wire.manifest import Block, File, Kind, Manifest
from spot_client.wire.sealed import Seal


def publish(means: Means, order: Order, origin: Path, *, dry_run: bool = False) -> Outcome:
    """Publish what lies in `origin`: a folder, an archive, or any other file (`mirror.publishing.source`).

    Raises:
        Conflict: reason `other-content`, `other-spelling` or `withdrawn`.
        SourceError: the source cannot be used.
        PublishError: reason `requires-itself`, `too-large`, `no-space`, `not-a-folder` or `io`; nothing was published.
        Busy, SigningError, PassphraseError, CatalogueFault, BlobFault, BadName, FormatError: as they say.
    """
    _check(order, means.clock())
    with turn(means.place) as undone:
        known = catalogue.load(means.place.catalogue)
        present = _present(known, order)
        if not dry_run and _signs(means, order, present):
            means.ring.signers("timestamp")  # a wrong passphrase shows now, not after an hour of reading
        scratch = means.place.staging
        with source.read(origin, means.limits, scratch, means.progress, opaque=order.opaque) as found:
            tree.check_platform(found, order.platform)
            layout = pack.lay_out(kinds.assign(found, order.config, order.state), means.progress)
            if present is not None:
                outcome = _again(means, order, layout, present, dry_run=dry_run)
            else:
                outcome = _new(means, order, layout, known, dry_run=dry_run)
        said = hints.hints(order, origin.name, layout, known)
        reminders = signing.reminders(catalogue.read_chain(means.place.catalogue), means.clock())
        notes = (*undone, *outcome.notes, *said, *reminders)
        return msgspec.structs.replace(outcome, notes=notes)


def start(place: Place, ring: Ring, now: datetime) -> None:
    """Make the first catalogue, which offers nothing yet.

    Raises:
        FileExistsError: there is one.
        OSError: it cannot be written.
    """
    make_folder(place.data)
    place.catalogue.mkdir(mode=0o700)
    files.sync_folder(place.data)
    for name, raw in signing.first(ring, now).items():
        files.replace(place.catalogue / name, raw)


def resign(means: Means) -> tuple[int, tuple[str, ...]]:
    """Sign snapshot and timestamp anew; the catalogue's new version, and notes for people. Raises as `publish`."""
    with turn(means.place) as undone:
        chain = catalogue.read_chain(means.place.catalogue)
        _switch(means.place, Journal(what="The new signing"), signing.resign(chain, means.ring, means.clock()))
        return chain.timestamp.version + 1, (*undone, *signing.reminders(chain, means.clock()))


def _check(order: Order, now: datetime) -> None:
    """Refuse an order that no index can hold or no installation could fulfil, before anything is read."""
    trial = order.release(Seal(head="0" * 64, length=0), now)
    index.decode(index.encode(Index(product=order.product, component=order.component, releases=(trial,)), level=1))
    if f"{order.product}/{order.component}" in order.requires:
        raise PublishError("requires-itself", f"{order.name} requires its own component: leave that requirement out.")


def _present(known: Catalogue, order: Order) -> Release | None:
    offered = known.indexes.get((order.product, order.component))
    version = names.check_version(order.version)
    for other in known.ever_published(order.product, order.component):
        if other != order.version and names.check_version(other) == version:
            raise Conflict("other-spelling", f"{order.name}: this version is published as {other}. Use that spelling.")
    for tombstone in offered.tombstones if offered else ():
        if (tombstone.version, tombstone.platform) == (order.version, order.platform):
            raise Conflict("withdrawn", f"{order.name} was withdrawn: publish it under a new version.")
    return known.release(order.product, order.component, order.version, order.platform)


def _signs(means: Means, order: Order, present: Release | None) -> bool:
    """Whether anything will be signed for an order, if its source is what it has to be."""
    if present is None or not set(order.channels) <= set(present.channels):
        return True
    roles = catalogue.read_chain(means.place.catalogue).roles
    return any(
        signing.due(role, roles[role].expires, means.clock()) for role in (*signing.TOP_ROLES[1:], order.product)
    )


def _new(means: Means, order: Order, layout: Layout, known: Catalogue, *, dry_run: bool) -> Outcome:
    notes = tuple(_changes(means.place, order, layout, known))
    if dry_run:
        outcome = _outcome(State.DRY_RUN, order.channels, layout, 0, known.version)
        return msgspec.structs.replace(outcome, notes=notes)
    keys = {name: f"{order.key}/{name}" for name in ("pack", "manifest")}
    line = Journal(what=f"The publish of {order.name}", blobs=tuple(keys.values()))
    journal.begin(means.place, line)
    staging = means.place.staging
    make_folder(staging)
    blocks = pack.write(layout, staging / "pack", level=means.level, workers=means.workers, progress=means.progress)
    seal = _seal(means, order, layout, blocks)
    for name, key in keys.items():
        means.place.blobs.put(key, staging / name)
    release = order.release(seal, means.clock())
    version = _offer(means, order, line, release)
    outcome = _outcome(State.PUBLISHED, release.channels, layout, sum(block.length for block in blocks), version)
    return msgspec.structs.replace(outcome, notes=notes)


def _seal(means: Means, order: Order, layout: Layout, blocks: tuple[Block, ...]) -> Seal:
    """Write the manifest to the staging folder; what to sign for it."""
    entries = Manifest(
        product=order.product,
        component=order.component,
        version=order.version,
        platform=order.platform,
        entries=layout.entries,
        blocks=blocks,
    )
    sealed, seal = manifest.encode(entries, level=means.level)
    if len(sealed) > manifest.MAX_SEALED_BYTES:
        raise PublishError("too-large", f"{order.name} has too many files: its manifest is longer than clients accept.")
    (means.place.staging / "manifest").write_bytes(sealed)
    return seal


def _changes(place: Place, order: Order, layout: Layout, known: Catalogue) -> Iterator[str]:
    """What is worth a note when compared with the release before."""
    line = hints.previous(order, known)
    if line is not None:
        key = msgspec.structs.replace(order, version=line.version).key
        with contextlib.suppress(BlobFault, WireError):  # a note is not worth a refusal: `release show` tells of it
            yield from hints.changed_kinds(stored.read_manifest(place.blobs, key, line), layout)


def _again(means: Means, order: Order, layout: Layout, present: Release, *, dry_run: bool) -> Outcome:
    """The release is on offer: hold the source to it, and add the channels that it lacks."""
    length = stored.compare(means.place.blobs, order, layout, present)
    known = catalogue.read_chain(means.place.catalogue)
    channels = tuple(sorted({*present.channels, *order.channels}))
    notes = () if _same_words(order, present) else ("Severity, restart, notes and requirements stay as published.",)
    outcome = _outcome(State.ALREADY, channels, layout, length, known.timestamp.version)
    outcome = msgspec.structs.replace(outcome, notes=notes)
    if dry_run or not _signs(means, order, present):
        return msgspec.structs.replace(outcome, state=State.DRY_RUN) if dry_run else outcome
    line = Journal(what=f"The change of channels of {order.name}")
    version = _offer(means, order, line, msgspec.structs.replace(present, channels=channels))
    state = State.PROMOTED if channels != present.channels else State.ALREADY
    return msgspec.structs.replace(outcome, state=state, version=version)


def _same_words(order: Order, present: Release) -> bool:
    asked = (order.severity, order.restart, order.notes, order.requires)
    return asked == (present.severity, present.restart, present.notes, present.requires)


def _offer(means: Means, order: Order, line: Journal, release: Release) -> int:
    """Switch to an index with `release` in it, in place of the one of that name; the catalogue's new version."""
    chain = catalogue.read_chain(means.place.catalogue)
    old = catalogue.load(means.place.catalogue).indexes.get((order.product, order.component))
    offered = old or Index(product=order.product, component=order.component)
    this = (release.version, release.platform)
    others = [other for other in offered.releases if (other.version, other.platform) != this]
    releases = sorted([*others, release], key=lambda one: (names.check_version(one.version), one.platform))
    packed = index.encode(msgspec.structs.replace(offered, releases=tuple(releases)), level=means.level)
    if len(packed) > index.MAX_PACKED_BYTES:
        raise PublishError("too-large", f"{order.product}/{order.component} has more releases than an index holds.")
    index.decode(packed)
    signed = signing.offer(chain, means.ring, (order.product, order.component), packed, means.clock())
    _switch(means.place, line, signed)
    return chain.timestamp.version + 1


def _switch(place: Place, line: Journal, signed: signing.Files) -> None:
    """Write the signed files; the last one, timestamp.json, makes them count."""
    *unseen, last = signed
    journal.begin(place, msgspec.structs.replace(line, files=tuple(unseen)))
    for name in (*unseen, last):
        path = place.catalogue / name
        make_folder(path.parent)
        files.replace(path, signed[name])


def _outcome(state: State, channels: tuple[str, ...], layout: Layout, length: int, version: int) -> Outcome:
    lines = [entry for entry in layout.entries if isinstance(entry, File)]
    return Outcome(
        state=state,
        channels=channels,
        form=layout.form,
        files=len(lines),
        config=sum(line.kind is Kind.CONFIG for line in lines),
        state_files=sum(line.kind is Kind.STATE for line in lines),
        size=sum(line.size for line in lines),
        stored=length,
        version=version,
    )
