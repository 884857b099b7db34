"""Publishing a release: visible whole, or not at all.

Under a lock, in this order: what a killed run left is cleared up; the source is read and compared with what is on
offer, or staged; the journal; the pack and the manifest, written and then put among the blobs; the new index, staged
and signed by whoever is here. Once enough people have signed, one rename of timestamp.json makes it visible, before
which no client sees anything of it (`mirror.signing`). Killed anywhere, the next run ends in a valid catalogue
(`mirror.publishing.journal`); failed anywhere, the run clears up.

A release is immutable. The same content again is no error: it may add channels, and takes none away.
"""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from mirror.blobs import make_folder
from mirror.errors import BlobFault, Conflict, PublishError
from mirror.place import Place
from mirror.publishing import hints, journal, kinds, pack, source, stored, tree
from mirror.publishing.journal import Journal
from mirror.publishing.order import Means, Order, Outcome, State
from mirror.publishing.pack import Layout
from mirror.publishing.turn import turn
from mirror.signing import marks
from mirror.signing.draft import Draft
from mirror.signing.stage import Settled
from mirror.signing.staged import Change
from mirror.signing.switch import changing
from spot_client.wire import index, manifest, names
from spot_client.wire.errors import WireError
from spot_client.wire.index import Index, Release
from spot_client.wire.manifest import Block, File, Kind, Manifest
from spot_client.wire.sealed import Seal


def publish(means: Means, order: Order, origin: Path, *, dry_run: bool = False) -> Outcome:
    """Publish what lies in `origin`: a folder, an archive, or any other file (`mirror.publishing.source`).

    It is signed for by whoever is here, and visible as soon as enough people have signed (`mirror.signing`).

    Raises:
        Conflict: reason `other-content`, `other-spelling` or `withdrawn`.
        SourceError: the source cannot be used.
        PublishError: reason `requires-itself`, `too-large`, `no-space`, `not-a-folder`, `no-catalogue` or `io`; nothing
            was published.
        Busy, SigningError, PassphraseError, CatalogueFault, BlobFault, BadName, FormatError: as they say.
    """
    _check(order, means.now)
    with turn(means.place) as undone:
        with changing(means.place):
            draft = Draft(means.signing)
        offered = draft.index(order.product, order.component)
        present = _present(offered, order)
        if not dry_run and (present is None or not set(order.channels) <= set(present.channels)):
            draft.unlock(order.product)  # a wrong passphrase shows now, not after an hour of reading
        with source.read(origin, means.limits, means.place.staging, means.progress, opaque=order.opaque) as found:
            tree.check_platform(found, order.platform)
            layout = pack.lay_out(kinds.assign(found, order.config, order.state), means.progress)
            if present is not None:
                outcome = _again(means, draft, order, layout, present, dry_run=dry_run)
            else:
                outcome = _new(means, draft, order, layout, dry_run=dry_run)
        said = hints.hints(order, origin.name, layout, draft.index)
        return msgspec.structs.replace(outcome, notes=(*undone, *outcome.notes, *said, *draft.reminders()))


def _check(order: Order, now: datetime) -> None:
    """Refuse an order that no index can hold or no installation could fulfil, before anything is read."""
    trial = order.release(Seal(head="0" * 64, length=0), now)
    index.decode(index.encode(Index(product=order.product, component=order.component, releases=(trial,)), level=1))
    if f"{order.product}/{order.component}" in order.requires:
        raise PublishError("requires-itself", f"{order.name} requires its own component: leave that requirement out.")


def _present(offered: Index, order: Order) -> Release | None:
    version = names.check_version(order.version)
    for other in {line.version for line in offered.releases} | {line.version for line in offered.tombstones}:
        if other != order.version and names.check_version(other) == version:
            raise Conflict("other-spelling", f"{order.name}: this version is published as {other}. Use that spelling.")
    for tombstone in offered.tombstones:
        if (tombstone.version, tombstone.platform) == (order.version, order.platform):
            raise Conflict("withdrawn", f"{order.name} was withdrawn: publish it under a new version.")
    this = (order.version, order.platform)
    return next((line for line in offered.releases if (line.version, line.platform) == this), None)


def _new(means: Means, draft: Draft, order: Order, layout: Layout, *, dry_run: bool) -> Outcome:
    notes = tuple(_changes(means.place, order, layout, draft.index(order.product, order.component)))
    if dry_run:
        outcome = _outcome(State.DRY_RUN, order.channels, layout, 0, draft.version)
        return msgspec.structs.replace(outcome, notes=notes)
    keys = {name: f"{order.key}/{name}" for name in ("pack", "manifest")}
    blobs = tuple(keys.values())
    journal.begin(means.place, Journal(what=f"The publish of {order.name}", blobs=blobs))
    staging = means.place.staging
    make_folder(staging)
    blocks = pack.write(layout, staging / "pack", level=means.level, workers=means.workers, progress=means.progress)
    seal = _seal(means, order, layout, blocks)
    _check_lost(means, order, seal)
    for name, key in keys.items():
        means.place.blobs.put(key, staging / name)
    release = order.release(seal, means.now)
    settled = _offer(means, order, release, draft.change(order.product, f"{order.name}: new", blobs))
    stored_bytes = sum(block.length for block in blocks)
    outcome = _outcome(State.PUBLISHED, release.channels, layout, stored_bytes, draft.version)
    return _settled(msgspec.structs.replace(outcome, head=seal.head, notes=notes), order, settled)


def _check_lost(means: Means, order: Order, seal: Seal) -> None:
    """A release that clients saw before a restore comes back as it was, or not at all: they refuse another."""
    path = means.signing.high_water
    mark = marks.read(path) if path is not None else None
    heads = mark.heads.get(f"{order.product}/{order.component}", {}) if mark is not None else {}
    if heads.get(f"{order.version} {order.platform}", seal.head) != seal.head:
        raise Conflict(
            "other-content",
            f"{order.name} was on offer with other content before the mirror was restored, and products that saw that "
            "refuse this. Publish the same bytes again, or a new version.",
        )


def _settled(outcome: Outcome, order: Order, settled: Settled) -> Outcome:
    """The outcome once it is known what became visible."""
    shown = settled.shown
    version = shown.version if shown else outcome.version
    aside = tuple(f"Set aside, for nobody had signed it: {what}" for what in settled.aside)
    outcome = msgspec.structs.replace(outcome, version=version, waits=settled.waits, notes=(*outcome.notes, *aside))
    if shown is not None and any(change.role == order.product for change in shown.changes):
        return outcome
    return msgspec.structs.replace(outcome, state=State.STAGED)


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
    with (means.place.staging / "manifest").open("xb") as file:  # not through a link that somebody put there
        file.write(sealed)
    return seal


def _changes(place: Place, order: Order, layout: Layout, offered: Index) -> Iterator[str]:
    """What is worth a note when compared with the release before."""
    line = hints.previous(order, offered)
    if line is not None:
        key = msgspec.structs.replace(order, version=line.version).key
        with contextlib.suppress(BlobFault, WireError):  # a note is not worth a refusal: `release show` tells of it
            yield from hints.changed_kinds(stored.read_manifest(place.blobs, key, line), layout)


def _again(means: Means, draft: Draft, order: Order, layout: Layout, present: Release, *, dry_run: bool) -> Outcome:
    """The release is on offer, or staged: hold the source to it, and add the channels that it lacks."""
    length = stored.compare(means.place.blobs, order, layout, present)
    channels = tuple(sorted({*present.channels, *order.channels}))
    notes = () if _same_words(order, present) else ("Severity, restart, notes and requirements stay as published.",)
    outcome = _outcome(State.ALREADY, channels, layout, length, draft.version)
    outcome = msgspec.structs.replace(outcome, head=present.manifest.head, notes=notes)
    if dry_run:
        same = f"{order.name} is there with exactly this content."
        return msgspec.structs.replace(outcome, state=State.DRY_RUN, notes=(*notes, same))
    if channels == present.channels:
        if order.product not in draft.staged.statements:
            return outcome
        settled = _show(means)  # a run before this one may have been stopped before its last step
        return _settled(msgspec.structs.replace(outcome, state=State.PUBLISHED), order, settled)
    change = draft.change(order.product, f"{order.name}: also in {', '.join({*channels} - {*present.channels})}")
    settled = _offer(means, order, msgspec.structs.replace(present, channels=channels), change)
    return _settled(msgspec.structs.replace(outcome, state=State.PROMOTED), order, settled)


def _same_words(order: Order, present: Release) -> bool:
    asked = (order.severity, order.restart, order.notes, order.requires)
    return asked == (present.severity, present.restart, present.notes, present.requires)


def _offer(means: Means, order: Order, release: Release, change: Change) -> Settled:
    """Stage an index with `release` in it, in place of the one of that name.

    The catalogue is read again: whoever halts or withdraws something does not wait for a publish, which may take long.
    """
    with changing(means.place):
        draft = Draft(means.signing)
        offered = draft.index(order.product, order.component)
        _present(offered, order)
        this = (release.version, release.platform)
        others = [other for other in offered.releases if (other.version, other.platform) != this]
        releases = sorted([*others, release], key=lambda one: (names.check_version(one.version), one.platform))
        packed = index.encode(msgspec.structs.replace(offered, releases=tuple(releases)), level=means.level)
        if len(packed) > index.MAX_PACKED_BYTES:
            raise PublishError("too-large", f"{order.product}/{order.component} has more releases than an index holds.")
        index.decode(packed)
        draft.put(index.target_path(order.product, order.component), packed, change)
        return draft.settle(only={order.product, "targets"})


def _show(means: Means) -> Settled:
    """Make visible what waits and is signed by enough people; nothing is signed for."""
    with changing(means.place):
        draft = Draft(means.signing)
        return draft.show()


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
