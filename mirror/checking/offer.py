"""The catalogue, and every release that it offers: that the manifest and the pack lie there, whole."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from ca.finding import Finding, good
from mirror import catalogue, expiry
from mirror.blobs import Blobs
from mirror.catalogue import Catalogue, Chain
from mirror.checking.findings import judge_lapses, judge_timer
from mirror.checking.holders import judge_shared, judge_thresholds
from mirror.checking.noted import Noted
from mirror.checking.releases import Progress, examine
from mirror.config import Lifetimes
from mirror.errors import MirrorError
from mirror.signing import roles
from spot_client.wire.index import Index, Release


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
    published = [
        (f"The release {one.product}/{one.component} {release.version}", datetime.fromisoformat(release.published))
        for one, release in _offered(loaded)
    ]
    noted.moments.extend(published)
    noted.published.extend(moment for _, moment in published)
    return found


def _thresholds(chain: Chain) -> dict[str, int]:
    delegated = chain.targets.delegations.roles or {} if chain.targets.delegations else {}
    return {name: role.threshold for roles in (chain.root.roles, delegated) for name, role in roles.items()}


def _offered(loaded: Catalogue) -> Iterator[tuple[Index, Release]]:
    for one in loaded.indexes.values():
        for release in one.releases:
            yield one, release


def _releases(loaded: Catalogue, blobs: Blobs, *, deep: bool, progress: Progress) -> Iterator[Finding]:
    examined = [*examine(loaded.indexes.values(), blobs, progress if deep else None)]
    broken = [one.finding for one in examined if one.finding]
    yield from broken
    if not broken:
        count, how = len(examined), "the right digests" if deep else "the right length"
        length = sum(one.length for one in examined)
        yield good(f"{count} release{'s are' if count != 1 else ' is'} on offer: {length} bytes, of {how}.")
