"""An offline set: what a customer is licensed for, in a folder that is carried to where no network leads.

    FOLDER/catalogue/…   the same signed roles and indexes; a snapshot and a timestamp of the set's own
    FOLDER/releases/…    manifests and packs

Paths are those of the mirror's URLs, so a client reads the folder as it would a mirror, with the same root of trust and
the same checks. The set's timestamp holds longer than the mirror's, and says so (`x-spot-offline`, signed): served by a
mirror that was taken over, it would hide news for longer, so there clients refuse it.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import msgspec

from ca import files
from mirror import catalogue
from mirror.blobs import make_folder
from mirror.catalogue import Catalogue, Chain
from mirror.errors import PublishError
from mirror.place import Place
from mirror.publishing.tree import Progress
from mirror.signing import roles, statements
from mirror.signing.means import Signing
from mirror.signing.ring import Ring
from mirror.signing.visible import sign
from mirror.targets import read_file
from spot_client.wire import halts
from spot_client.wire.index import Index, Release

_COPIED = 2**20
_LONGEST = 16 * 2**20  # no file of a catalogue is longer


class Exported(msgspec.Struct, frozen=True):
    """What was written: releases, bytes of their files, and the catalogue's version."""

    releases: int
    size: int
    version: int


class Scope(msgspec.Struct, frozen=True):
    """What a set holds: channels by product (none: all channels), and how long it may be used."""

    channels: Mapping[str, Collection[str]]
    life: timedelta


def export(signing: Signing, online: Ring, folder: Path, scope: Scope, progress: Progress) -> Exported:
    """Write to `folder`, new or empty, all that is on offer of the products in `scope`.

    Raises:
        PublishError: reason `not-empty`, `no-product`, or `io`.
        BlobFault: what is on offer is not there.
        CatalogueFault, SigningError, PassphraseError: as they say.
    """
    channels = scope.channels
    if folder.exists() and any(folder.iterdir()):
        raise PublishError("not-empty", f"{folder} is not empty: name a new folder.")
    known = catalogue.load(signing.place.catalogue)
    chain = catalogue.read_chain(signing.place.catalogue)
    unknown = sorted(channels.keys() - chain.products.keys())
    if unknown:
        raise PublishError("no-product", f"There is no product {unknown[0]} in the catalogue: nothing was exported.")
    wanted = [*_wanted(known, channels)]
    lengths = [signing.place.blobs.length(key) for key in _keys(wanted)]
    make_folder(folder)
    done = 0
    for key, length in zip(_keys(wanted), lengths, strict=True):
        _copy(signing, key, folder / key)
        done += length
        progress("copying releases,", done, sum(lengths))
    for name, raw in _metadata(signing, online, chain, scope):
        make_folder((folder / "catalogue" / name).parent)
        files.replace(folder / "catalogue" / name, raw)
    return Exported(len(wanted), sum(lengths), chain.timestamp.version)


def _wanted(known: Catalogue, channels: Mapping[str, Collection[str]]) -> Iterator[tuple[Index, Release]]:
    for (product, _), offered in sorted(known.indexes.items()):
        if product in channels:
            for line in offered.releases:
                if not channels[product] or not set(channels[product]).isdisjoint(line.channels):
                    yield offered, line


def _keys(wanted: list[tuple[Index, Release]]) -> Iterator[str]:
    for offered, line in wanted:
        for name in ("manifest", "pack"):
            yield f"releases/{offered.product}/{offered.component}/{line.version}/{line.platform}/{name}"


def _copy(signing: Signing, key: str, path: Path) -> None:
    make_folder(path.parent)
    blob = signing.place.blobs.open(key)
    try:
        with path.open("xb") as file:
            for start in range(0, blob.length, _COPIED):
                file.write(blob.view(start, min(start + _COPIED, blob.length)))
    except OSError as error:
        raise PublishError("io", f"{path} cannot be written: {error.strerror}.") from error
    finally:
        blob.close()


def _metadata(signing: Signing, online: Ring, chain: Chain, scope: Scope) -> Iterator[tuple[str, bytes]]:
    """The set's catalogue, the timestamp last."""
    place, until = signing.place, signing.clock().replace(microsecond=0) + scope.life
    for number in range(1, chain.root.version + 1):
        yield f"{number}.root.json", _read(place, f"{number}.root.json")
    included = {"targets", *roles.OWN_ROLES, *scope.channels}
    for role, signed in chain.roles.items():
        if role in included:
            yield f"{signed.version}.{role}.json", _read(place, f"{signed.version}.{role}.json")
    for role in included & chain.products.keys():
        yield from _targets(signing, chain, role, scope.channels)
    snapshot = statements.next_snapshot(chain.snapshot, (), until)
    snapshot.version = chain.snapshot.version
    raw = sign(snapshot, chain.root, online)
    yield f"{snapshot.version}.snapshot.json", raw
    timestamp = statements.next_timestamp(chain.timestamp, (snapshot.version, raw), until)
    timestamp.version = chain.timestamp.version
    timestamp.unrecognized_fields[roles.OFFLINE] = True
    yield "timestamp.json", sign(timestamp, chain.root, online)


def _targets(
    signing: Signing, chain: Chain, role: str, channels: Mapping[str, Collection[str]]
) -> Iterator[tuple[str, bytes]]:
    halted = {halts.target_path(product) for product in channels}
    for path, target in chain.products[role].targets.items():
        if role != halts.ROLE or path in halted:
            name = f"targets/{target.get_prefixed_paths()[0]}"
            yield name, _read(signing.place, name)


def _read(place: Place, name: str) -> bytes:
    return read_file(place.catalogue / name, _LONGEST)
