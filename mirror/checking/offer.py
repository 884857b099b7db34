"""The catalogue, and every release that it offers: that the manifest and the pack lie there, whole."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from ca.finding import Finding, good
from mirror import catalogue, expiry
from mirror.blobs import Blobs
from mirror.catalogue import Catalogue, Chain
from mirror.checking.findings import judge_lapses, judge_timer
from mirror.checking.holders import judge_shared, judge_thresholds
from mirror.checking.noted import Noted
from mirror.config import Lifetimes
from mirror.errors import BlobFault, MirrorError
from mirror.signing import roles
from spot_client.wire import digest, manifest, pack
from spot_client.wire.digest import Blob
from spot_client.wire.errors import WireError
from spot_client.wire.index import Index, Release
from spot_client.wire.manifest import Manifest

_RESTORE: Final = "Restore the release's folder from a backup, or from another mirror."

Progress = Callable[[str, int, int], None]
"""Told what is going on, bytes done, and bytes in all."""


def look(
    folder: Path, blobs: Blobs, lives: Lifetimes, now: datetime, noted: Noted, *, deep: bool, progress: Progress
) -> list[Finding]:
    """All findings about catalogue and releases; notes when releases were published, and when what is signed ends.

    `deep`: also compute the digest of every block of every pack.
    """
    try:
        loaded, chain = catalogue.load(folder), catalogue.read_chain(folder)
    except MirrorError as error:
        return [Finding("problem", error.reason, str(error))]
    found = [good(f"The catalogue in {folder} is whole and signed: version {loaded.version}.")]
    lapses = expiry.of_catalogue(loaded.expires, lives.life)
    found += judge_lapses(lapses, now)
    signed = loaded.expires["timestamp"] - lives.life("timestamp")
    found.append(judge_timer(signed, timedelta(hours=lives.timestamp_every_hours), now))
    found.append(judge_thresholds(_thresholds(chain)))
    found += judge_shared(roles.shared(chain.root, chain.targets))
    found += _releases(loaded, blobs, deep=deep, progress=progress)
    noted.lapses.extend(lapses)
    noted.moments.extend(
        (f"The release {one.product}/{one.component} {release.version}", datetime.fromisoformat(release.published))
        for one, release in _offered(loaded)
    )
    return found


def _thresholds(chain: Chain) -> dict[str, int]:
    delegated = chain.targets.delegations.roles or {} if chain.targets.delegations else {}
    return {name: role.threshold for roles in (chain.root.roles, delegated) for name, role in roles.items()}


def _offered(loaded: Catalogue) -> Iterator[tuple[Index, Release]]:
    for one in loaded.indexes.values():
        for release in one.releases:
            yield one, release


def _releases(loaded: Catalogue, blobs: Blobs, *, deep: bool, progress: Progress) -> Iterator[Finding]:
    count = length = broken = 0
    for one, release in _offered(loaded):
        name = f"{one.product}/{one.component} {release.version} for {release.platform}"
        key = f"releases/{one.product}/{one.component}/{release.version}/{release.platform}"
        try:
            described = _manifest(f"{key}/manifest", release, blobs)
            show = partial(progress, f"checking {name},") if deep else None
            length += release.manifest.length + _pack(f"{key}/pack", described, blobs, show)
        except (MirrorError, WireError, OSError) as error:
            broken += 1
            reason = getattr(error, "reason", "unreadable")
            yield Finding("problem", reason, f"The release {name} is not whole: {error}", _RESTORE)
        count += 1
    if not broken:
        how = "the right digests" if deep else "the right length"
        yield good(f"{count} release{'s are' if count != 1 else ' is'} on offer: {length} bytes, of {how}.")


def _pack(key: str, described: Manifest, blobs: Blobs, progress: Callable[[int, int], None] | None) -> int:
    """The length of a pack; with `progress`, its blocks were looked at one by one. Raises what it finds."""
    spans = pack.spans(described)
    length = sum(span.block.length for span in spans)
    opened = blobs.open(key)
    try:
        if opened.length != length:
            raise BlobFault("wrong-length", f"its pack has {opened.length} bytes, and {length} were signed for.")
        if progress is not None:
            for span in spans:
                end = span.start + span.block.length
                digest.verify(opened.view(span.start, end), Blob(span.block.length, span.block.sha256), "its pack")
                progress(end, length)
    finally:
        opened.close()
    return length


def _manifest(key: str, release: Release, blobs: Blobs) -> Manifest:
    opened = blobs.open(key)
    try:
        if opened.length > manifest.MAX_SEALED_BYTES:
            raise BlobFault("too-large", f"its manifest has {opened.length} bytes.")
        return manifest.decode(bytes(opened.view(0, opened.length)), release.manifest)
    finally:
        opened.close()
